"""A process with NumPy loaded that forks a runner for each job: zygote.py DESCRIPTOR LAYER...

It imports nothing of minigrad, so no reference is in its memory, and a check costs a fork. From the
control socket it takes a line of JSON and the descriptor of the job's socket, then a byte when the
judge has what it wants; it answers with how the runner ended.
"""

import json
import os
import select
import signal
import socket
import sys
import time
import types
from pathlib import Path

TURN = 1e-3  # s between two looks at a runner


def main():
    control = socket.socket(fileno=int(sys.argv[1]))
    home = str(Path(__file__).parent)
    package = types.ModuleType("grading")  # so that its parts find each other without minigrad
    package.__path__ = [home]
    sys.modules["grading"] = package
    import numpy.fft
    import numpy.linalg  # what students use, loaded before the walls stand  # noqa: F401
    from grading import confine, runner, stub  # type: ignore[import-not-found]

    package.__path__ = []
    sys.meta_path[:] = [f for f in sys.meta_path if f.__module__.startswith("_frozen_importlib")]
    stub.__path__, stub.__name__ = [], "minigrad"
    sys.modules["minigrad"] = stub
    sys.modules["matplotlib"] = sys.modules["matplotlib.pyplot"] = stub.Nothing()
    if sys.argv[2:]:
        confine.prepare(sys.argv[2:], confine.own_files())
    sys.path[:] = [p for p in sys.path if not p.endswith(("site-packages", "dist-packages"))]
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the judge, who ends this one
    while True:
        line, descriptors, _, _ = socket.recv_fds(control, 1 << 16, 1)
        if not line:
            return
        job = json.loads(line)
        runs_for(control, job, descriptors[0], confine, runner)


def runs_for(control, job, descriptor, confine, runner):
    """Fork a runner for the job and wait until it ends, is to end, or has had its time."""
    pid = os.fork()
    if not pid:
        try:
            control.close()
            run(job, descriptor, confine, runner)
        finally:
            os._exit(0)  # how it ends says nothing: only what it sent does
    os.close(descriptor)
    dead, enough, deadline = 0, False, time.monotonic() + job["wall"]
    while not (dead or enough) and time.monotonic() < deadline:
        enough = bool(select.select([control], [], [], TURN)[0])  # the judge has read everything
        dead, status, used = os.wait4(pid, os.WNOHANG)
    in_time = dead or enough
    if not dead:
        os.kill(pid, signal.SIGKILL)
        _, status, used = os.wait4(pid, 0)
    confine.kill_all(job["uid"])
    told = {"status": status, "in_time": bool(in_time), "cpu": used.ru_utime + used.ru_stime}
    if control.recv(1):  # else the judge is gone
        control.sendall(json.dumps(told).encode())


def run(job, descriptor, confine, runner):
    """Be the runner: walls first, then the student's code."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    os.close(nothing)
    try:
        confine.apply(
            job["layers"],
            wall=job["wall"],
            cpu=job["cpu"],
            memory=job["memory"],
            uid=job["uid"],
            readable=confine.own_files() if job["layers"] else (),
        )
    except OSError as error:
        runner.put(descriptor, runner.frames.pack_text(runner.frames.OURS, str(error)))
        return
    runner.put(descriptor, runner.frames.pack_text(runner.frames.READY, ""))
    runner.serve(descriptor)


if __name__ == "__main__":
    main()
