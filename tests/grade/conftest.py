"""A sandbox for the tests of a module, the shipped `affine` with a judge, a small assignment."""

import pytest

from minigrad.grade.assignments import load
from minigrad.grade.judging import Judge
from minigrad.grade.sandbox import Sandbox
from tests.grade.twice import FILES


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def affine():
    return load("affine")


@pytest.fixture
def folder(tmp_path):
    """The folder of a small assignment."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def graded(affine, sandbox):
    """What the judge says of a source, or of the reference with changes: the question's result."""

    def result(source="", *changes, student="ada", seed=1):
        source = source or affine.source_of_reference
        for old, new in changes:
            assert source.count(old) == 1, old
            source = source.replace(old, new)
        return Judge(affine, sandbox).student(student, source, seed)["questions"]["affine"]

    return result
