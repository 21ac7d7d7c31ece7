"""What HIPS autograd's tests differentiate: minigrad agrees, or says why it does not do it."""

from pathlib import Path

import numpy as np
import pytest
from peers import hips
from peers.hips import comparison, functions
from peers.hips.cases import CASES

import minigrad as mg


@pytest.fixture(scope="module")
def rows():
    pytest.importorskip("autograd", reason="autograd, of the extra `peers`, is not installed")
    return comparison.tallies()


def test_no_case_is_wrong(rows):
    assert {name: row.wrong for name, row in rows.items() if row.wrong} == {}
    assert sum(row.agreed + row.unsupported.total() for row in rows.values()) == len(CASES)


def test_the_table_is_that_of_today(rows):
    kept = Path(__file__).with_name("hips.md").read_text()
    assert kept == comparison.document(rows), "PYTHONPATH=tests python -m peers.hips.comparison"


def test_grad_and_elementwise_grad_take_numbers_and_nests():
    assert hips.grad(lambda x: x * x)(3.0) == 6
    assert hips.grad(lambda x, y: x * y, 1)(3.0, 5.0) == 3
    assert hips.grad(lambda d: d["a"] * d["a"])({"a": 3.0, "b": 1.0}) == {"a": 6, "b": 0}
    assert hips.elementwise_grad(mg.exp)(np.zeros(3)).tolist() == [1, 1, 1]


def test_the_jacobian_of_a_matrix_product_is_the_matrix():
    W = np.arange(6.0).reshape(2, 3)
    assert hips.jacobian(lambda x: functions.dot(W, x))(np.ones(3)).tolist() == W.tolist()
    assert hips.jacobian(functions.sum)(3.0).shape == ()


def test_check_grads_refuses_a_wrong_gradient():
    @mg.node
    def square(A):
        def back(dZ, dA):
            dA += dZ * A

        return A * A, back

    hips.check_grads(lambda A: A * A)(np.ones(3))
    with pytest.raises(AssertionError):
        hips.check_grads(square)(np.ones(3))
