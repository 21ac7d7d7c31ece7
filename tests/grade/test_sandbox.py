import os
import sys
from pathlib import Path

import numpy as np
import pytest

from minigrad.grade import frames
from minigrad.grade.feedback import MEMORY
from minigrad.grade.sandbox import Limits, Sandbox

A = np.array([1.0, 2.0])
STEPS = [("forward", 0, (A,)), ("forward", 1, (A,))]
RIGHT = "def f(A): return 2 * A, None.__eq__"
HANDS = """
import os, sys
frames, runner = sys.modules["grading.frames"], sys.modules["grading.runner"]
caller = sys._getframe()
while caller.f_code.co_name != "serve":
    caller = caller.f_back
def send(*frames):
    for frame in frames:
        runner.put(caller.f_locals["descriptor"], frame)
    os._exit(0)
"""  # what a student's code needs to write replies itself
linux = pytest.mark.skipif(sys.platform != "linux", reason="the layers are Linux's")


def ends(sandbox, source, **limits):
    """How a source ends: ended, what is said of it, number of replies."""
    outcome = sandbox.run(source, "f", STEPS, Limits(**limits))
    return outcome.ended, outcome.said, len(outcome.replies)


def works(sandbox):
    outcome = sandbox.run(RIGHT, "f", STEPS)
    return not outcome.ended and np.array_equal(outcome.replies[1][1][0], 2 * A)


def test_a_job_gives_a_reply_and_a_time_for_every_step(sandbox):
    outcome = sandbox.run(RIGHT, "f", STEPS)
    assert [kind for kind, _ in outcome.replies] == [frames.ARRAYS] * 2
    assert len(outcome.seconds) == 2 and min(outcome.seconds) >= 0
    assert (outcome.ended, outcome.said) == ("", "")


@pytest.mark.parametrize(
    ("source", "kind", "text"),
    [
        ("x = 1", frames.MISSING, "f"),
        ("", frames.MISSING, "f"),
        ("def f(:", frames.NOT_LOADED, "SyntaxError: invalid syntax (line 1)"),
        ("f = 1 / 0", frames.NOT_LOADED, "ZeroDivisionError: division by zero (line 1)"),
        ("f = exit()", frames.NOT_LOADED, "SystemExit: None (line 1)"),
        ("\0", frames.NOT_LOADED, "SyntaxError: source code string cannot contain null bytes"),
        ("x = '\udc80'", frames.NOT_LOADED, "UnicodeEncodeError: 'utf-8' codec can't encode"),
        ("from missing import g\nh = 1", frames.MISSING, "f"),
        ("f = input()", frames.NOT_LOADED, "EOFError: EOF when reading a line (line 1)"),
        ("import matplotlib_ as f", frames.NOT_LOADED, "ModuleNotFoundError: No module named"),
        (
            "import scipy as f",
            frames.NOT_LOADED,
            "ModuleNotFoundError: No module named 'scipy' (line",
        ),
        ("from minigrad import f", frames.NOT_LOADED, "ImportError: minigrad.f is not there"),
        (
            "import minigrad\nf = minigrad.tree",
            frames.NOT_LOADED,
            "ImportError: minigrad.tree is not",
        ),
        (
            "import minigrad.gradcheck as f",
            frames.NOT_LOADED,
            "ModuleNotFoundError: No module named",
        ),
    ],
)
def test_a_file_without_the_function_ends_with_one_reply(sandbox, source, kind, text):
    outcome = sandbox.run(source, "f", STEPS)
    ((found, said),) = outcome.replies
    assert found == kind
    assert said.startswith(text)
    assert outcome.ended == ""


def test_what_fails_between_the_functions_is_told_where_its_name_is_missed(sandbox):
    source = "import scipy.special as sp\nexit()\ndef f(A): return sp.erf(A), abs"
    ((kind, text), _) = sandbox.run(source, "f", STEPS).replies
    assert kind == frames.RAISED
    assert text == (
        "NameError: name 'sp' is not defined (line 3), "
        "after ModuleNotFoundError: No module named 'scipy' (line 1)"
    )


def test_an_import_binds_those_of_its_names_that_there_are(sandbox):
    source = "from minigrad import affine, node\n@node\ndef f(A): return A, abs"
    assert [kind for kind, _ in sandbox.run(source, "f", STEPS[:1]).replies] == [frames.ARRAYS]
    ((_, text),) = sandbox.run(f"{source}\n@affine\ndef g(A): 0", "g", STEPS[:1]).replies
    assert text.startswith("ImportError: minigrad.affine is not there while grading")


def test_what_fails_elsewhere_is_not_told_of_a_name_that_is_missed(sandbox):
    source = "import scipy\ndef f(A): return sp.erf(A), abs"
    assert sandbox.run(source, "f", STEPS).replies[0][1] == (
        "NameError: name 'sp' is not defined (line 2)"
    )


@linux
def test_what_failed_between_the_functions_keeps_no_memory(sandbox):
    if "limits" not in sandbox.layers:
        pytest.skip("memory has no limit here")
    cells = "def g():\n a = np.ones(1 << 24)\n 1 / 0\n" + "".join(f"x{i} = g()\n" for i in range(9))
    source = f"import numpy as np\n{cells}def f(A): return A + np.ones(1 << 24)[0], abs"
    assert [kind for kind, _ in sandbox.run(source, "f", STEPS[:1]).replies] == [frames.ARRAYS]


def test_time_ends_a_job(sandbox):
    for waits in ("while True: pass", "import time; time.sleep(60)"):
        source = f"def f(A):\n {waits}"
        assert ends(sandbox, source, wall=0.5) == ("TIMEOUT", "it was not done after 0.5 s", 0)
        (waited,) = sandbox.run(source, "f", STEPS[:1], Limits(wall=0.5)).seconds
        assert 0.1 < waited < 10


@linux
def test_memory_ends_a_job(sandbox):
    if "limits" not in sandbox.layers:
        pytest.skip("memory has no limit here")
    outcome = sandbox.run("import numpy as np\ndef f(A): np.zeros(1 << 28)", "f", STEPS[:1])
    ((kind, text),) = outcome.replies
    assert kind == frames.RAISED
    assert text.startswith(MEMORY)


@pytest.mark.parametrize(
    ("does", "ended", "said"),
    [
        ("os._exit(0)", "CRASH", "it ended before it had answered"),
        ("import ctypes; ctypes.string_at(0)", "CRASH", "signal 11 (Segmentation fault)"),
        ("send(frames.pack_text(frames.READY, ''))", "PROTOCOL", "kind, 1, is not expected"),
        ("send(frames.pack_text(frames.OURS, 'x'))", "PROTOCOL", "kind, 2, is not expected"),
        ("send(frames.pack_text(99, ''))", "PROTOCOL", "kind, 99, is not expected"),
        ("send(frames.HEAD.pack(1 << 31, frames.ARRAYS, 1))", "PROTOCOL", "it is 2147483648 bytes"),
        ("send(frames.HEAD.pack(1 << 12, frames.MISFIT, 1))", "PROTOCOL", "it is 4096 bytes long"),
        ("send(frames.pack(frames.RAISED, [A]))", "PROTOCOL", "a text is no row of bytes"),
        ("send(frames.HEAD.pack(1, frames.ARRAYS, 9) + b'x')", "PROTOCOL", "cannot be read"),
        ("send(b'abc')", "CRASH", "it ended before it had answered"),
    ],
)
def test_what_is_no_answer_ends_a_job_and_the_next_one_works(sandbox, does, ended, said):
    found, words, replies = ends(sandbox, f"{HANDS}\ndef f(A): {does}")
    assert (found, replies) == (ended, 0)
    assert said in words
    assert works(sandbox)


def test_a_file_that_did_run_cannot_be_missing_later(sandbox):
    first, later = "frames.pack(frames.ARRAYS, [A])", "frames.pack_text(frames.MISSING, 'f')"
    assert ends(sandbox, f"{HANDS}\ndef f(A): send({first}, {later})")[::2] == ("PROTOCOL", 1)


def test_replies_that_fill_the_judges_memory_are_not_read():
    steps = [("forward", i, (A,)) for i in range(40)]
    source = "import numpy as np\ndef f(A): return np.ones(1 << 18), abs"
    with Sandbox(layers=()) as sandbox:
        outcome = sandbox.run(source, "f", steps)
    assert outcome.ended == "PROTOCOL"
    assert sum(a.nbytes for _, what in outcome.replies for a in what) < 1 << 27


def test_more_replies_than_steps_are_not_read(sandbox):
    one = "frames.pack(frames.ARRAYS, [A])"
    assert ends(sandbox, f"{HANDS}\ndef f(A): send(*[{one}] * 9)") == ("", "", 2)


def test_a_signal_without_a_name_is_told_by_its_number():
    with Sandbox(layers=()) as sandbox:
        source = "import os\ndef f(A): os.kill(os.getpid(), 40)"
        assert "ended by signal 40" in ends(sandbox, source)[1]
        assert works(sandbox)


def test_a_broken_zygote_is_no_fault_of_a_student_and_the_next_job_works():
    with Sandbox(layers=()) as sandbox:
        sandbox._zygote.kill()
        sandbox._zygote.wait()
        ended, said, _ = ends(sandbox, RIGHT)
        assert ended == "INTERNAL" and said.startswith("the sandbox failed")
        assert works(sandbox)
        killer = "import os\ndef f(A): os.kill(os.getppid(), 9); os.read(0, 1)"
        assert ends(sandbox, killer)[0] in ("INTERNAL", "CRASH")
        works(sandbox)  # one job may be lost: it is INTERNAL, and the one after it works
        assert works(sandbox)


def test_walls_that_do_not_stand_are_no_fault_of_a_student():
    with Sandbox(layers=()) as sandbox:
        sandbox.layers = ["no such layer"]
        ended, said, _ = ends(sandbox, RIGHT)
        assert ended == "INTERNAL"
        assert "no such layer" in said


@linux
def test_no_process_and_no_descriptor_is_left_behind():
    def children():
        path = Path(f"/proc/self/task/{os.getpid()}/children")
        return path.read_text().split() if path.exists() else []

    def descriptors():
        return len(list(Path("/proc/self/fd").iterdir()))

    before = children(), descriptors()
    with Sandbox() as sandbox:
        (zygote,) = set(children()) - set(before[0])
        for source in (RIGHT, "def f(A):\n while True: pass", "import os\ndef f(A): os.fork()"):
            ends(sandbox, source, wall=0.2)
            assert not Path(f"/proc/{zygote}/task/{zygote}/children").read_text().split()
    assert (children(), descriptors()) == before


def test_jobs_know_nothing_of_each_other(sandbox):
    first = "import numpy as np, minigrad\nnp.left = minigrad.left = 1\n" + RIGHT
    assert ends(sandbox, first)[0] == ""
    second = "import numpy as np, minigrad\nassert not hasattr(np, 'left')\n"
    second += "assert 'left' not in vars(minigrad)\n" + RIGHT
    assert sandbox.run(second, "f", STEPS).replies[0][0] == frames.ARRAYS


def test_imports_find_the_dialect_and_plots_that_do_nothing(sandbox):
    source = """
from minigrad import *
from minigrad import node, block, needed, check, show
import matplotlib.pyplot as plt
from matplotlib import pyplot

plt.rcParams["figure.figsize"] = (3, 3)
figure, axes = plt.subplots(1, 2)
axes[0].plot([1], label="loss")
plt.show()

@node
def f(A):
    return 2 * A, lambda dZ, dA: needed(dA)

print(check(f, 1.0), show(f))
"""
    outcome = sandbox.run(source, "f", STEPS)
    assert [kind for kind, _ in outcome.replies] == [frames.ARRAYS] * 2, outcome.replies


def test_the_runner_has_no_minigrad_in_its_memory(sandbox):
    source = (
        """
import gc, sys
assert not [name for name in sys.modules if name.startswith("minigrad.")]
texts = [o for o in gc.get_objects() if isinstance(o, dict) and "reference" in o]
assert not [o for o in texts if "expected" in o]
"""
        + RIGHT
    )
    outcome = sandbox.run(source, "f", STEPS)
    assert outcome.replies[0][0] == frames.ARRAYS, outcome.replies
