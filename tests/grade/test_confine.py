"""Each layer stops what it is there for, and is missed when it is left out."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minigrad.grade import confine

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the layers are Linux's")

ROOT = sys.platform == "linux" and os.geteuid() == 0
NAMESPACE = () if ROOT else ("user namespace",)
STOPPED = [  # what a layer stops, the layers that it stands on
    ("limits", (), "import mmap; mmap.mmap(-1, 2 << 30)"),
    ("limits", (), "import os; [os.dup(0) for _ in range(100)]"),
    ("limits", (), "import os; os.write(os.memfd_create('file'), b'x')"),
    ("user namespace", (), "import os; open(f'/proc/{os.getppid()}/mem')"),
    ("network", NAMESPACE, "import socket; socket.create_connection({server}).close()"),
    ("uid", (), "open('/etc/shadow')"),
    ("uid", (), "import os; os.kill(os.getppid(), 0)"),
    ("own group", (), "import os; os.getpgid(0) == os.getpgid(os.getppid()) or exit('left')"),
    ("no new privileges", (), "import ctypes; ctypes.CDLL(None).prctl(39, 0, 0, 0, 0) and exit(1)"),
    ("landlock", ("no new privileges",), "open('/etc/passwd')"),
    ("landlock", ("no new privileges",), "open({path}, 'w')"),
    ("landlock", ("no new privileges",), "import os; os.kill(os.getppid(), 0)"),
    ("landlock", ("no new privileges",), f"open({confine.__file__!r})"),
    ("seccomp", ("no new privileges",), "import os; os.fork() or os._exit(0)"),
    ("seccomp", ("no new privileges",), "import os; os.execv('/bin/true', ['true'])"),
    ("seccomp", ("no new privileges",), "import os; os.kill(os.getpid(), 0)"),
    ("seccomp", ("no new privileges",), "import socket; socket.socket()"),
    ("seccomp", ("no new privileges",), "import os; os.utime('/tmp')"),
    ("seccomp", ("no new privileges",), "import fcntl; fcntl.fcntl(0, fcntl.F_SETOWN, 1)"),
]
NEEDED = {  # what right answers need, with all layers
    "NumPy": "import numpy; numpy.ones((300, 300)) @ numpy.ones((300, 300))",
    "late modules of NumPy": "import numpy.fft, numpy.linalg, numpy.polynomial",
    "late modules of Python": "import asyncio, decimal, hashlib, statistics, subprocess",
    "threads": "import threading as t; T = t.Thread(target=list); T.start(); T.join()",
    "clocks and random numbers": "import random, time, uuid; time.sleep(0.001); uuid.uuid4()",
}


def fresh(code, *arguments):
    """What a fresh interpreter prints that has confine, as the zygote has it."""
    start = "import json, os, sys; sys.path.insert(0, sys.argv[1]); import confine\n"
    folder = str(Path(confine.__file__).parent)
    command = [sys.executable, "-I", "-c", start + code, folder, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def outcomes_for_nobody(trials):
    """As confine.outcomes, for a user without rights."""
    if not ROOT:
        return confine.outcomes(trials)
    code = """
trials = json.loads(sys.argv[2])
confine.prepare(("landlock", "seccomp"), confine.own_files())
os.setgroups([]), os.setgid(65534), os.setuid(65534)
confine._call("prctl", 4, 1, 0, 0, 0)  # as one who never was root, it may write its own maps
print(json.dumps([confine.attempt(*t, wall=4, cpu=1, memory=512) for t in trials]))"""
    return json.loads(fresh(code, json.dumps(trials)))


@pytest.fixture(scope="module")
def available():
    return confine.available()


@pytest.fixture(scope="module")
def strong(available):
    layers = confine.layers_of("strong", available)
    if confine.level(available) == "none":
        pytest.skip(f"basic layers are missing: {available}")
    return layers


@pytest.fixture(scope="module")
def server():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()


def test_each_layer_works_or_says_why_not(available):
    assert tuple(available) == confine.LAYERS
    assert all(reason == "" or len(reason.split()) > 3 for reason in available.values())
    assert available["limits"] == available["own group"] == ""
    assert bool(available["uid"]) != ROOT
    assert bool(available["user namespace"]) or not ROOT


def test_each_layer_stops_what_nothing_else_would(available, server, tmp_path):
    facts = {"{server}": str(server), "{path}": repr(str(tmp_path / "file"))}
    cases = [case for case in STOPPED if not available[case[0]]]
    for what, value in facts.items():
        cases = [(layer, below, source.replace(what, value)) for layer, below, source in cases]
    if not cases:
        pytest.skip("no layer works here")
    ends = confine.outcomes(
        [(below, s) for _, below, s in cases] + [((*below, n), s) for n, below, s in cases]
    )
    for (layer, _, source), without, inside in zip(cases, ends, ends[len(cases) :]):
        assert without == "", source
        assert inside != "", source
        assert not inside.startswith(f"OSError: {layer}"), inside


@pytest.fixture(scope="module")
def namespace():
    unshare = "import ctypes; ctypes.CDLL(None).unshare(0x10000000 | 0x40000000) and exit('no')"
    if outcomes_for_nobody([((), unshare)]) != [""]:
        pytest.skip("a user without rights may not make namespaces here")


def test_a_user_without_rights_gets_what_root_gets(namespace):
    layers = [layer for layer in confine.LAYERS if layer != "uid"]
    harms = [
        "open('/etc/passwd')",
        "import os; os.fork() or os._exit(0)",
        "import os; open(f'/proc/{os.getppid()}/mem')",
        "import resource as r; r.getrlimit(r.RLIMIT_AS)[0] < 0 or exit('limited')",
    ]
    assert outcomes_for_nobody([((), s) for s in harms]) == [""] * len(harms)
    assert all(outcomes_for_nobody([(layers, s) for s in harms]))
    thread = "import threading as t; T = t.Thread(target=list); T.start(); T.join()"
    assert outcomes_for_nobody([(layers, thread)]) == [""]


def test_a_user_namespace_takes_rights_over_the_grader_and_gives_none(namespace):
    memory = "import os; open(f'/proc/{os.getppid()}/mem')"
    network = "import ctypes; ctypes.CDLL(None).unshare(0x40000000) and exit('no')"
    alone, inside, root_of_it, renounced = outcomes_for_nobody(
        [
            ((), memory),
            (("user namespace",), memory),
            (("user namespace",), network),
            (("user namespace", "no new privileges"), network),
        ]
    )
    assert alone == root_of_it == ""
    assert inside.startswith("PermissionError") and renounced == "SystemExit: no"


def test_right_answers_work_within_all_layers(strong):
    ends = confine.outcomes([(strong, source) for source in NEEDED.values()])
    assert dict(zip(NEEDED, ends)) == dict.fromkeys(NEEDED, "")


def test_processes_cannot_be_cloned_by_hand(strong):
    raw = "import ctypes; l = ctypes.CDLL(None, use_errno=True); x = l.syscall({}); "
    raw += "x == 0 and l._exit(0); raise OSError(ctypes.get_errno(), 'refused')"
    wanted = "435, (ctypes.c_uint64 * 8)(0, 0, 0, 0, 17), 64"
    clone = {"x86_64": 56}.get(os.uname().machine, 220)
    ends = confine.outcomes(
        [(strong, raw.format(f"{clone}, 17, 0, 0, 0, 0")), (strong, raw.format(wanted))]
    )
    assert ends == ["PermissionError: [Errno 1] refused", "OSError: [Errno 38] refused"]


def test_a_child_ends_when_its_parent_is_killed(strong):
    code = "confine._try_all([(json.loads(sys.argv[2]), 'import time; time.sleep(60)')], "
    code += "wall=60, cpu=1, memory=512)"
    start = "import json, os, sys; sys.path.insert(0, sys.argv[1]); import confine\n" + code
    command = [sys.executable, "-I", "-c", start, str(Path(confine.__file__).parent)]
    with subprocess.Popen([*command, json.dumps(strong)]) as parent:
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        inside = lambda: [c for c in children.read_text().split() if "Seccomp:\t2" in status(c)]
        (child,) = soon(inside)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert soon(lambda: not status(child) or "State:\tZ" in status(child))


def soon(condition):
    for _ in range(500):
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError("not within 5 s")


def status(pid):
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


@pytest.mark.skipif(not ROOT, reason="only root has user ids to give")
def test_graders_get_user_ids_of_their_own_until_they_end():
    uid, holder = confine.free_uid()
    with holder:
        assert int(fresh("print(confine.free_uid()[0])")) != uid
        with socket.socket(socket.AF_UNIX) as another, pytest.raises(OSError, match="in use"):
            another.bind(holder.getsockname())
        name = holder.getsockname()
    with socket.socket(socket.AF_UNIX) as another:
        another.bind(name)  # other graders may be at work, so only the lock itself is looked at


@pytest.mark.skipif(not ROOT, reason="only root can kill another user's processes")
def test_daemons_that_left_their_group_are_killed_by_their_user():
    code = """
uid, holder = confine.free_uid()
daemon = "import os, time\\nfor _ in range(3):\\n os.fork() or (os.setsid(), time.sleep(60))"
limits = dict(wall=0.3, cpu=1, memory=512, uid=uid)
said = confine.attempt(("limits", "uid", "own group"), daemon, **limits)
of_uid = lambda: [p for p in os.listdir("/proc") if p.isdigit() and alive(p)]
def alive(pid):
    try:
        status = open(f"/proc/{pid}/status").read()
    except OSError:
        return False
    return f"Uid:\\t{uid}\\t" in status and "State:\\tZ" not in status
before = len(of_uid())
confine.kill_all(uid)
import time
time.sleep(0.05)
print(before, len(of_uid()))"""
    before, after = map(int, fresh(code).split())
    assert before >= 3 and after == 0


@pytest.mark.parametrize("uid", [0, 1000, 65534])
def test_only_users_of_graders_are_killed(uid):
    with pytest.raises(ValueError, match=f"{uid} is no user id of a grader"):
        confine.kill_all(uid)


def test_a_layer_that_cannot_be_applied_is_named():
    ends = confine.outcomes([(("limits", "wall"), "")])
    assert ends == ["OSError: no layer is called wall"]
    code = """
sys.modules["pyseccomp"] = None
try:
    confine.apply(["seccomp"], wall=1, cpu=1, memory=512, uid=None, readable=())
except OSError as error:
    print(error)"""
    assert fresh(code).startswith("seccomp: import of pyseccomp")


@pytest.mark.parametrize(
    ("missing", "level"),
    [
        (["uid"], "strong"),
        (["user namespace"], "strong"),
        (["uid", "user namespace"], "basic"),
        (["uid", "network"], "basic"),
        *(([layer], "none") for layer in confine.BASIC),
        (confine.LAYERS, "none"),
    ],
)
def test_the_level_is_that_of_the_layers_that_work(missing, level):
    assert confine.level({n: "why not" if n in missing else "" for n in confine.LAYERS}) == level


def test_what_is_missing_beyond_the_basic_layers_is_left_out():
    available = dict.fromkeys(confine.LAYERS, "")
    assert confine.layers_of("strong", available) == confine.LAYERS
    available |= {"network": "None here.", "seccomp": "None here."}
    assert "network" not in confine.layers_of("strong", available)
    assert "seccomp" in confine.layers_of("strong", available)  # and fails when it is applied
    assert confine.layers_of("none", available) == ()
