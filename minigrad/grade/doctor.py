"""Whether the sandbox holds on this machine: what it must stop is tried, in confined children."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import confine

HARMS = {  # what a student's code must not do -> the code that does it
    "write a file": """
import os
path = "/tmp/minigrad-doctor-was-here"
open(path, "w").close()
os.remove(path)""",
    "read /etc/shadow": "open('/etc/shadow').read()",
    "list the teacher's home": "import os; os.listdir({home!r})",
    "list processes": "import os; os.listdir('/proc')",
    "open a connection": "import socket; socket.socket()",
    "send a datagram": """
import socket
socket.socket(type=socket.SOCK_DGRAM).sendto(b"", ("127.0.0.1", 9))""",
    "fork": "import os; os.fork() or os._exit(0)",
    "start a program": "import os; os.execv('/bin/true', ['true'])",
    "signal the grader": "import os; os.kill(os.getppid(), 0)",
    "read the grader's memory": "import os; open(f'/proc/{{os.getppid()}}/mem', 'rb')",
    "take 2 GiB of memory": "import mmap; mmap.mmap(-1, 2 << 30)",
    "compute without end": """
import signal
signal.signal(signal.SIGXCPU, signal.SIG_IGN)
while True:
    pass""",
}
NEEDS = {  # what right answers need
    "import NumPy late": "import numpy.fft, numpy.linalg",
    "import Python late": "import decimal, hashlib, statistics",
    "start a thread": """
import threading
thread = threading.Thread(target=list)
thread.start()
thread.join()""",
}


@dataclass(frozen=True)
class Examination:
    """What `examine` found: str() of it is for people."""

    layers: Mapping[str, str]  #: layer -> "" if it works, else why not
    applied: tuple[str, ...]  #: the layers around the children of the trials
    stopped: Mapping[str, str]  #: harm -> what stopped it; "" if nothing did
    hindered: Mapping[str, str]  #: need -> "" if it is met, else what hinders it

    @property
    def level(self) -> str:
        """strong, basic, or none; a sandbox that lets one harm through, or a need not, is none."""
        holds = all(self.stopped.values()) and not any(self.hindered.values())
        left_out = {n: "" if n in self.applied else "left out" for n in confine.LAYERS}
        return confine.level(left_out) if holds else "none"

    def __str__(self) -> str:
        rows = [("Layers", "", "")]
        for layer, problem in self.layers.items():
            state = "missing" if problem else "used" if layer in self.applied else "left out"
            rows.append((f"  {layer}", "not used" if "Not needed" in problem else state, problem))
        if self.applied:
            rows.append(("What must be stopped", "", ""))
            for harm, end in self.stopped.items():
                rows.append((f"  {harm}", "stopped" if end else "NOT STOPPED", end))
            rows.append(("What must work", "", ""))
            for need, end in self.hindered.items():
                rows.append((f"  {need}", "FAILS" if end else "works", end))
        table = "\n".join(f"{a:28}{b:13}{c}".rstrip() for a, b, c in rows)
        return f"{table}\n\nLevel: {self.level}"


def examine(level: str = "strong") -> Examination:
    """Try what a sandbox of a level must stop and must allow, with the layers that work here.

    level: strong or basic.  Nothing harmful is tried where the basic layers do not work.
    """
    layers = confine.available()
    applied = confine.layers_of(level, layers)
    if confine.level(layers) == "none":
        return Examination(layers, (), {}, {})

    def ends(trials):
        sources = [source.format(home=str(Path.home())) for source in trials.values()]
        return dict(zip(trials, confine.outcomes([(applied, source) for source in sources])))

    return Examination(layers, applied, ends(HARMS), ends(NEEDS))
