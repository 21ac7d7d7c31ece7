"""What README and CONTRIBUTING show is what happens."""

import doctest
from pathlib import Path

import pytest

from minigrad.stepper.runs import HEAD

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_the_examples_print_what_the_document_says(name):
    failed, tried = doctest.testfile(str(ROOT / name), module_relative=False)
    assert tried > 0
    assert failed == 0


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "lectures/README.md"])
def test_every_link_leads_to_a_file(name):
    links = [part.split(")")[0] for part in (ROOT / name).read_text().split("](")[1:]]
    for link in links:
        assert ((ROOT / name).parent / link).exists(), link


def test_the_pictures_of_the_site_are_small():
    sizes = [file.stat().st_size for file in (ROOT / "lectures/pictures").glob("*.png")]
    assert len(sizes) == 6
    assert max(sizes) < 80_000
    assert sum(sizes) < 250_000


def test_the_list_of_runs_has_the_columns_that_the_command_prints():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").split("\n")
    head = lines[lines.index("$ .venv/bin/minigrad runs") + 1]
    assert head.split() == HEAD
