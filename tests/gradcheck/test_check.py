"""The check finds every mistake of the catalogue, names it or says that it cannot, and is quiet
about what is right."""

import contextlib
import io
import multiprocessing
from pathlib import Path

import numpy as np
import pytest
from gradcheck.right import RIGHT
from gradcheck.wrong import WRONG

import minigrad as mg
from minigrad import block, check, node, tree
from minigrad.gradcheck import Unfit, procedure

SEEDS = range(10)  # a check compares two draws: twenty in all
SOME_AND_REST = pytest.mark.parametrize(
    "seeds", [SEEDS[:3], pytest.param(SEEDS[3:], marks=pytest.mark.slow)], ids=str
)
NAMED = 0.8


def reports(case, seeds):
    for seed in seeds:
        arguments = case.arguments(np.random.default_rng(seed))
        yield seed, check(case.function, *arguments, seed=seed)


@SOME_AND_REST
@pytest.mark.parametrize("case", WRONG, ids=[case.name for case in WRONG])
def test_a_mistake_is_found_and_never_called_something_else(case, seeds, capsys):
    for seed, report in reports(case, seeds):
        assert not report, f"seed {seed}"
        assert report.cause in ("", *case.causes), f"seed {seed}: {report}"
        assert report.sentence


@SOME_AND_REST
@pytest.mark.parametrize("case", RIGHT, ids=[case.name for case in RIGHT])
def test_what_is_right_raises_no_alarm(case, seeds, capsys):
    for seed, report in reports(case, seeds):
        assert report, f"seed {seed}: {report}"


@pytest.mark.slow
def test_most_mistakes_get_their_own_diagnosis(capsys):
    named = [all(report.cause for _, report in reports(case, SEEDS[:2])) for case in WRONG]
    assert np.mean(named) >= NAMED


rng = np.random.default_rng(0)
X, W, b = rng.normal(size=(5, 4)), rng.normal(size=(4, 6)), rng.normal(size=6)
T = np.array([0, 5, 1, 1, 2])


def affine(X, U):
    W, b = U

    def back(dA, dX, dU):
        dW, db = dU
        dW += X.T @ dA
        db += dA.mean(0)
        dX += dA @ W.T

    return X @ W + b, back


def test_a_report_names_every_gradient_as_on_the_slide_with_the_worst_entry_and_both_numbers():
    report = check(affine, X, (W, b))
    assert [v.passed for v in report.verdicts] == [True, True, False]
    lines = str(report).splitlines()
    assert lines[0] == "affine: wrong"
    assert lines[2].split() == ["dX", "(5,", "4)", "right,", "20", "of", "20", "entries"]
    v = report.verdicts[2]
    assert v.path == "U[1]"
    assert np.isclose(v.expected, 5 * v.deposited)
    assert lines[4].split() == ["db", "(6,)", "wrong", str(list(v.worst))] + [
        f"{v.deposited:.6g}",
        f"{v.expected:.6g}",
    ]
    assert lines[5].startswith("1/N: the gradient of b is 5 times too small, and 5 is how many")
    assert (report.cause, report.path) == ("1/N", "U[1]")


def test_a_report_in_a_notebook_is_escaped():
    def weird(A):
        raise ValueError("<b>")

    text = check(weird, X)._repr_html_()
    assert "&lt;b&gt;" in text
    assert "<b>weird: wrong</b>" in text


@node
def relu(A):
    Z = np.maximum(A, 0)

    def back(dZ, dA):
        dA += dZ * (dZ > 0)

    return Z, back


@block
def layer(X, U):
    return relu(mg.affine(X, U))


def test_in_a_program_the_node_at_fault_is_named():
    for f in (layer, lambda X, U: mg.mean(layer(X, U))):
        report = check(f, X, (W, b))
        assert report.cause == "wrong mask"
        assert report.sentence.startswith("in relu: the gradient of A is let through where")


def test_a_node_that_would_be_wrong_in_another_program_is_named():
    @node
    def double(A):
        def back(dZ, dA):
            dA[...] = 2 * dZ

        return 2 * A, back

    report = check(lambda X: mg.sum(double(X)), X)
    assert report.cause == "overwritten"
    assert report.sentence.startswith("in double: the back of double overwrites the gradient of A")


def test_what_a_program_detaches_is_asked_for_as_an_argument():
    report = check(lambda X: mg.sum(X * mg.detach(X)), X)
    assert report.sentence.startswith("every node of <lambda> is right by itself: is something")
    report = check(lambda X, Y, T: mg.entropy(X * mg.detach(Y), T), X, X, T % 4)
    assert report
    assert report.fixed == ["Y"]


def test_a_program_of_right_nodes_is_right():
    report = check(lambda X, U, T: mg.entropy(mg.relu(mg.affine(X, U)), T), X, (W, b), T)
    assert report
    assert [v.path for v in report.verdicts] == ["X", "U[0]", "U[1]"]


def test_targets_of_which_no_node_takes_the_gradient_are_held_fixed():
    soft = np.full((5, 4), 0.25)
    for f in (mg.entropy, lambda A, T: mg.entropy(A, T)):
        report = check(f, X, soft)
        assert report
        assert [v.path for v in report.verdicts] == ["A"]
    assert "held fixed: T" in str(report)


def test_a_generator_draws_the_same_for_every_call_and_is_left_alone():
    rng = np.random.default_rng(3)
    before = rng.bit_generator.state
    assert check(mg.dropout, X, 0.5, rng=rng)
    assert rng.bit_generator.state == before


def test_arguments_are_never_changed():
    def spoils(A):
        A *= 2
        return A, lambda dZ, dA: dA.__iadd__(2 * dZ)

    given = X.copy()
    assert check(spoils, given).cause == "in place"
    np.testing.assert_array_equal(given, X)


def test_the_same_seed_gives_the_same_report():
    one, other = (check(affine, X, (W, b), seed=4).json() for _ in range(2))
    assert one == other


def test_entries_at_a_kink_may_have_any_slope_in_between():
    def relu(A, at_zero):
        def back(dZ, dA):
            dA += dZ * np.where(A == 0, at_zero, A > 0)

        return np.maximum(A, 0), back

    A = np.array([[0.0, 1.0, -1.0], [2.0, 0.0, 3.0]])
    for at_zero in (0.0, 0.5, 1.0):
        report = check(relu, A, at_zero)
        assert report
        assert report.verdicts[0].kinked == 2
    assert not check(relu, A, 1.5)


def test_a_draw_with_a_kink_is_drawn_again(monkeypatch):
    draws = iter([np.zeros((2, 3)), np.full((2, 3), 2.0)])
    monkeypatch.setattr(procedure, "fresh", lambda args, checked, rng: (next(draws), *args[1:]))

    def relu(A):
        def back(dZ, dA):
            dA += dZ * np.where(A < 0, 0, 0.5)  # right below 0, and at it

        return np.maximum(A, 0), back

    assert not check(relu, -np.ones((2, 3)))
    assert next(draws, None) is None


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_the_size_of_the_arguments_does_not_matter(size):
    assert check(mg.normalize, size * X)
    assert check(mg.softmax, size * X / size)
    assert check(mg.relu, size * X)


def test_one_wrong_entry_of_thousands_is_found_and_located():
    def product(X, W):
        def back(dZ, dX, dW):
            dX += dZ @ W.T
            G = X.T @ dZ
            G[17, 30] *= 1.01
            dW += G

        return X @ W, back

    large = np.random.default_rng(1)
    report = check(product, large.normal(size=(8, 40)), large.normal(size=(40, 60)))
    assert [v.passed for v in report.verdicts] == [True, False]
    assert report.verdicts[1].worst == (17, 30)


def test_a_mistake_in_large_arrays_is_named_at_small_ones():
    def entropy(A, T):
        E = np.exp(A - A.max(1, keepdims=True))
        Y = E / E.sum(1, keepdims=True)
        rows = np.arange(len(A))

        def back(dD, dA):
            G = Y.copy()
            G[rows, T] -= 1
            dA += dD * G

        return -np.log(Y[rows, T]).mean(), back

    large = np.random.default_rng(1)
    report = check(entropy, large.normal(size=(200, 10)), large.integers(10, size=200))
    assert report.cause == "N"
    assert "4 times too large" in report.sentence
    assert report.sentence.endswith("(Seen at shapes (4, 3), (4,))")


def test_a_batch_of_one_does_not_hide_a_missing_sum():
    def bias(X, b):
        def back(dZ, dX, db):
            dX += dZ
            db += dZ[0]

        return X + b, back

    assert check(bias, X[:1], rng.normal(size=4)).cause == "batch sum missing"


def test_square_arguments_do_not_hide_an_axis():
    def scaled(X, s):
        def back(dZ, dX, ds):
            dX += dZ * s
            for i in range(X.shape[0]):
                ds[i] += (dZ[:, i] * X[:, i]).sum()

        return X * s, back

    assert not check(scaled, X[:4], rng.normal(size=4))


@pytest.mark.parametrize(
    ("f", "args", "sentence"),
    [
        (3, (X,), "check takes a node, a function that returns .* not int"),
        (mg.relu, (X.astype(np.float32),), "check works in float64, and argument 1 is float32"),
        (mg.relu, (np.ones((2, 2), int),), r"hold arrays of int64: give .astype\(float\)"),
        (mg.relu, (mg.var(X),), "check makes its own leaves, and argument 1 is a Node"),
        (lambda A: (A, A, A), (X,), "returned ndarray, ndarray, ndarray: check takes what returns"),
    ],
)
def test_what_cannot_be_checked_is_refused_in_a_sentence(f, args, sentence):
    with pytest.raises(Unfit, match=sentence):
        check(f, *args)


def test_float32_is_lifted_on_request():
    assert check(mg.relu, X.astype(np.float32), lift=True)


def test_a_forward_that_raises_is_explained_with_shapes():
    report = check(mg.affine, X, (W.T, b))
    assert report.cause == "exception"
    assert report.sentence == "affine: X has 4 features (5, 4) but W takes 6 (6, 4)"


@pytest.mark.slow
def test_the_confusion_table_is_that_of_today():
    from gradcheck import confusion

    kept = Path(confusion.__file__).with_name("confusion.md").read_text()
    assert kept == confusion.table(), "PYTHONPATH=tests python -m gradcheck.confusion"


DRAWS = 1000  # of each right function, by two in a check
SMALL = 24


def alarms(k):
    """How many draws were looked at, and the seeds at which a right function was called wrong."""
    case, found, draws = RIGHT[k], [], 0
    with contextlib.redirect_stdout(io.StringIO()):
        for seed in range(1000, 1000 + DRAWS // 2):
            report = check(case.function, *case.arguments(np.random.default_rng(seed)), seed=seed)
            draws += 2
            if not report:
                found.append((case.name, seed, str(report)))
    return draws, found


def entries(case):
    leaves = tree.leaves(case.arguments(np.random.default_rng(0)))
    return sum(a.size for a in leaves if isinstance(a, np.ndarray))


@pytest.mark.slow
def test_a_thousand_draws_of_each_small_right_function_raise_no_alarm(capsys):
    small = [k for k, case in enumerate(RIGHT) if entries(case) <= SMALL]
    assert len(small) >= 30
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        results = pool.map(alarms, small, chunksize=1)
    with capsys.disabled():
        print(f"{len(small)} functions, {DRAWS} draws each, seeds 1000 to {999 + DRAWS // 2}")
    assert all(draws == DRAWS for draws, _ in results)
    assert [found for _, found in results if found] == []


@node
def halves(X, keys=None):
    K = X if keys is None else keys

    def back(dL, dX, dkeys):
        dK = dX if keys is None else dkeys
        dX += dL * K / 2
        dK += dL * X / 2

    return (X * K).sum() / 2, back


def test_an_argument_left_at_its_default_has_no_gradient_to_check():
    assert check(halves, X)
    assert check(halves, X, X + 1)


def test_constants_whose_rows_sum_to_one_do_so_at_other_shapes():
    def soft_entropy(A, T):  # its back holds for such rows only
        E = np.exp(A)
        Y = E / E.sum(1, keepdims=True)

        def back(dZ, dA):
            dA += dZ * (Y - T)

        return -(T * np.log(Y)).sum(), back

    for K in (3, 4):
        T = rng.uniform(0.2, 1, (4, K))
        report = check(soft_entropy, rng.standard_normal((4, K)), T / T.sum(1, keepdims=True))
        assert report and "other shapes" not in str(report)
