import numpy as np
import pytest

from benchmarks import knn


@pytest.fixture
def small(monkeypatch):
    for name, value in (("QUERIES", 40), ("SAMPLES", 300), ("FEATURES", 8), ("K", 5), ("REST", 0)):
        monkeypatch.setattr(knn, name, value)
    monkeypatch.setattr(knn, "in_new_process", lambda *command: 2.0 + ("minigrad" in command))


def test_both_sides_are_measured(small):
    found = knn.measure(1, rounds=3)
    assert found["low"] <= found["ratio"] <= found["high"]
    assert found["seconds"] > 0
    assert found["peer_seconds"] > 0
    assert found["memory"] == 1.5
    assert found["peer"] in ("faiss", "product")


def test_a_side_that_finds_something_else_is_not_timed(small, monkeypatch):
    monkeypatch.setattr(knn, "peer", lambda count: lambda Q, F: knn.minigrad(Q, F) + 1e-3)
    with pytest.raises(RuntimeError, match="knn: the similarities found by minigrad and faiss dif"):
        knn.measure(1)


def test_the_product_alone_takes_all_queries(small):
    Q, F = knn.problem()
    assert Q.shape == (40, 8)
    np.testing.assert_allclose((F * F).sum(1), 1, rtol=1e-6)
    assert knn.product(Q, F) is None
