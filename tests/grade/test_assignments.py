"""What every assignment that ships must be: right, solvable in odd ways, and with known mistakes.

The functions run as the judge runs them, two calls at a time, and nothing here asks the judge.
"""

import contextlib
import functools
import io
import itertools
import tomllib
from pathlib import Path

import numpy as np
import pytest

import minigrad
from minigrad import check, tree
from minigrad.gradcheck.subjects import Subject, copied

SHIPPED = Path(minigrad.__file__).parent / "grade" / "assignments"
ALIKE = 1e-9  # of the largest entry: two mistakes are further apart, two codings of one are not
RIGHT = 1e-12  # of the largest entry: what right codings differ by is a tenth of it
SMALL = 300  # entries of all arrays of a case: differences vary each by itself


class Exam:
    """A question, the functions that go with it, and the numbers at which they are compared."""

    def __init__(self, folder, table):
        self.folder, self.table, self.name = folder, table, table["name"]
        self.gradients = table["gradients"]
        self.stages = ("signature", "shapes", "forward", *self.gradients, "edges")
        self.reference = (folder / "reference.py").read_text()
        self.inputs = defined((folder / "inputs.py").read_text())

    def __repr__(self):
        return f"{self.folder.name}-{self.name}"

    def cases(self, seed):
        return list(self.inputs[f"{self.name}_inputs"](np.random.default_rng(seed)))

    def edges(self, seed):
        draw = self.inputs.get(f"{self.name}_edges", lambda rng: ())
        return [(*edge, None)[:3] for edge in draw(np.random.default_rng(seed))]

    def mistakes(self):
        return self.table.get("mistake", [])

    def mistaken(self, mistake):
        source = self.reference
        for old, new in changes(mistake):
            source = source.replace(old, new)
        return source

    @functools.cached_property
    def trials(self):
        """(arguments, incoming gradient, start of the gradients, accept): pairs, then edges."""
        rng = np.random.default_rng(7)
        reference = defined(self.reference)[self.name]
        pairs = [list(pair) for pair in zip(self.cases(1), self.cases(2), strict=True)]
        of = lambda args, filled: self.trial(reference, args, rng, filled)
        cases = [[(*of(args, True), None) for args in pair] for pair in pairs]
        return cases, [(*of(args, False), accept) for _, args, accept in self.edges(3)]

    def trial(self, reference, args, rng, filled):
        subject = Subject(reference, args, {})
        Z, _ = reference(*copied(args))
        dZ = np.asarray(rng.standard_normal(np.shape(Z)))
        number = rng.standard_normal if filled else np.zeros
        there = subject.accumulators(args, lambda a: np.asarray(number(a.shape)))
        return args, dZ + np.sign(dZ) * 0.2, there[: sum(subject.checked)]

    def seen(self, source):
        """Everything that a function gives, by the stage that it belongs to."""
        seen = {stage: [] for stage in (*self.stages, "at kinks")}
        cases, edges = self.trials
        with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            f = answer(source, self.name)
            for pair in cases:
                self.look_at_pair(f, pair, seen)
            for trial in edges:
                self.look_at_edge(f, *trial, seen)
        return seen

    def look_at_pair(self, f, pair, seen):
        calls = []
        for args, *_ in pair:
            args = copied(args)
            try:
                Z, back = f(*args)
            except Exception as error:
                seen["signature"].append(f"{type(error).__name__}: {error}")
                return
            Z = np.asarray(Z)
            seen["shapes"].append(f"{Z.shape} {Z.dtype}")
            seen["forward"] += [Z.copy(), *arrays(copied(args))]
            calls.append((args, Z, back))
        for i in (1, 0, 0):
            (args, Z, back), (_, dZ, start, _) = calls[i], pair[i]
            dZ, gradients = dZ.copy(), again(start)
            try:
                back(dZ, *gradients)
                for name, gradient in zip(self.gradients, arrays(gradients), strict=True):
                    seen[name].append(gradient)
            except Exception as error:  # who knows which gradients it would have left right
                seen[self.gradients[0]].append(f"{type(error).__name__}: {error}")
            seen["forward"].append(Z.copy())
            seen[self.gradients[0]] += [*arrays(copied(args)), dZ]

    def look_at_edge(self, f, args, dZ, start, accept, seen):
        gradients = again(start)
        try:
            Z, back = f(*copied(args))
            back(dZ.copy(), *gradients)
        except Exception as error:
            seen["edges"].append(f"{type(error).__name__}: {error}")
            return
        D = arrays(gradients)
        if accept is None:
            seen["edges"] += [np.asarray(Z), *D]
        else:
            seen["edges"].append(accept(copied(args), dZ.copy(), np.asarray(Z), D))
            seen["at kinks"] += D

    @functools.cached_property
    def right(self):
        return self.seen(self.reference)

    @functools.cached_property
    def wrong(self):
        """(mistake, what it gives) of all."""
        return [(m, self.seen(self.mistaken(m))) for m in self.mistakes()]

    def first_failure(self, seen):
        """The first stage at which something is not right; None if all is."""
        tolerance = self.table.get("tolerance", RIGHT)
        failed = (s for s in self.stages if not near(seen[s], self.right[s], tolerance))
        return next(failed, None)


def defined(source):
    names = {"__name__": "defined"}
    exec(compile(source, "source", "exec"), names)
    return names


def answer(source, name):
    """The function of a file, or its pair of functions as one that returns (value, back)."""
    names = defined(source)
    if name in names:
        return getattr(names[name], "plain", names[name])
    forward, backward = names[f"{name}_forward"], names[f"{name}_backward"]

    def f(*args):
        Z, cache = forward(*tree.leaves(args))

        def back(dZ, *gradients):
            found = backward(dZ, cache)
            found = found if isinstance(found, (tuple, list)) else (found,)
            for gradient, part in zip(arrays(gradients), found, strict=True):
                gradient += part

        return Z, back

    return f


def again(gradients):
    return tree.map_leaves(
        lambda g: g.copy() if isinstance(g, np.ndarray) else g, tree.Gradients(gradients)
    )


def arrays(nest):
    return [leaf for leaf in tree.leaves(nest) if isinstance(leaf, np.ndarray)]


def changes(mistake):
    """Pairs (what is replaced, by what)."""
    texts = [mistake["replace"], mistake["by"]]
    return list(zip(*([t] if isinstance(t, str) else t for t in texts), strict=True))


def near(some, others, tolerance):
    """Whether two lists of arrays and texts are equal, up to a part of each largest entry."""
    return len(some) == len(others) and all(close(a, b, tolerance) for a, b in zip(some, others))


def close(a, b, tolerance):
    if isinstance(a, str) or isinstance(b, str):
        return type(a) is type(b) and a == b
    if a.shape != b.shape:
        return False
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    difference = np.abs(a.astype(float) - b).max(initial=0)
    return difference <= tolerance * (np.abs(b).max(initial=0) or 1)


def told(folder):
    return tomllib.loads((folder / "assignment.toml").read_text())


FOLDERS = sorted(path.parent for path in SHIPPED.glob("*/assignment.toml"))
EXAMS = [
    Exam(folder, table)
    for folder in FOLDERS
    for table in told(folder)["question"]
    if table.get("kind", "operation") == "operation"
]
on_every_question = pytest.mark.parametrize("exam", EXAMS, ids=repr)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f.name)
def test_an_assignment_has_a_title_a_text_and_files(folder):
    assignment = told(folder)
    assert assignment["schema"] == 1
    assert assignment["title"] and assignment["text"].strip()
    files = {path.name for path in folder.iterdir()}
    assert {"inputs.py", "reference.py", "starter.py", "right"} <= files


@on_every_question
def test_points_are_for_stages_that_there_are(exam):
    points = exam.table["points"]
    assert set(points) - {"edges"} == set(exam.stages) - {"edges"}
    assert set(exam.table.get("hidden", [])) <= set(points)
    assert ("edges" in points) == bool(exam.edges(0))


@on_every_question
def test_cases_are_small_with_a_square_one_and_one_that_is_not(exam):
    first = [next(a for a in arrays(args) if a.ndim > 1) for args in exam.cases(0)]
    assert {a.shape[-1] == a.shape[-2] for a in first} == {True, False}
    assert all(len(a) > 1 for a in first)
    assert all(sum(a.size for a in arrays(args)) < SMALL for args in exam.cases(0))


@on_every_question
def test_shapes_do_not_depend_on_the_numbers_drawn(exam):
    shapes = lambda seed: [
        [a.shape for a in arrays(args)]
        for args in [*exam.cases(seed), *(args for _, args, _ in exam.edges(seed))]
    ]
    assert shapes(1) == shapes(2)


@on_every_question
def test_the_reference_agrees_with_differences(exam):
    report = check(defined(exam.reference)[exam.name], *exam.cases(4)[0], draws=1)
    assert report, str(report)
    assert len(report.verdicts) == len(exam.gradients)


@on_every_question
def test_the_starter_is_not_written_yet(exam):
    starter = defined((exam.folder / "starter.py").read_text())[exam.name]
    assert starter.__doc__
    with pytest.raises(NotImplementedError):
        starter(*exam.cases(0)[0])


@on_every_question
def test_odd_solutions_that_are_right_pass_every_stage(exam):
    files = sorted((exam.folder / "right").glob("*.py"))
    assert len(files) >= 3
    sources = [path.read_text() for path in files]
    assert any(f"def {exam.name}_backward(" in source for source in sources)
    failed = {path.stem: exam.first_failure(exam.seen(s)) for path, s in zip(files, sources)}
    assert set(failed.values()) == {None}, failed


@on_every_question
def test_a_mistake_replaces_what_occurs_once_and_does_not_give_it_away(exam):
    assert len({m["code"] for m in exam.mistakes()}) == len(exam.mistakes())
    for mistake in exam.mistakes():
        for old, _ in changes(mistake):
            assert exam.reference.count(old) == 1, (mistake["code"], old)
            assert old not in mistake["says"], mistake["code"]
        assert mistake["says"].endswith((".", "?", ".)")), mistake["code"]


@on_every_question
def test_a_mistake_first_fails_at_its_stage_and_clearly(exam):
    for mistake, seen in exam.wrong:
        code, stage = mistake["code"], mistake["stage"]
        assert (code, exam.first_failure(seen)) == (code, stage)
        assert not near(seen[stage], exam.right[stage], 10 * ALIKE), code


@on_every_question
def test_no_two_mistakes_give_the_same(exam):
    for (one, a), (other, b) in itertools.combinations(exam.wrong, 2):
        if one["stage"] == other["stage"]:
            order = sorted(a, key=lambda stage: stage != one["stage"])
            same = all(near(a[stage], b[stage], ALIKE) for stage in order)
            assert not same, f"{one['code']!r} and {other['code']!r} cannot be told apart"
