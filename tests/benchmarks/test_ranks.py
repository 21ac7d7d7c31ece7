import pytest

from benchmarks.ranks import ring


@pytest.mark.parametrize(("k", "passed"), [(1, 0), (2, 1), (4, 1.5), (64, 2 * 63 / 64)])
def test_a_ring_passes_each_byte_twice_but_for_one_part_of_k(k, passed):
    assert ring(3e6, k, bandwidth=1e9, latency=0) == pytest.approx(3 * passed)


@pytest.mark.parametrize("k", [1, 2, 64])
def test_a_ring_waits_for_twice_as_many_messages_as_there_are_others(k):
    assert ring(0, k, bandwidth=1e9, latency=1e-3) == pytest.approx(2 * (k - 1))
