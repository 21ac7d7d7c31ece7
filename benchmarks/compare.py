"""How fast and how large minigrad is, against PyTorch and faiss, both in turns in one process.

    make bench                                     # all rows, in an environment with the peers
    make bench ROWS=exemplar-small                 # some
    python -m benchmarks.compare [ROW ...] [--seconds S]
    python -m benchmarks.compare --growth          # time against batch, image side and channels
    python -m benchmarks.compare --roofline        # what this machine can do at best

Every measurement is a process of its own, pinned to one core or to two. Medians go to
build/bench.json, row by row: ratios of minigrad to its peer, or what there is without a peer; null
for what was not measured. build/bench-details.json keeps the rest, build/bench.png draws it.
"""

import argparse
import importlib.util
import json
import math
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from minigrad.learn import write_whole

BUILD = Path("build")
NETWORKS = (
    "exemplar-small",
    "exemplar-small-inference",
    "exemplar-large",
    "exemplar-large-inference",
    "lenet",
    "resnet18",
    "mlp",
)
MODULES = ("knn", "surrogates")  # benchmarks of their own, with measure(threads) -> dict
ROWS = (*NETWORKS, *MODULES)
KEYS = ("one_core", "two_cores", "memory")
RATES = ("one_core_per_s", "two_cores_per_s", "memory_mb")  # of a row without a peer
PEERLESS = ("surrogates",)
CORES = {"one_core": 1, "two_cores": 2}
DISTURBED = 0.05  # of its time a process may wait for its cores
MARKS = {  # of issue 11: at most, times the peer's; images per second at least
    "exemplar-small": {"one_core": 0.50, "two_cores": 0.55, "memory": 1.0},
    "exemplar-small-inference": {"one_core": 0.55, "two_cores": 0.60},
    "exemplar-large": {"one_core": 0.45, "two_cores": 0.48, "memory": 1.0},
    "exemplar-large-inference": {"one_core": 0.50, "two_cores": 0.55},
    "lenet": {"one_core": 0.9, "two_cores": 1.2, "memory": 1.0},
    "resnet18": {"one_core": 1.1, "memory": 1.0},
    "mlp": {"one_core": 1.0, "memory": 1.0},
    "knn": {"one_core": 1.3, "memory": 1.0},
    "surrogates": {"one_core_per_s": 15_000, "two_cores_per_s": 25_000},
}


def keys(row):
    return RATES if row in PEERLESS else KEYS


class Failed(RuntimeError):
    """A measurement that began and came to no result."""


def pinned(count):
    """The cores to run on, or None where the system cannot pin; RuntimeError if there are fewer."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    free = sorted(os.sched_getaffinity(0))
    if len(free) < count:
        raise RuntimeError(f"{count} cores are asked for and {len(free)} may be used")
    return set(free[-count:])  # the first one often serves the rest of the system


def child(count, module, *arguments):
    """What a benchmark module prints as JSON, run in a process pinned to `count` cores.

    Raises Failed with the last line of its errors if it fails, RuntimeError without the cores.
    """
    cores = pinned(count)
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: cores and os.sched_setaffinity(0, cores),
    )
    if done.returncode:
        raise Failed((done.stderr.strip() or "it stopped without a word").splitlines()[-1])
    return json.loads(done.stdout.strip().splitlines()[-1])


def attempt(what, measure, *arguments):
    """measure(*arguments), or why there is nothing: {"why", "failed"}, also said on the screen."""
    try:
        return measure(*arguments)
    except RuntimeError as reason:
        print(f"{what}: not measured: {reason}", flush=True)
        return {"why": str(reason), "failed": isinstance(reason, Failed)}


def network_row(row, seconds):
    """The details of a row of networks, by key."""

    def time(count):
        return child(count, "measuring", "time", row, "--threads", count, "--seconds", seconds)

    found = {key: attempt(f"{row}, {key}", time, count) for key, count in CORES.items()}
    return {**found, "memory": attempt(f"{row}, memory", peak_memory, row)}


def peak_memory(row):
    """Ours, and that of the form of PyTorch's that needs least."""
    mine = child(1, "measuring", "memory", row)["mb"]
    sides = child(1, "measuring", "forms", row)
    others = {s: child(1, "measuring", "memory", row, "--side", s)["mb"] for s in sides}
    form = min(others, key=others.get)
    return {"ratio": mine / others[form], "ours_mb": mine, "peer_mb": others[form], "form": form}


def module_row(row):
    """The details of a row that a module of benchmarks measures itself, by key.

    Its measure(threads) returns {"ratio", "memory"} against its peer, or {"per_s", "memory_mb"}
    without one, and what else it wants kept.
    """

    def measure(count):
        if importlib.util.find_spec(f"benchmarks.{row}") is None:
            raise RuntimeError(f"there is no module benchmarks.{row}")
        return child(count, "measuring", "module", row, "--threads", count)

    one, two = (attempt(f"{row}, {key}", measure, count) for key, count in CORES.items())
    return dict(zip(keys(row), (one, two, two if "why" in one else one), strict=True))


def entry(row, details):
    """The row of bench.json: a number for each key, or None."""
    rate, memory = ("per_s", "memory_mb") if row in PEERLESS else ("ratio", "memory")
    memory = "ratio" if row in NETWORKS else memory
    found = {key: details[key].get(f) for key, f in zip(keys(row), (rate, rate, memory))}
    known = {key: v is not None and math.isfinite(v) for key, v in found.items()}
    return {key: round(v, 4) if known[key] else None for key, v in found.items()}


def merged(before, found):
    """All rows: those found, else those that were there before, else nothing but None."""
    nothing = {row: dict.fromkeys(keys(row)) for row in ROWS}
    return {row: found.get(row, before.get(row, nothing[row])) for row in ROWS}


def read(path):
    """The object a JSON file holds, {} without the file."""
    return json.loads(path.read_text()) if path.exists() else {}


def save(path, found):
    """Write the rows found, beside the rows that the file has; returns all."""
    rows = merged(read(path), found)
    write_whole(path, json.dumps(rows, indent=2) + "\n")
    return rows


def holds(row, key, value):
    """Whether a value keeps its mark; None where one of them is missing."""
    mark = MARKS[row].get(key)
    if mark is None or value is None:
        return None
    return value >= mark if row in PEERLESS else value <= mark


def cell(row, key, value, detail):
    """A value with its spread and its mark, for the table."""
    if value is None:
        return "not measured"
    text = f"{value:,.0f}" if row in PEERLESS else f"{value:.2f}"
    text += " /s" if key.endswith("per_s") else " MB" if key.endswith("mb") else ""
    if key in CORES and detail and "low" in detail:
        text += f" ({detail['low']:.2f}-{detail['high']:.2f})"
    verdict = holds(row, key, value)
    if verdict is None:
        return text
    sign = ">=" if row in PEERLESS else "<="
    mark = f"{MARKS[row][key]:,}"
    return f"{text}, {sign} {mark} {'holds' if verdict else '**does not hold**'}"


def absolute(details):
    """Milliseconds and MB of both sides, as far as they are told."""
    parts = []
    for key, name in (("one_core", "one core"), ("two_cores", "two")):
        d = details.get(key) or {}
        if "ours_ms" in d:
            parts.append(f"{name} {d['ours_ms']:.1f} : {d['peer_ms']:.1f} ms ({d['form']})")
        elif d.get("peer_seconds"):
            parts.append(f"{name} {d['seconds']:.2f} : {d['peer_seconds']:.2f} s ({d['peer']})")
    d = details.get("memory") or {}
    ours, peer = d.get("ours_mb", d.get("mb")), d.get("peer_mb")
    if ours and peer:
        parts.append(f"{ours:.0f} : {peer:.0f} MB")
    return "; ".join(parts)


def table(rows, details):
    """The rows as a table in Markdown: medians (quartiles), marks and absolute figures."""
    lines = ["| row | one core | two cores | memory | minigrad : peer |", "|---|---|---|---|---|"]
    for row in rows:
        kept = details.get(row) or {}
        cells = [cell(row, key, value, kept.get(key)) for key, value in rows[row].items()]
        lines.append(f"| {' | '.join((row, *cells, absolute(kept)))} |")
    return "\n".join(lines)


def machine():
    """One line: what this ran on, with what."""
    packages = ", ".join(f"{p} {installed(p)}" for p in ("numpy", "torch", "faiss-cpu"))
    return f"{os.cpu_count()} cores ({processor()}), Python {platform.python_version()}, {packages}"


def processor():
    """The name of the processor, as far as the system says it."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def installed(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def disturbance(waited):
    """What to say of a measurement that had to wait for its cores."""
    return f"disturbed: for {waited:.0%} of its time other programs had its cores; repeat it"


def run(wanted, seconds):
    """Measure rows one by one, each written as soon as it is there; returns what failed."""
    print(f"{machine()}; float32\n", flush=True)
    failed = []
    for row in wanted:
        found = network_row(row, seconds) if row in NETWORKS else module_row(row)
        details = save(BUILD / "bench-details.json", {row: found})
        rows = save(BUILD / "bench.json", {row: entry(row, found)})
        failed += [row for detail in found.values() if detail.get("failed")]
        print(f"{row}: {rows[row]}", flush=True)
        for key in CORES:
            if found.get(key, {}).get("waited", 0.0) > DISTURBED:
                print(f"{row}, {key}: {disturbance(found[key]['waited'])}", flush=True)
    print("\nmedians (quartiles); ratios to the peer: below 1 is faster, or smaller\n")
    print(table({row: rows[row] for row in wanted}, details))

    from .pictures import draw, overview

    draw(BUILD / "bench.png", overview(rows, details, MARKS))
    print(f"\n{BUILD / 'bench.json'}, {BUILD / 'bench.png'}")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; all")
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="for a row's rounds, 30; at least 5 rounds"
    )
    parser.add_argument("--growth", action="store_true", help="batch, image side and channels")
    parser.add_argument("--roofline", action="store_true", help="products and copies")
    options = parser.parse_args()
    for row in options.rows:
        if row not in ROWS:
            parser.error(f"there is no row {row}; the rows are {', '.join(ROWS)}")
    if options.roofline:
        print(machine())
        for count in CORES.values():
            found = attempt(f"{count} cores", child, count, "roofline", "--threads", count)
            print(found.get("table", ""))
    elif options.growth:
        from .growth import run as grow

        grow(options.seconds)
    elif run(options.rows or ROWS, options.seconds):
        sys.exit("not every measurement came to a result: see above")


if __name__ == "__main__":
    main()
