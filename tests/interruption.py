"""A fault at the k-th line that the library executes: memory that is gone, or Ctrl-C.

with Fault(MemoryError, 7):  # MemoryError at the seventh line
    step()

A fault falls between any two lines, so that whatever one of them had begun stays as it was then.
Ctrl-C is a real signal. Memory is not refused to an optimiser's step: a test of its own shows that
it asks for none. Destructors are left out: Python delivers no exception from them.
"""

import signal
import sys
import threading
from pathlib import Path

import minigrad
from minigrad.learn import Descent

LIBRARY = str(Path(minigrad.__file__).parent)
ASKS_FOR_NONE = {Descent.step.__code__}


class Fault:
    """Raises error at the k-th line of the library inside the `with`, and suppresses it.

    everywhere: count the lines of threads that begin inside it, too. came: whether it was raised,
    where: at which line; arrived: whether it left the body.
    """

    def __init__(self, error, k, everywhere=False):
        self.error, self.left, self.everywhere = error, k, everywhere
        self.came = self.arrived = False
        self.lock = threading.Lock()

    def __enter__(self):
        self.before = signal.signal(signal.SIGINT, signal.default_int_handler)  # if it is ignored
        if self.everywhere:
            threading.settrace(self.called)
        sys.settrace(self.called)
        return self

    def __exit__(self, kind, error, traceback):
        sys.settrace(None)
        threading.settrace(None)
        signal.signal(signal.SIGINT, self.before)
        self.left = 0
        self.arrived = bool(kind) and issubclass(kind, self.error)
        return self.arrived

    def called(self, frame, event, argument):
        code, caller = frame.f_code, frame.f_back
        if not code.co_filename.startswith(LIBRARY):
            return None
        if "__del__" in (code.co_name, caller and caller.f_code.co_name):
            return None
        if self.error is MemoryError and any(f.f_code in ASKS_FOR_NONE for f in callers(frame)):
            return None
        return self.line

    def line(self, frame, event, argument):
        if event == "line":
            with self.lock:
                self.left -= 1
                now = self.left == 0
            if now:
                self.came = True
                self.where = f"{Path(frame.f_code.co_filename).name}, line {frame.f_lineno}"
                if self.error is KeyboardInterrupt:
                    signal.raise_signal(signal.SIGINT)
                    return self.line
                raise self.error(self.where)
        return self.line


def callers(frame):
    """A frame and those that it was called from."""
    while frame:
        yield frame
        frame = frame.f_back


def faults(error, every=1, **options):
    """Fault after Fault, at the first line, the second one ... until a body runs to its end."""
    k, came = 1, True
    while came:
        fault = Fault(error, k, **options)
        yield fault
        came = fault.came
        k += every
