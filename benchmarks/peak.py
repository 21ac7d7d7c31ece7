"""Peak memory of a call, in a process that has done nothing else. Linux; elsewhere None."""

import json
import subprocess
import sys
from pathlib import Path

FORGET = Path("/proc/self/clear_refs")


def peak(call):
    """MB that a call takes at its peak beyond what the process has before."""
    if not FORGET.exists():
        return None
    before = resident("VmRSS")
    FORGET.write_text("5")  # the peak so far
    call()
    return resident("VmHWM") - before


def resident(field):
    """MB of a line of the process's status."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0]) / 1024


def in_new_process(module, *arguments):
    """What `python -m module arguments` prints, as JSON."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
