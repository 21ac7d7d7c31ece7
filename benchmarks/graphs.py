"""A graph of mutual neighbours of 100,000 descriptors: time beside faiss, memory of a process.

    python -m benchmarks.graphs                    five minutes of one core; --threads 2
    python -m benchmarks.graphs --samples 20000    a quarter of a minute

Descriptors are made: unit vectors of 128 numbers, float32, in groups of a hundred, in a file that
is mapped into memory. `reciprocal_graph` with k = 50 takes turns with faiss-cpu's IndexFlatIP,
which finds the 51 nearest, of which SciPy makes the same graph; where faiss is not installed ours
stands alone. Both have the same edges up to rounding, or nothing is said. Each turn is a process of
its own. Time is processor time, as others may use the cores, and time by the wall; peak memory is
all that the process has resident, with Python, NumPy, SciPy and pages of the file. Then, in the
same way, what it takes to diffuse a query.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array, load_npz, save_npz

from minigrad import threads
from minigrad.evaluate import conjugate_gradient, laplacian, reciprocal_graph, symmetric_normalized

from .peak import FORGET, in_new_process, resident

SAMPLES, FEATURES, K, GAMMA = 100_000, 128, 50, 3.0
GROUP = 100  # descriptors around a centre
QUERIES = 10  # that diffuse
DIFFERENT = 1e-4  # share of edges: rounding decides some of who is the 50th


def write(path, n):
    """Make n descriptors and write them, some at a time."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((max(1, n // GROUP), FEATURES), np.float32)
    file = np.lib.format.open_memmap(path, "w+", np.float32, (n, FEATURES))
    for first in range(0, n, 10_000):
        some = file[first : first + 10_000]
        some[:] = centres[rng.integers(len(centres), size=len(some))]
        some += rng.standard_normal(some.shape, np.float32)
        some /= np.linalg.norm(some, axis=1, keepdims=True)
    file.flush()


def minigrad(V):
    return reciprocal_graph(V, K, GAMMA)


def faiss(V):
    """The same graph of faiss's neighbours."""
    from faiss import IndexFlatIP

    V, n = np.ascontiguousarray(V), len(V)
    index = IndexFlatIP(FEATURES)
    index.add(V)
    s, near = index.search(V, K + 1)
    others = near != np.arange(n)[:, None]
    others[others.all(1), -1] = False  # behind copies it is not found itself
    weights = np.maximum(s[others].astype(np.float64), 0) ** GAMMA
    A = csr_array((weights, near[others], np.arange(0, n * K + 1, K)), (n, n))
    A = A.minimum(A.T)
    A.eliminate_zeros()
    return A


SIDES = {f.__name__: f for f in (minigrad, faiss)}


def available():
    """Ours and, if it is installed, faiss."""
    try:
        import faiss  # noqa: F401
    except ModuleNotFoundError:
        return ["minigrad"]
    return list(SIDES)


def measure(path, side, count):
    """What one side takes in this process: seconds of the processor, by the wall, MB at its peak.

    The graph is left beside the descriptors.
    """
    if side == "faiss":
        import faiss as package

        package.omp_set_num_threads(count)
    if FORGET.exists():
        FORGET.write_text("5")  # the peak so far
    with threads(count):
        start = time.process_time(), time.perf_counter()
        A = SIDES[side](np.load(path, mmap_mode="r"))
        end = time.process_time(), time.perf_counter()
    mb = resident("VmHWM") if FORGET.exists() else None
    save_npz(graph_of(path, side), A, compressed=False)
    return {"processor": end[0] - start[0], "wall": end[1] - start[1], "mb": mb}


def graph_of(path, side):
    return path.with_name(f"{side}.npz")


def compare(A, B):
    """Share of the edges that only one of two graphs has.

    Raises RuntimeError if that, or what affinities differ by, is more than rounding.
    """
    share = abs((A > 0).astype(np.int8) - (B > 0).astype(np.int8)).nnz / A.nnz
    error = abs(A.multiply(B > 0) - B.multiply(A > 0)).max()
    if share > DIFFERENT or error > DIFFERENT:
        raise RuntimeError(
            f"graphs: minigrad's and faiss's differ in {share:.2%} of the edges, and affinities by "
            f"up to {error:.1e}"
        )
    return share


def report(path, count, rounds):
    """Measure, compare and print."""
    n, sides = len(np.load(path, mmap_mode="r")), available()
    print(f"{n:,} x {FEATURES}, k = {K}, threads: {count}, rounds: {rounds}", flush=True)
    found = {side: [] for side in sides}
    for _ in range(rounds):
        for side, measured in found.items():
            words = ("--side", side, "--file", path, "--threads", count)
            measured.append(in_new_process("benchmarks.graphs", *words))
            print(f"{side}: {json.dumps(measured[-1])}", flush=True)
    graphs = [load_npz(graph_of(path, side)) for side in sides]
    print(f"{'':<12}{'processor s':>14}{'by the wall s':>16}{'peak MB':>10}")
    for side, measured in found.items():
        middle = {m: np.median([one[m] or np.nan for one in measured]) for m in measured[0]}
        print(f"{side:<12}{middle['processor']:>14.1f}{middle['wall']:>16.1f}{middle['mb']:>10.0f}")
    if len(sides) > 1:
        ratios = np.divide(*[[one["processor"] for one in found[side]] for side in sides])
        print(
            f"ratio of processor times {np.median(ratios):.2f} ({min(ratios):.2f} to "
            f"{max(ratios):.2f}); edges that differ: {compare(*graphs):.1e}"
        )
    with threads(count):
        start = time.process_time()
        L = laplacian(symmetric_normalized(graphs[0]))
        middle = time.process_time()
        conjugate_gradient(L, np.eye(n, QUERIES))
        end = time.process_time()
    print(
        f"processor time of W and L {middle - start:.1f} s, of diffusion "
        f"{(end - middle) / QUERIES:.2f} s a query"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--side", choices=SIDES, help="only this one, in this process")
    parser.add_argument("--file", type=Path, help="of its descriptors")
    options = parser.parse_args()
    if options.samples <= K or min(options.threads, options.rounds) < 1:
        parser.error(f"samples are more than {K}, threads and rounds 1 or more")
    if bool(options.side) != bool(options.file) or (options.file and not options.file.exists()):
        parser.error("--side and --file go together, and the file must be there")
    if options.side:
        print(json.dumps(measure(options.file, options.side, options.threads)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "descriptors.npy"
        write(path, options.samples)
        report(path, options.threads, options.rounds)


if __name__ == "__main__":
    main()
