"""A fault at the k-th line that the library executes: memory that is gone, or Ctrl-C.

with Fault(MemoryError, 7):  # MemoryError at the seventh line
    step()

A fault falls between any two lines, so that whatever one of them had begun stays as it was then.
Destructors are left out: Python delivers no exception from them.
"""

import sys
import threading
from pathlib import Path

import minigrad

LIBRARY = str(Path(minigrad.__file__).parent)


class Fault:
    """Raises error at the k-th line of the library inside the `with`, and suppresses it.

    everywhere: count the lines of threads that begin inside it, too. came: whether it was raised;
    arrived: whether it left the body.
    """

    def __init__(self, error, k, everywhere=False):
        self.error, self.left, self.everywhere = error, k, everywhere
        self.came = self.arrived = False
        self.lock = threading.Lock()

    def __enter__(self):
        if self.everywhere:
            threading.settrace(self.called)
        sys.settrace(self.called)
        return self

    def __exit__(self, kind, error, traceback):
        sys.settrace(None)
        threading.settrace(None)
        self.left = 0
        self.arrived = bool(kind) and issubclass(kind, self.error)
        return self.arrived

    def called(self, frame, event, argument):
        code, caller = frame.f_code, frame.f_back
        if not code.co_filename.startswith(LIBRARY):
            return None
        if "__del__" in (code.co_name, caller and caller.f_code.co_name):
            return None
        return self.line

    def line(self, frame, event, argument):
        if event == "line":
            with self.lock:
                self.left -= 1
                now = self.left == 0
            if now:
                self.came = True
                raise self.error(f"{Path(frame.f_code.co_filename).name}, line {frame.f_lineno}")
        return self.line


def faults(error, every=1, **options):
    """Fault after Fault, at the first line, the second one ... until a body runs to its end."""
    k, came = 1, True
    while came:
        fault = Fault(error, k, **options)
        yield fault
        came = fault.came
        k += every
