"""PyTorch's samples of its operations: minigrad agrees, or says why it does not do them."""

from pathlib import Path

import pytest
from peers import opinfo
from peers.operations import OPERATIONS

import minigrad as mg


@pytest.fixture(scope="module", autouse=True)
def peer():
    for name in ("torch", "expecttest"):
        pytest.importorskip(name, reason=f"{name}, of the extra `peers`, is not installed")


@pytest.fixture(scope="module")
def rows(peer):
    return opinfo.tallies()


def test_no_sample_is_wrong(rows):
    assert {name: row.wrong for name, row in rows.items() if row.wrong} == {}
    assert all(row.agreed + row.unsupported.total() for row in rows.values())
    assert rows.keys() == OPERATIONS.keys()


def test_a_wrong_value_a_wrong_gradient_and_an_unknown_option_would_be_seen():
    @mg.node
    def forgetful(A):
        def back(dZ, dA):
            dA += dZ

        return mg.tanh(A), back

    for wrong in (mg.sigmoid, forgetful, lambda: None):
        row = opinfo.tally(opinfo.database()["tanh"], wrong)
        assert row.wrong


def test_the_table_is_that_of_today(rows):
    kept = Path(__file__).with_name("opinfo.md").read_text()
    if f"PyTorch {opinfo.version()} " not in kept:
        pytest.skip(f"the table is of another PyTorch than {opinfo.version()}, of other samples")
    assert kept == opinfo.document(rows), "PYTHONPATH=tests python -m peers.opinfo"
