"""Runs a lecture cell by cell, with warnings as errors and the network off.

    python -W error tests/lectures/running.py lectures/01_neural_networks.py > found.json

Before the solution of each exercise its student's version is run: the check must stop there. After
the last cell every check is done again with 20 other seeds, and with each known mistake.
"""

import contextlib
import io
import json
import socket
import sys
import time
import tomllib

from minigrad import lectures
from minigrad.grade.assignments import replaced
from minigrad.lectures import NotWritten, exercises
from minigrad.lectures.sources import load, solved, unsolved

SEEDS = range(1, 21)


def no_network(*args, **options):
    raise OSError("a lecture asks for the network")


def run(path):
    """{"stops", "red", "wrong for seeds", "not found", "seconds", "printed"} of a lecture."""
    lecture = load(path)
    space, asked = {"__name__": "__main__"}, {}
    found = {"stops": [], "red": [], "wrong for seeds": [], "not found": []}

    def recorded(f, inputs, *args, **options):
        asked[f.__name__] = (inputs, args, options)
        result = exercises.check_exercise(f, inputs, *args, **options)
        if not result:
            found["red"].append(str(result))
        return result

    lectures.check_exercise = recorded
    begun, out = clocks(), io.StringIO()
    with contextlib.redirect_stdout(out):
        for i, cell in enumerate(lecture.cells):
            if cell.cell_type != "code":
                continue
            if "exercise" in cell.metadata.get("tags", []):
                execute(unsolved(cell.source), space)
                try:
                    execute(lecture.cells[i + 1].source, space)
                except NotWritten:
                    found["stops"].append(cell.metadata["id"])
            execute(solved(cell.source), space)
    found["seconds"] = min(now - then for now, then in zip(clocks(), begun))
    found["printed"] = out.getvalue()
    for exercise in lecture.exercises:
        for seed in SEEDS:
            if not again(space[exercise.name], *asked[exercise.name], seed):
                found["wrong for seeds"].append(f"{exercise.name}, seed {seed}")
        for mistake in tomllib.loads(exercise.question)["mistake"]:
            wrong = dict(space)
            execute(mistaken(solved(exercise.source), mistake), wrong)
            if again(wrong[exercise.name], *asked[exercise.name], 0):
                found["not found"].append(f"{exercise.name}: {mistake['code']}")
    return found


def clocks():
    """Seconds passed, and those of all threads: the fewer tell less of what else runs."""
    return time.perf_counter(), time.process_time()


def again(f, inputs, args, options, seed):
    return exercises.check_exercise(f, inputs, *args, **{**options, "seed": seed})


def mistaken(source, mistake):
    old, new = mistake["replace"], mistake["by"]
    return replaced(source, *(([old], [new]) if isinstance(old, str) else (old, new)))


def execute(source, space):
    exec(compile(source, "lecture", "exec", dont_inherit=True), space)


if __name__ == "__main__":
    socket.socket.connect = socket.getaddrinfo = no_network
    json.dump(run(sys.argv[1]), sys.stdout)
