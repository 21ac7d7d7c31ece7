"""What README and CONTRIBUTING show is what happens."""

import doctest
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_the_examples_print_what_the_document_says(name):
    failed, tried = doctest.testfile(str(ROOT / name), module_relative=False)
    assert tried > 0
    assert failed == 0


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_link_leads_to_a_file(name):
    links = [part.split(")")[0] for part in (ROOT / name).read_text().split("](")[1:]]
    for link in links:
        assert (ROOT / link).exists(), link
