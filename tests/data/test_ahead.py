import gc
import threading
import time
import traceback
import weakref

import pytest

from minigrad.data import prefetch


def threads_of_ours():
    return [t for t in threading.enumerate() if t.name == "prefetch"]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    gc.collect()
    assert not threads_of_ours()
    yield
    gc.collect()
    assert not threads_of_ours()


def counted(made, n=10**9):
    for i in range(n):
        made.append(i)
        yield i


def wait_until(true, seconds=5):
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.001)
    assert true()


@pytest.mark.parametrize("depth", [1, 2, 7])
@pytest.mark.parametrize("n", [0, 1, 5, 100])
def test_the_items_come_in_their_order_and_all(depth, n):
    with prefetch(range(n), depth) as items:
        assert list(items) == list(range(n))
        assert list(items) == []


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_a_slow_consumer_never_lets_the_queue_grow(depth):
    made = []
    with prefetch(counted(made), depth) as items:
        for taken in range(20):
            wait_until(lambda taken=taken: len(made) >= taken + depth)
            time.sleep(0.002)  # time enough to make too many
            assert len(made) == taken + depth
            assert next(items) == taken


def test_items_are_made_in_a_thread_of_their_own():
    def where():
        yield threading.current_thread()

    with prefetch(where()) as items:
        assert next(items) is not threading.current_thread()


class Broken(Exception):
    pass


def breaks(after):
    yield from range(after)
    raise Broken("in the making")


@pytest.mark.parametrize("after", [0, 1, 5])
def test_an_exception_comes_where_its_item_was_asked_for_with_its_traceback(after):
    seen = []
    with pytest.raises(Broken, match="in the making") as caught, prefetch(breaks(after)) as items:
        for i in items:
            seen.append(i)
    assert seen == list(range(after))
    assert "breaks" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]


def test_after_an_exception_the_items_are_at_their_end():
    items = prefetch(breaks(0))
    with pytest.raises(Broken):
        next(items)
    assert list(items) == []


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, MemoryError])
def test_what_is_no_exception_of_the_usual_kind_comes_too(interruption):
    def stops():
        raise interruption
        yield

    with pytest.raises(interruption), prefetch(stops()) as items:
        next(items)


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_closing_early_stops_the_thread_and_closes_the_generator(taken):
    closed, made = [], []

    def items():
        try:
            yield from counted(made)
        finally:
            closed.append(threading.current_thread().name)

    ahead = prefetch(items(), 2)
    for _ in range(taken):
        next(ahead)
    wait_until(lambda: len(made) == taken + 2)
    ahead.close()
    assert closed == ["prefetch"]
    assert not threads_of_ours()
    assert list(ahead) == []
    ahead.close()  # once more does nothing


def test_an_exception_in_the_loop_stops_the_thread():
    with pytest.raises(Broken), prefetch(counted([])) as items:
        for _ in items:
            raise Broken
    assert not threads_of_ours()


def test_dropping_it_stops_the_thread():
    items = prefetch(counted([]))
    assert next(items) == 0
    del items
    gc.collect()
    assert not threads_of_ours()


def test_what_has_been_taken_is_not_kept_alive():
    class Item:
        pass

    with prefetch(Item() for _ in range(10)) as items:
        first = weakref.ref(next(items))
        next(items)
        next(items)
        assert first() is None


def test_an_exception_leaves_nothing_behind():
    class Item:
        pass

    def makes(kept):
        item = Item()
        kept.append(weakref.ref(item))
        yield item
        raise Broken

    kept = []
    with pytest.raises(Broken), prefetch(makes(kept)) as items:
        sum(1 for _ in items)
    del items
    gc.collect()
    assert kept[0]() is None


def test_several_may_wait_for_an_item_at_the_end():
    with prefetch(range(3)) as items:
        found = []
        both = [threading.Thread(target=lambda: found.extend(items)) for _ in range(2)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join(5)
        assert not any(thread.is_alive() for thread in both)
    assert sorted(found) == [0, 1, 2]


def test_a_file_of_the_callers_is_not_closed(tmp_path):
    path = tmp_path / "lines"
    path.write_text("a\nb\n")
    with path.open() as file:
        with prefetch(file) as lines:
            next(lines)
        assert not file.closed


@pytest.mark.parametrize("depth", [0, -1, 1.5, None])
def test_another_depth_is_refused(depth):
    sentence = f"prefetch: depth is a whole number, at least 1, not {depth}"
    with pytest.raises(ValueError, match=sentence):
        prefetch([], depth)


def test_a_thousand_rounds_leave_no_thread():
    before = threading.active_count()
    for i in range(1000):
        items = prefetch(counted([]) if i % 3 else breaks(i % 5), 1 + i % 4)
        for _ in range(i % 7):
            try:
                next(items)
            except (Broken, StopIteration):
                break
        items.close()
    assert threading.active_count() == before
