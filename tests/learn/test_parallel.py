import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import strict
from learn import short_run
from learn.short_run import objective, parameters, samples, trained
from minigrad.models import resnet
from numpy.testing import assert_allclose, assert_array_equal

import minigrad as mg
from minigrad.learn import NotFinite, RankGone, Ranks, parallel, started, train
from minigrad.learn.parallel import NoRanks
from minigrad.tree import leaves, map_leaves

ROOT = Path(__file__).parents[2]
KS = [1, 2, 3, 7]
CLOSE = {"rtol": 1e-9, "atol": 1e-12}


class Done:
    def Test(self):
        return True


class Comm:
    """A stand-in for mpi4py's communicator: the ranks are threads."""

    def __init__(self, rank, slots, barrier):
        self.rank, self.size, self.slots, self.barrier = rank, len(slots), slots, barrier

    def allgather(self, a):
        self.slots[self.rank] = a
        self.barrier.wait(10)
        found = list(self.slots)
        self.barrier.wait(10)
        return found

    def Iallreduce(self, a, total):
        total[...] = np.sum(self.allgather(a), 0)
        return Done()

    def Ibarrier(self):
        self.allgather(None)
        return Done()


def together(k, f):
    """[f(ranks) of each of k ranks]."""
    slots, barrier = [None] * k, threading.Barrier(k)
    with ThreadPoolExecutor(k) as pool:
        runs = [pool.submit(lambda r: f(Ranks(Comm(r, slots, barrier))), r) for r in range(k)]
        return [run.result() for run in runs]


def same(a, b, **close):
    for x, y in zip(leaves(a), leaves(b), strict=True):
        assert_allclose(x, y, **close) if close else assert_array_equal(x, y)


def timeless(log):
    return [[row[name] for name in ("step", "epoch", "loss", "rate")] for row in log]


# shares


@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize("n", [1, 5, 7, 100])
def test_shares_put_together_are_the_batch_and_differ_by_one_at_most(n, k):
    batch = np.random.default_rng(0).permutation(n)

    def share(ranks):
        own = ranks.share(batch)
        return own if ranks.weight else own[:0], ranks.weight

    shares, weights = zip(*together(k, share))
    assert_array_equal(np.concatenate(shares), batch)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert_allclose(weights, [len(own) / n for own in shares])


def test_a_rank_for_which_nothing_is_left_takes_the_batch_with_weight_0():
    batch = np.array([4, 2])
    found = together(3, lambda ranks: (ranks.share(batch), ranks.weight, ranks.growth))
    assert_array_equal(found[2][0], batch)
    assert [weight for _, weight, _ in found] == [0.5, 0.5, 0]
    assert [growth for *_, growth in found] == [2, 2, 1]


# averages


@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize("n", [2, 5, 30])
def test_the_average_over_ranks_is_loss_and_gradient_of_the_whole_batch(n, k):
    X, T = (a[:n] for a in samples())

    def f(U, X, T):
        (W, b), V = U["in"], U["out"][0]
        return mg.entropy(mg.tanh(mg.affine(X, (W, b))) @ V, T) + mg.decay(V, 0.1)

    rng = np.random.default_rng(0)
    W, V = rng.standard_normal((6, 4)), rng.standard_normal((4, 3))
    U = {"in": (W, np.zeros(4)), "out": [V, None]}
    gradient = mg.value_and_grad(f)

    def on(ranks):
        own = ranks.share(np.arange(n))
        return ranks.average(*gradient(U, X[own], T[own]))

    L, dU = gradient(U, X, T)
    for loss, gradients, stop in together(k, on):
        assert_allclose(loss, L, **CLOSE)
        assert gradients["out"][1] is None
        same([g for g in leaves(gradients) if g is not None], leaves(dU)[:-1], **CLOSE)
        assert not stop


def test_gradients_keep_their_dtypes_and_nests():
    given = {"a": (np.ones((2, 3), np.float32), np.ones(1)), "b": [np.ones((3, 2), order="F")]}
    ((_, found, _), _) = together(2, lambda ranks: ranks.average(np.float32(1), given))
    assert mg.tree.same(found, given, lambda a, b: a.dtype == b.dtype and a.shape == b.shape)


def test_a_gradient_of_weight_0_counts_for_nothing_even_if_it_is_no_number():
    def on(ranks):
        ranks.share(np.arange(1))
        return ranks.average(np.array(1.0), np.array([np.nan if ranks.rank else 3.0]))

    assert [(loss, g) for loss, g, _ in together(2, on)] == [(1, 3), (1, 3)]


def test_one_rank_that_is_to_stop_stops_all():
    on = lambda ranks: ranks.average(np.array(1.0), np.ones(1), ranks.rank == 1)[2]
    assert together(3, on) == [True] * 3


def test_a_process_by_itself_shares_nothing():
    ranks, g = Ranks(), [np.ones(2)]
    assert ranks.average(1.0, g) == (1.0, g, False)
    assert_array_equal(ranks.share(np.arange(3)), np.arange(3))
    rng = np.random.default_rng(0)
    assert ranks.generator(rng, 5) is rng


def test_on_gpus_arrays_are_added_by_nccl(monkeypatch):
    strict.install(monkeypatch)

    class Nccl:
        def all_reduce(self, a, total):
            total[...] = a + a  # two ranks with the same

    monkeypatch.setattr(parallel, "nccl", lambda size, rank: Nccl())
    W = mg.to_gpu(np.arange(6.0).reshape(2, 3))

    def on(ranks):
        ranks.share(np.arange(4))
        return ranks.average(mg.to_gpu(np.array(3.0)), (W, None), True)

    for loss, (dW, _), stop in together(2, on):
        assert float(loss) == 3
        assert type(dW) is type(W)
        assert_array_equal(mg.to_cpu(dW), mg.to_cpu(W))
        assert stop is True


# generators


def test_ranks_and_steps_draw_differently_and_leave_the_generator_as_it_is():
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    on = lambda ranks: [ranks.generator(rng, step).random() for step in (0, 1, 0)]
    first, second = together(2, on)
    assert first[0] == first[2]
    assert len({*first, *second}) == 4
    assert rng.bit_generator.state == before
    rng.random()
    assert together(2, on)[0][0] != first[0]


# batch normalisation


@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize("n", [2, 5, 12])
@pytest.mark.parametrize("shape", [(), (3, 2)], ids=["rows", "images"])
@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("name", ["batchnorm", "batchnorm_relu"])
def test_shared_statistics_give_values_gradients_and_state_of_the_whole_batch(
    name, views, shape, n, k
):
    rng = np.random.default_rng(0)
    X, G = rng.standard_normal((2, views, n, 4, *shape))
    U = (rng.random(4), rng.standard_normal(4))

    def on(ranks):
        own, state = ranks.share(np.arange(n)), {}
        options = {"state": state, "views": views, "ranks": ranks if ranks.comm else None}

        def f(args, G):
            X, U = args
            Z = getattr(mg, name)(X, U, **options)
            return mg.sum(Z * G) / len(own)  # a mean over samples

        rows = lambda A: A[:, own].reshape(-1, *A.shape[2:])
        L, (dX, dU) = mg.value_and_grad(f)((rows(X), U), rows(G))
        L, dU, _ = ranks.average(L, dU)
        dX = ranks.weight * dX.reshape(views, len(own), *dX.shape[1:])
        return L, dU, state, dX if ranks.weight else dX[:, :0]

    L, dU, state, dX = on(Ranks())
    found = together(k, on)
    for one in found:
        same(one[:2], (L, dU), **CLOSE)
        same([one[2]["mean"], one[2]["var"]], [state["mean"], state["var"]], **CLOSE)
    assert_allclose(np.concatenate([one[3] for one in found], 1), dX, **CLOSE)


def test_without_sharing_each_rank_has_statistics_of_its_own():
    X = np.array([[1.0], [3.0], [10.0], [30.0]])
    on = lambda ranks: mg.batchnorm(X[ranks.share(np.arange(4))], None, eps=0.0)
    assert_allclose(np.concatenate(together(2, on)).ravel(), [-1, 1, -1, 1])


def test_one_value_of_a_channel_on_a_rank_is_enough_if_ranks_share():
    X = np.array([[1.0], [3.0]])

    def on(own, **options):
        return mg.batchnorm(X[own.share(np.arange(2))], None, eps=0.0, **options)

    assert_allclose(together(2, lambda r: on(r, ranks=r).item()), [-1, 1])
    with pytest.raises(ValueError, match="more than one value"):
        together(2, on)


@pytest.mark.parametrize("k", [2, 3])
def test_a_residual_network_that_shares_statistics_has_the_gradients_of_the_whole_batch(k):
    rng = np.random.default_rng(0)
    U = map_leaves(lambda w: w.astype(np.float64), resnet.initial(rng, 3, 1, (2, 3, 3, 3)))
    X, T = rng.standard_normal((5, 1, 16, 16)), rng.integers(0, 3, 5)
    gradient = mg.value_and_grad(resnet.loss)

    def on(ranks):
        own = ranks.share(np.arange(5))
        return ranks.average(*gradient(U, X[own], T[own], ranks=ranks))[:2]

    for found in together(k, on):
        same(found, gradient(U, X, T), rtol=1e-6, atol=1e-10)


# runs


@pytest.mark.parametrize("k", KS)
def test_a_run_on_ranks_is_the_run_of_one_process_to_rounding(k):
    U, log, state = trained()
    found = together(k, trained)
    for V, other, statistics in found:
        same(V, found[0][0])  # bit by bit among ranks
        same(V, U, **CLOSE)
        same([statistics[s] for s in ("mean", "var")], [state[s] for s in ("mean", "var")], **CLOSE)
        assert_allclose(timeless(other), timeless(log), **CLOSE)


def test_with_dropout_the_ranks_stay_alike_and_the_order_is_that_of_any_number_of_ranks():
    seen = []

    def f(U, X, T, *, rng, ranks, **options):
        if ranks.rank == 0:
            seen.append(X[0, 0])
        return objective(U, mg.dropout(X, rng=rng), T, rng=rng, ranks=ranks, **options)

    runs = [together(k, lambda ranks: trained(ranks, f)[0]) for k in (1, 2, 2)]
    same(runs[1][0], runs[1][1])
    same(runs[1], runs[2])
    assert seen[: len(seen) // 3] * 3 == seen


def test_only_rank_0_writes(tmp_path):
    together(3, lambda ranks: trained(ranks, folder=tmp_path / str(ranks.rank)))
    assert [path.name for path in tmp_path.iterdir()] == ["0"]
    assert (tmp_path / "0" / "checkpoint.safetensors").exists()


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (2, 7)], ids=str)
def test_a_run_resumes_on_another_number_of_ranks(tmp_path, before, after):
    calls = {r: iter(range(1000)) for r in range(before)}

    def broken(*args, ranks, **options):
        if next(calls[ranks.rank]) == 9:
            raise MemoryError
        return objective(*args, ranks=ranks, **options)

    with pytest.raises(MemoryError):
        together(before, lambda ranks: trained(ranks, broken, folder=tmp_path))
    U, log, _ = trained()
    V, other, _ = together(after, lambda r: trained(r, folder=tmp_path, resume=True))[-1]
    same(V, U, **CLOSE)
    assert_allclose(timeless(other), timeless(log), **CLOSE)


def test_ranks_that_begin_with_other_parameters_are_refused():
    def on(ranks):
        U = parameters(seed=int(ranks.rank == 2))
        f = lambda U, *data, rng: objective(U, *data, rng=rng)
        train(f, U, samples(), rng=np.random.default_rng(0), epochs=1, ranks=ranks)

    with pytest.raises(ValueError, match="rank 2 has other parameters, or another generator"):
        together(3, on)


def test_what_is_not_finite_on_one_rank_is_said_by_all_in_its_name():
    sentences = []

    def f(U, X, T, *, rng, ranks, state):
        factor = np.nan if ranks.rank == 1 else 1.0
        return objective(U, X, T, rng=rng) * factor

    def on(ranks):
        with pytest.raises(NotFinite) as error:
            trained(ranks, f)
        sentences.append(str(error.value))

    together(2, on)
    assert len(set(sentences)) == 1
    assert sentences[0].startswith("step 0: rank 1: the value of mul")


# ranks that are gone


def gone():
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("step", [None, 12])
def test_a_rank_that_waits_for_one_that_is_gone_says_so(step):
    class Never(Comm):
        def allgather(self, mine):
            return [mine, (mine[0], gone())]

        def Iallreduce(self, a, total):
            return type("Request", (), {"Test": lambda self: False})()

    ranks = Ranks(Never(0, [None, None], None))
    ranks._saved = step
    kept = f"the checkpoint of step {step} resumes, also with another number of ranks"
    with pytest.raises(RankGone, match="rank 1 is gone, and so all end: ") as error:
        ranks.average(np.array(1.0), [np.ones(3)])
    assert str(error.value).endswith(kept if step else "nothing was saved")


# mpiexec


def test_a_process_that_mpiexec_did_not_start_has_no_ranks(monkeypatch):
    for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE"):
        monkeypatch.delenv(name, raising=False)
    with started() as ranks:
        assert ranks is None


@pytest.mark.parametrize("name", ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"])
def test_mpiexec_without_mpi4py_is_refused(monkeypatch, name):
    monkeypatch.setenv(name, "2")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    sentence = "mpiexec started 2 ranks, but mpi4py cannot be imported"
    with pytest.raises(NoRanks, match=sentence), started():
        pass


def test_the_example_without_mpi4py_is_one_line_and_exit_code_2(tmp_path):
    code = """import runpy, sys
sys.modules["mpi4py"] = None
runpy.run_module("examples.exemplar_digits", run_name="__main__")"""
    done = subprocess.run(
        [sys.executable, "-c", code, "--folder", str(tmp_path / "new")],
        cwd=ROOT,
        env=os.environ | {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert re.fullmatch(r"mpiexec started 2 ranks, but .*\[mpi\]'\n", done.stderr)
    assert not (tmp_path / "new").exists()


def mpiexec(k, *words, act=lambda process: None):
    """A finished run of `mpiexec -n k python ...`, on which something has acted meanwhile."""
    allowed = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    process = subprocess.Popen(
        ["mpiexec", "-n", str(k), "--oversubscribe", sys.executable, *map(str, words)],
        cwd=ROOT,
        env=os.environ | allowed | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    act(process)
    said = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, *said)


def run(k, folder, *words):
    return mpiexec(k, short_run.__file__, folder, *words)


needs_mpi = pytest.mark.skipif(
    not (shutil.which("mpiexec") and importlib.util.find_spec("mpi4py")),
    reason="needs mpiexec (Debian: openmpi-bin) and the extra `mpi`",
)


def results(folder):
    return {path.stem: np.load(path) for path in folder.glob("* of *.npy")}


@pytest.mark.mpi
@needs_mpi
@pytest.mark.parametrize("k", [1, 2, 3])
def test_under_mpiexec_a_run_is_that_of_one_process_to_rounding(tmp_path, k):
    done = run(k, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(rf"{k} ranks: loss \S+\n", done.stdout)  # only rank 0 prints
    found = results(tmp_path)
    assert set(found) == {f"{r} of {k}" for r in range(k)}
    U = np.concatenate([w.ravel() for w in leaves(trained()[0])])
    for W in found.values():
        assert_array_equal(W, found[f"0 of {k}"])
        assert_allclose(W, U, **CLOSE)


@pytest.mark.mpi
@needs_mpi
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_rank_ends_all_with_a_sentence_and_the_run_resumes_on_any_number(tmp_path, rank):
    done = run(2, tmp_path, "--signal", "SIGKILL", rank, 9)
    assert done.returncode != 0
    sentence = (
        f"rank {rank} is gone, and so all end: the checkpoint of step 8 resumes, also with another "
        "number of ranks\n"
    )
    assert done.stderr.count(sentence) == 1
    assert not results(tmp_path)
    U = np.concatenate([w.ravel() for w in leaves(trained()[0])])
    saved = (tmp_path / "checkpoint.safetensors").read_bytes()
    for k in (1, 2, 3):
        (tmp_path / "checkpoint.safetensors").write_bytes(saved)
        assert run(k, tmp_path, "--resume").returncode == 0
        assert_allclose(results(tmp_path)[f"0 of {k}"], U, **CLOSE)


@pytest.mark.mpi
@needs_mpi
def test_ctrl_c_on_one_rank_saves_and_stops_all_after_the_same_step(tmp_path):
    done = run(2, tmp_path, "--signal", "SIGINT", 1, 8)
    assert done.returncode != 0
    assert "stopped after step 9 of 20; saved in" in done.stderr
    assert run(1, tmp_path, "--resume").returncode == 0


@pytest.mark.mpi
@needs_mpi
def test_ctrl_c_on_mpiexec_saves_and_stops(tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"

    def ctrl_c(process):
        while process.poll() is None and not checkpoint.exists():
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)

    done = mpiexec(2, short_run.__file__, tmp_path, "--epochs", 9999, act=ctrl_c)
    assert done.returncode != 0
    assert len(re.findall(r"stopped after step \d+ of 49995; saved in", done.stderr)) == 1


@pytest.mark.mpi
@needs_mpi
def test_the_example_runs_on_two_ranks_and_rank_0_reports(tmp_path):
    words = ("--seeds", 20, "--versions", 10, "--epochs", 1, "--folder", tmp_path)
    done = mpiexec(2, "-m", "examples.exemplar_digits", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("raw pixels") == 1
    assert (tmp_path / "report.html").exists()
    assert json.loads((tmp_path / "run.json").read_text())["state"] == "finished"


@pytest.mark.mpi
@needs_mpi
def test_a_mistake_is_said_once_and_ends_all(tmp_path):
    words = ("--epochs", 0, "--folder", tmp_path)
    done = mpiexec(2, "-m", "examples.exemplar_digits", *words)
    assert done.returncode == 2
    assert done.stderr.count("epochs at least 1") == 1
