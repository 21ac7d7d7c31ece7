"""Batches made by a thread ahead of their use.

>>> with prefetch(i * i for i in range(4)) as squares:
...     list(squares)
[0, 1, 4, 9]
"""

import inspect
import queue
import threading
from collections.abc import Iterable
from typing import Any


class prefetch:
    """The items of an iterable in their order, made by a thread of its own, ahead of their use.

    depth: items that may be there or in the making before they are asked for, 2: more only take
    memory, as a slow maker stays slow. What the iterable raises is raised where its item was asked
    for, with its traceback. Close it, or leave its `with`, before the end to stop the thread: close
    waits until the item in the making is done, and closes a generator. Work of NumPy's, files and
    waiting go on beside the caller's; Python code takes turns with it.
    Raises ValueError for another depth.
    """

    def __init__(self, items: Iterable, depth: int = 2):
        if not isinstance(depth, int) or depth < 1:
            raise ValueError(f"prefetch: depth is a whole number, at least 1, not {depth!r}")
        self._made: queue.SimpleQueue = queue.SimpleQueue()
        self._room, self._closed = threading.Semaphore(depth), threading.Event()
        given = (items, self._made, self._room, self._closed)  # not self, which may be dropped
        self._thread = threading.Thread(target=_make, args=given, name="prefetch", daemon=True)
        self._thread.start()

    def __iter__(self) -> "prefetch":
        return self

    def __next__(self) -> Any:
        if self._closed.is_set():
            raise StopIteration
        item, error = self._made.get()
        if error is not None:
            self._made.put((None, StopIteration()))  # for others who wait for an item
            self.close()
            try:
                raise error
            finally:
                del error  # which would keep itself alive, by the frames of its traceback
        self._room.release()
        return item

    def close(self) -> None:
        """Stop the thread and wait for it; what was made and not taken is dropped."""
        self._closed.set()
        self._room.release()
        if self._thread is not threading.current_thread():  # where a collector may end it
            self._thread.join()

    def __del__(self):
        if hasattr(self, "_thread"):
            self.close()

    def __enter__(self) -> "prefetch":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()


def _make(items, made, room, closed):
    """Put (item, None) for each item as long as there is room, then (None, how it ended)."""
    end = StopIteration()
    try:
        iterator = iter(items)
        room.acquire()
        while not closed.is_set():
            made.put((next(iterator), None))
            room.acquire()
        if inspect.isgenerator(iterator):
            iterator.close()
    except BaseException as error:
        end = error
    made.put((None, end))
    del end
