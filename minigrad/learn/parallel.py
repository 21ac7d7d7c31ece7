"""More than one process: each computes on its share of a batch, then all take the same step.

    mpiexec -n 2 python -m examples.exemplar_digits

Synchronous data-parallel gradient descent. Every rank, as MPI calls a process, has all parameters
and all data, and draws the same order of samples. Of each batch it takes its share; losses and
gradients, weighted by the shares, are added over the ranks by one all-reduce. What is exact, what
differs and what it costs: benchmarks/ranks.md.

>>> ranks = Ranks()  # a single process: nothing is shared
>>> ranks.share(np.arange(3)), ranks.average(2.0, [np.ones(2)])
(array([0, 1, 2]), (2.0, [array([1., 1.])], False))
"""

import contextlib
import copy
import hashlib
import io
import itertools
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import array_module, nccl, to_cpu
from ..kernels.memory import empty
from ..tree import leaves, map_leaves

PATIENCE = 0.2  # seconds until a rank that waits looks after the others
TURN = 2  # seconds: when a rank has failed, mpiexec ends the others within them


class NoRanks(RuntimeError):
    """mpiexec has started this process, but the ranks cannot meet; the message says why."""


class RankGone(RuntimeError):
    """Another rank has ended before its time; the message says which, and what can be resumed."""


class Ranks:
    """The processes that train together, as one of them sees them.

    comm: an mpi4py communicator; None for a single process. rank: 0 to size - 1; weight: this
    rank's share of the batch at hand, 0 to 1; growth: how many times what it takes is the batch.
    """

    def __init__(self, comm: Any = None):
        self.comm = comm
        self.rank: int = 0 if comm is None else comm.rank
        self.size: int = 1 if comm is None else comm.size
        self.weight = self.growth = 1.0
        here = machine(), os.getpid()
        self._peers = [here] if comm is None else comm.allgather(here)
        self._saved: int | None = None
        self._gpus: Any = None

    def share(self, chosen: np.ndarray) -> np.ndarray:
        """This rank's part of a batch's indices; shares differ by one at most.

        A rank for which nothing is left takes the whole batch, with weight 0: so all ranks run the
        same program, which need not mind an empty batch.
        """
        own = self.part(chosen)
        given = np.array_split(chosen, self.size)[self.rank]
        self.weight, self.growth = len(given) / len(chosen), len(chosen) / len(own)
        return own

    def part(self, chosen: np.ndarray) -> np.ndarray:
        """What `share` returns, ahead of its step: it changes nothing."""
        own = np.array_split(chosen, self.size)[self.rank]
        return own if len(own) else chosen

    def generator(self, rng: np.random.Generator, step: int) -> np.random.Generator:
        """What a step's objective draws from: a generator made of rng's state, step and rank.

        Masks differ between ranks, and rng stays as it is on all of them; the order of samples
        does not depend on how many there are. A single process without mpiexec draws from rng.
        """
        if self.comm is None:
            return rng
        state = copy.deepcopy(rng).integers(1 << 32, size=4)
        return np.random.default_rng([*state, step, self.rank])

    def average(self, loss: Any, gradients: Any, stop: bool = False) -> tuple[Any, Any, bool]:
        """Loss and gradients of the whole batch, and whether any rank is to stop: one all-reduce.

        Exact up to rounding where the loss is a mean over samples, plus what depends on none.
        """
        if self.size == 1:
            return loss, gradients, stop
        xp = array_module(loss)
        found = [g for g in leaves(gradients) if g is not None]
        facts = xp.stack([loss, xp.asarray(stop, loss.dtype)])
        flat = self.mean(xp.concatenate([facts, *[g.ravel() for g in found]]))
        ends = itertools.accumulate([g.size for g in found], initial=2)
        parts = (flat[start:end] for start, end in itertools.pairwise(ends))

        def averaged(g):
            return g if g is None else next(parts).reshape(g.shape).astype(g.dtype, copy=False)

        return flat[0], map_leaves(averaged, gradients), bool(flat[1] > 0)

    def mean(self, a: Any) -> Any:
        """The mean of an array over the ranks, weighted by their shares of the batch."""
        if self.size == 1:
            return a
        part = empty(a.shape, a.dtype, array_module(a))  # fresh memory costs more than the sum
        if self.weight:
            np.multiply(a, self.weight, out=part)
        else:
            part[...] = 0  # 0 a is not 0 where a is not finite
        return self._sum(part)

    def saved(self, step: int) -> None:
        """Wait until rank 0, too, says that the checkpoint of a step is there."""
        if self.size > 1:
            self._wait(self.comm.Ibarrier())
        self._saved = step

    def check(self, arrays: Any, rng: np.random.Generator) -> None:
        """Raise ValueError if ranks begin with other arrays, or another generator, than rank 0."""
        if self.size == 1:
            return
        digest = hashlib.sha256(repr(rng.bit_generator.state).encode())
        for a in leaves(to_cpu(arrays)):
            digest.update(b"" if a is None else np.ascontiguousarray(a).tobytes())
        all_digests = self.comm.allgather(digest.hexdigest())
        other = [r for r, found in enumerate(all_digests) if found != all_digests[0]]
        if other:
            raise ValueError(
                f"train: ranks begin alike, but rank {other[0]} has other parameters, or another "
                "generator, than rank 0: make them of the same seed"
            )

    def first(self, sentence: str | None) -> str | None:
        """The sentence of the lowest rank that has one, with its name."""
        if self.size == 1:
            return sentence
        said = enumerate(self.comm.allgather(sentence))
        return next((f"rank {rank}: {words}" for rank, words in said if words), None)

    def look(self) -> None:
        """Raise RankGone if a rank on this machine is no more."""
        here = machine()
        gone = [r for r, (at, pid) in enumerate(self._peers) if at == here and not alive(pid)]
        if not gone:
            return
        if any(rank not in gone for rank in range(self.rank)):
            time.sleep(TURN)  # the lowest rank that is left says it
        kept = f"the checkpoint of step {self._saved} resumes, also with another number of ranks"
        raise RankGone(
            f"rank {gone[0]} is gone, and so all end: "
            + ("nothing was saved" if self._saved is None else kept)
        )

    def _sum(self, a):
        """An array added over the ranks: by MPI, or on GPUs by NCCL."""
        total = empty(a.shape, a.dtype, array_module(a))
        if isinstance(a, np.ndarray):
            self._wait(self.comm.Iallreduce(a, total))
        else:
            self._gpus = self._gpus or nccl(self.size, self.rank)
            self._gpus.all_reduce(a, total)
        return total

    def _wait(self, request):
        """Wait in Python: in C no signal would be heard, nor a rank missed."""
        begin = time.monotonic()
        while not request.Test():
            if time.monotonic() - begin < PATIENCE:
                os.sched_yield()
            else:
                self.look()
                time.sleep(0.001)  # a long wait leaves the core to others


@contextlib.contextmanager
def started() -> Iterator[Ranks | None]:
    """The Ranks of a process that mpiexec started, for all that it does; None of any other.

    Only rank 0 prints. A rank that fails ends without waiting, and mpiexec ends the others.
    Raises NoRanks if mpi4py is missing or belongs to another MPI.
    """
    size = environment("SIZE")
    if size is None:
        yield None
        return
    try:
        import mpi4py

        mpi4py.rc.finalize = False  # it would wait for ranks that are gone
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise NoRanks(
            f"mpiexec started {size} ranks, but mpi4py cannot be imported ({error}): "
            "pip install 'minigrad-lectures[mpi]'"
        ) from error
    if MPI.COMM_WORLD.size != size:
        raise NoRanks(
            f"mpiexec started {size} ranks, but mpi4py sees {MPI.COMM_WORLD.size}: it was made for "
            "another MPI than this mpiexec's"
        )
    ranks = Ranks(MPI.COMM_WORLD)

    def told_to_end(number, frame):  # by mpiexec: a rank has ended, or somebody typed Ctrl-C
        ranks.look()
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, told_to_end)
    try:
        with contextlib.redirect_stdout(io.StringIO() if ranks.rank else sys.stdout):
            yield ranks
    finally:
        signal.signal(signal.SIGTERM, before)
    MPI.Finalize()


def environment(name: str) -> int | None:
    """SIZE or RANK as Open MPI's or MPICH's mpiexec has set it; None without them."""
    value = os.environ.get(f"OMPI_COMM_WORLD_{name}", os.environ.get(f"PMI_{name}"))
    return None if value is None else int(value)


def machine() -> tuple[str, ...]:
    """What tells this machine, and whom it gives which number, from others of the same name."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        return socket.gethostname(), boot, str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # not Linux
        return (socket.gethostname(),)


def alive(pid: int) -> bool:
    """True if a process of this machine is running."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
