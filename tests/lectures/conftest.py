"""The sample lecture as a file, with changes."""

import pytest

from minigrad.lectures.sources import load
from tests.lectures.sample import SAMPLE


@pytest.fixture
def lecture(tmp_path):
    """lecture(*pairs): the sample, each first text replaced by the second."""

    def changed(*pairs, name="01_means.py"):
        text = SAMPLE
        for old, new in pairs:
            assert old in text, old
            text = text.replace(old, new, 1)
        (tmp_path / name).write_text(text)
        return load(tmp_path / name)

    return changed
