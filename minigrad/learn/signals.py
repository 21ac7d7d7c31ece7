"""Ctrl-C and SIGTERM, heard where it does no harm."""

import _signal  # type: ignore[import-not-found]  # what `signal` wraps
import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def interrupts() -> Iterator[list[int]]:
    """A list that Ctrl-C and SIGTERM go to, while the body goes on; a second one stops at once.

    A body that ends as if there had been none is stopped after it.
    """
    noted: list[int] = []
    before: dict = {}

    def restore():
        for number in reversed(before):  # Ctrl-C, which may come now, the last
            signal.signal(number, before[number])

    def note(number, frame):
        noted.append(number)
        restore()

    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) not in (signal.SIG_IGN, None):  # nohup ignores one
                before[number] = signal.signal(number, note)
        yield noted
    finally:
        restore()
    if noted:
        signal.raise_signal(noted[0])


@contextlib.contextmanager
def held() -> Iterator[None]:
    """What is begun in here is finished before Ctrl-C is heard."""
    noted: list[int] = []
    before = _signal.getsignal(signal.SIGINT)  # the wrappers' enums cost a small step 2 %
    if before is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    try:
        _signal.signal(signal.SIGINT, lambda number, frame: noted.append(number))
        yield
    finally:
        _signal.signal(signal.SIGINT, before)
        if noted:
            signal.raise_signal(signal.SIGINT)
