from pathlib import Path

import pytest

from benchmarks.peak import FORGET, in_new_process

ROOT = Path(__file__).parents[2]
CALL = """
import numpy as np
from benchmarks.peak import peak

np.ones(1 << 25)  # an earlier peak of 256 MB does not count
print(peak(lambda: np.ones(1 << 23).sum()))
"""


@pytest.mark.skipif(not FORGET.exists(), reason="the system does not tell a process its peak")
def test_the_peak_is_that_of_the_call_even_if_memory_is_free_again(tmp_path, monkeypatch):
    # in a process of its own: in this one, what other tests freed may serve the call
    (tmp_path / "call.py").write_text(CALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert 60 < in_new_process("call") < 80


def test_what_a_module_prints_is_read(tmp_path, monkeypatch):
    (tmp_path / "answer.py").write_text("import sys; print(len(sys.argv[1:]))")
    monkeypatch.chdir(tmp_path)
    assert in_new_process("answer", "--threads", 2) == 2
