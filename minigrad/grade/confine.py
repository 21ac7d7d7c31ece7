"""The layers that a child puts around itself before it runs a student's code.

Standalone: the zygote loads this file by its path, and imports nothing else of minigrad.

limits              address space, processor time, files, processes; no file may grow
user namespace      where the grader is not root: no rights over anything outside
network             a network and System V IPC of its own, with nothing in them
uid                 where the grader is root: a user who owns nothing
own group           a session of its own; ends when its parent ends
no new privileges   no program gives more rights than its caller has
landlock            only the files of Python and NumPy can be read, and none written
seccomp             only the system calls that computing, reading and threads need
"""

import contextlib
import ctypes
import errno
import functools
import importlib.util
import json
import math
import os
import select
import signal
import socket
import stat
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

if sys.platform != "win32":
    import pwd
    import resource

LAYERS = (  # in the order in which they are applied
    "limits",
    "user namespace",
    "network",
    "uid",
    "own group",
    "no new privileges",
    "landlock",
    "seccomp",
)
BASIC = ("limits", "own group", "no new privileges", "landlock", "seccomp")
UIDS = range(61184, 61440)  # systemd gives these to services for a while; they own no files

NPROC, NOFILE = 64, 64
CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = 0x08000000, 0x10000000, 0x40000000
CLONE_THREAD = 0x00010000
PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 8, 22, 38
SECCOMP_MODE_FILTER = 2
CAPABILITY_VERSION, CAP_DAC_READ_SEARCH = 0x20080522, 2
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
READ_FILE, READ_DIR = 1 << 2, 1 << 3
RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # by Landlock's version: kinds of access to files

ALLOWED = """
    brk madvise mmap mprotect mremap munmap
    access close dup dup2 dup3 faccessat faccessat2 fadvise64 fstat getcwd getdents getdents64
    lseek lstat newfstatat open openat pread64 preadv read readlink readlinkat readv stat statx
    write writev recvfrom pipe pipe2 poll ppoll pselect6 select
    exit exit_group futex get_robust_list gettid membarrier rseq sched_getaffinity sched_yield
    set_robust_list set_tid_address
    restart_syscall rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack
    clock_getres clock_gettime clock_nanosleep getrusage gettimeofday nanosleep time times
    getcpu getegid geteuid getgid getgroups getpgid getpgrp getpid getppid getrandom getresgid
    getresuid getrlimit getsid getuid sysinfo uname
"""
REFUSED = """
    clone execve execveat fork vfork
    accept bind connect listen sendmsg socket socketpair
    kill pidfd_open pidfd_send_signal process_vm_readv process_vm_writev ptrace tgkill tkill
    chmod fchmod fchmodat link mkdir mkdirat rename renameat2 rmdir symlink truncate unlink unlinkat
    bpf keyctl mount perf_event_open setns unshare userfaultfd
"""  # what is in neither list does not exist for the child: ENOSYS, and C falls back
IOCTLS = (0x5401, 0x5450, 0x5451)  # is it a terminal? and close-on-exec: off, on
FCNTLS = (*range(5), 1030)  # copies and flags, not who gets a signal


def available() -> dict[str, str]:
    """Return layer -> "" if it works on this machine, else a sentence why not.

    Each is applied for a trial, in a child of a fresh interpreter.
    """
    if sys.platform != "linux":
        return dict.fromkeys(LAYERS, f"This is {sys.platform}; the layers are Linux's.")
    root = os.geteuid() == 0
    unused = {
        "uid": "" if root else "Only root can give a child another user.",
        "user namespace": "Not needed: root gives the child another user." if root else "",
    }
    before = {
        "network": () if root else ("user namespace",),
        "landlock": ("no new privileges",),
        "seccomp": ("no new privileges",),
    }
    tried = [layer for layer in LAYERS if not unused.get(layer)]
    ends = outcomes([((*before.get(layer, ()), layer), "") for layer in tried])
    return {layer: {**unused, **dict(zip(tried, ends))}[layer] for layer in LAYERS}


def level(available: Mapping[str, str]) -> str:
    """Return what layers amount to, given as layer -> "" if it works, else why not.

    strong: all, with another user or a user namespace; basic: those of BASIC; else none.
    """
    missing = {layer for layer in LAYERS if available[layer]}
    if missing <= {"uid"} or missing == {"user namespace"}:
        return "strong"
    return "none" if missing.intersection(BASIC) else "basic"


def layers_of(level: str, available: Mapping[str, str]) -> tuple[str, ...]:
    """Return the layers to apply at a level; beyond the basic ones only those that work."""
    wanted = {"strong": LAYERS, "basic": BASIC, "none": ()}[level]
    return tuple(layer for layer in wanted if layer in BASIC or available[layer] == "")


@functools.cache
def own_files() -> tuple[str, ...]:
    """Return what any student's code may read: the files of Python, of NumPy, and C's libraries."""
    own = [Path(sysconfig.get_path(kind)) for kind in ("stdlib", "platstdlib")]
    own += Path(sys.base_prefix, "lib").glob("*.so*")
    mapped = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()}
    own += [Path(p).parent for p in mapped if "/libc.so" in p or "/libc-" in p]
    numpy = importlib.util.find_spec("numpy")
    if numpy and numpy.origin:
        package = Path(numpy.origin).parent
        own += [package, package.with_name("numpy.libs")]
    return tuple(sorted({str(path.resolve()) for path in own if path.exists()}))


def prepare(layers: Collection[str], readable: Iterable[str]) -> None:
    """Do what is the same for all children once, before the first is forked: it takes 20 ms.

    Arguments and errors as of `apply`, which does it otherwise.
    """
    readable = tuple(readable)
    _in_order(layers, {"landlock": lambda: _ruleset(readable), "seccomp": _program})


def apply(
    layers: Collection[str],
    *,
    wall: float,
    cpu: float,
    memory: int,
    uid: int | None,
    readable: Iterable[str],
) -> None:
    """Put layers around this process, for good: called in a forked child with one thread.

    wall      s; the alarm that ends the child a second later is for the case that nobody else does
    cpu       s of processor time, rounded up; then SIGKILL
    memory    MiB of address space
    uid       whose rights the child gets, for the layer of this name; see `free_uid`
    readable  files and folders that can still be opened, to read; site-packages in them cannot

    What is open stays open: descriptors that are not for the student's code the caller closes.
    Raises OSError that names the layer that could not be applied.
    """
    readable = tuple(readable)
    unknown = set(layers) - set(LAYERS)
    if unknown:
        raise OSError(f"no layer is called {', '.join(sorted(unknown))}")
    prepare(layers, readable)
    steps: dict[str, Callable[[], object]] = {
        "limits": lambda: _limit(wall, cpu, memory, "uid" in layers),
        "user namespace": _enter_user_namespace,
        "network": lambda: _call("unshare", CLONE_NEWNET | CLONE_NEWIPC),
        "uid": lambda: _become(uid, readable if "landlock" in layers else ()),
        "own group": _leave_group,
        "no new privileges": lambda: _renounce("user namespace" in layers),
        "landlock": lambda: _restrict(readable),
        "seccomp": _filter,
    }
    _in_order(layers, steps)


def _in_order(layers: Collection[str], steps: Mapping[str, Callable[[], object]]) -> None:
    for layer in LAYERS:
        if layer in layers and layer in steps:
            try:
                steps[layer]()
            except (OSError, ImportError, RuntimeError, ValueError) as problem:
                raise OSError(f"{layer}: {problem}") from problem


def free_uid() -> tuple[int, socket.socket]:
    """Return a user id for one grader's children, and its lock: free again once that is closed.

    The kernel closes it when the grader dies.  Ids of accounts or with processes are left out.
    Raises OSError if there is none.
    """
    busy = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            busy.add(entry.stat().st_uid)
    accounts = {entry.pw_uid for entry in pwd.getpwall()}
    for uid in UIDS:
        if uid not in busy | accounts:
            holder = socket.socket(socket.AF_UNIX)
            try:
                holder.bind(f"\0minigrad grader {uid}")
                return uid, holder
            except OSError:
                holder.close()
    raise OSError(f"all user ids from {UIDS[0]} to {UIDS[-1]} are in use")


def kill_all(uid: int | None) -> None:
    """Kill all processes of a user of UIDS, whatever group or session they went to; for root.

    None is for graders that are not root: there is nobody to kill, as no child of theirs can fork.
    """
    if uid is None:
        return
    if uid not in UIDS:
        raise ValueError(f"{uid} is no user id of a grader: they go from {UIDS[0]} to {UIDS[-1]}")
    pid = os.fork()
    if pid == 0:
        try:
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)  # or fails: root would kill everything, and so would
            _keep_capabilities(0)  # who may signal everyone
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def outcomes(
    trials: Sequence[tuple[Sequence[str], str]],
    *,
    wall: float = 4.0,
    cpu: float = 1.0,
    memory: int = 512,
) -> list[str]:
    """Return how pieces of Python end in confined children of a fresh interpreter.

    trials: (layers, source) each.  An outcome is "" if the source ran to its end, else a sentence:
    its exception, the layer that could not be applied, or the signal that killed it.
    """
    asked = json.dumps({"trials": trials, "wall": wall, "cpu": cpu, "memory": memory})
    done = subprocess.run(
        [sys.executable, "-I", __file__], input=asked, capture_output=True, text=True
    )
    if done.returncode:
        raise OSError(f"{sys.executable} failed to start trials: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout)


def attempt(
    layers: Collection[str], source: str, *, wall: float, cpu: float, memory: int, uid: int = 0
) -> str:
    """Return how a piece of Python ends in a confined child, forked here; see `outcomes`."""
    readable = own_files()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            apply(layers, wall=wall, cpu=cpu, memory=memory, uid=uid, readable=readable)
            exec(source, {})
        except BaseException as problem:
            words = f"{type(problem).__name__}: {problem}"
            os.write(writer, words.encode(errors="replace")[:1000])
        finally:
            os._exit(0)  # without what Python does at its end
    os.close(writer)
    in_time = select.select([reader], [], [], wall)[0]
    said = os.read(reader, 1000).decode() if in_time else f"still running after {wall:g} s"
    os.close(reader)
    if not in_time:
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if said or code == 0:
        return said.strip()
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def _call(name: str, *arguments: int | bytes) -> int:
    """Call a function of C; raises OSError if it returns -1."""
    values = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments]
    result = getattr(_libc(), name)(*values)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _limit(wall: float, cpu: float, memory: int, own_user: bool) -> None:
    limits = {
        resource.RLIMIT_AS: memory << 20,
        resource.RLIMIT_CPU: math.ceil(cpu),
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: NOFILE,
        resource.RLIMIT_CORE: 0,
    }
    if own_user:  # else it would count the processes and threads of the teacher
        limits[resource.RLIMIT_NPROC] = NPROC
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))  # a softer one sends a signal to be ignored
    signal.setitimer(signal.ITIMER_REAL, wall + 1)


def _enter_user_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def _become(uid: int | None, readable: Sequence[str]) -> None:
    """Take a user's rights; without `readable`, or where everyone can read it, nothing more."""
    if uid is None or uid not in UIDS:
        raise ValueError(f"{uid} is no user id of a grader: they go from {UIDS[0]} to {UIDS[-1]}")
    closed = not all(map(_open_to_all, readable))
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    if closed:
        # an interpreter below a closed home: the right to pass, within what Landlock leaves
        _call("prctl", PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setresuid(uid, uid, uid)
    _keep_capabilities(1 << CAP_DAC_READ_SEARCH if closed else 0)


@functools.cache
def _open_to_all(path: str) -> bool:
    above = [p.stat().st_mode & stat.S_IXOTH for p in Path(path).parents]
    return all(above) and bool(Path(path).stat().st_mode & stat.S_IROTH)


def _keep_capabilities(mask: int) -> None:
    header = struct.pack("Ii", CAPABILITY_VERSION, 0)
    _call("capset", header, struct.pack("6I", mask, mask, 0, 0, 0, 0))


def _leave_group() -> None:
    os.setsid()
    _call("prctl", PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def _renounce(in_namespace: bool) -> None:
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if in_namespace:  # who makes one is its root; what needed that is done
        _keep_capabilities(0)


@functools.cache
def _ruleset(readable: tuple[str, ...]) -> int:
    """Return the descriptor of Landlock's rules."""
    version = _call("syscall", LANDLOCK_CREATE, 0, 0, 1)
    files = (1 << RIGHTS.get(version, 16)) - 1
    net, scope = (3 if version >= 4 else 0), (3 if version >= 6 else 0)
    rights = struct.pack("=QQQ", files, net, scope)
    rules = _call("syscall", LANDLOCK_CREATE, rights, len(rights), 0)
    for path in readable:
        names = {p.name for p in Path(path).iterdir()} if Path(path).is_dir() else set()
        packages = {"site-packages", "dist-packages"} & names
        if packages:
            _rule(rules, path, READ_DIR)  # Python looks for its modules by the list of names
            for name in names - packages:
                _rule(rules, f"{path}/{name}", READ_FILE | READ_DIR)
        else:
            _rule(rules, path, READ_FILE | READ_DIR)
    return rules


def _rule(rules: int, path: str, rights: int) -> None:
    there = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(there).st_mode):
            rights &= READ_FILE
        _call("syscall", LANDLOCK_ADD, rules, 1, struct.pack("=Qi", rights, there), 0)
    finally:
        os.close(there)


def _restrict(readable: tuple[str, ...]) -> None:
    rules = _ruleset(readable)
    _call("syscall", LANDLOCK_RESTRICT, rules, 0)
    os.close(rules)


@functools.cache
def _program() -> bytes:
    """Return the filter of system calls, compiled."""
    import pyseccomp as seccomp

    calls = seccomp.SyscallFilter(seccomp.ERRNO(errno.ENOSYS))
    is_thread = seccomp.Arg(0, seccomp.MASKED_EQ, CLONE_THREAD, CLONE_THREAD)
    is_process = seccomp.Arg(0, seccomp.MASKED_EQ, CLONE_THREAD, 0)
    refuse = seccomp.ERRNO(errno.EPERM)
    rules: list[tuple[Any, ...]] = [(seccomp.ALLOW, name) for name in ALLOWED.split()]
    rules += [(refuse, name) for name in REFUSED.split() if name != "clone"]
    rules += [(seccomp.ALLOW, "clone", is_thread), (refuse, "clone", is_process)]
    # to the judge, at the other end of the one socket there is; no limit is set
    rules += [(seccomp.ALLOW, "sendto", seccomp.Arg(4, seccomp.EQ, 0))]
    rules += [(seccomp.ALLOW, "prlimit64", seccomp.Arg(2, seccomp.EQ, 0))]
    rules += [(seccomp.ALLOW, "ioctl", seccomp.Arg(1, seccomp.EQ, n)) for n in IOCTLS]
    rules += [(seccomp.ALLOW, "fcntl", seccomp.Arg(1, seccomp.EQ, n)) for n in FCNTLS]
    for rule in rules:
        calls.add_rule(*rule)
    with os.fdopen(os.memfd_create("filter"), "w+b") as file:
        calls.export_bpf(file)
        file.seek(0)
        return file.read()


def _filter() -> None:
    program = _program()
    lines = ctypes.create_string_buffer(program)
    head = struct.pack("@HP", len(program) // 8, ctypes.addressof(lines))
    _call("prctl", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, head, 0, 0)


def _try_all(trials: Sequence[tuple[Sequence[str], str]], **limits: Any) -> list[str]:
    """Run trials, with a user id of their own where the layers ask for one."""
    asked = {layer for layers, _ in trials for layer in layers}
    with contextlib.suppress(OSError, ImportError, RuntimeError):
        prepare(asked, own_files())  # what fails is told by each trial that needs it
    if "uid" not in asked:
        return [attempt(*trial, **limits) for trial in trials]
    uid, holder = free_uid()
    with holder:
        return [attempt(*trial, **limits, uid=uid) for trial in trials]


if __name__ == "__main__":
    json.dump(_try_all(**json.load(sys.stdin)), sys.stdout)
