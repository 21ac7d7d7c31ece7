import numpy as np
import pytest
from scipy.sparse import csr_array

from benchmarks import graphs
from benchmarks.peak import FORGET, in_new_process
from minigrad.evaluate import reciprocal_graph


@pytest.fixture
def descriptors(tmp_path):
    path = tmp_path / "descriptors.npy"
    graphs.write(path, 400)
    return path


def test_descriptors_are_unit_vectors_in_groups_in_a_file(descriptors):
    V = np.load(descriptors, mmap_mode="r")
    assert (V.shape, V.dtype) == ((400, 128), np.float32)
    np.testing.assert_allclose((V * V).sum(1), 1, rtol=1e-5)
    assert (np.asarray(V @ V.T) > 0.3).sum(1).min() > 50


def test_faiss_finds_the_same_graph(descriptors):
    pytest.importorskip("faiss")
    V = np.load(descriptors)
    V[7] = V[300] = V[0]  # copies: who stands behind them is left out, too
    assert graphs.compare(graphs.minigrad(V), graphs.faiss(V)) == 0


def test_a_graph_with_other_edges_or_affinities_is_not_timed(descriptors):
    A = reciprocal_graph(np.load(descriptors), 50)
    assert graphs.compare(A, A) == 0
    fewer = csr_array(A.toarray() * (A.toarray() > np.median(A.data)))
    for other in (fewer, 1.001 * A):
        with pytest.raises(RuntimeError, match="graphs: minigrad's and faiss's differ in"):
            graphs.compare(A, other)


def test_all_that_there_is_is_measured_and_printed(descriptors, monkeypatch, capsys):
    def in_this_process(module, *words):
        assert (module, words[2:]) == (
            "benchmarks.graphs",
            ("--file", descriptors, "--threads", 1),
        )
        return graphs.measure(descriptors, words[1], 1)

    monkeypatch.setattr(graphs, "in_new_process", in_this_process)
    graphs.report(descriptors, 1, rounds=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "400 x 128, k = 50, threads: 1, rounds: 2"
    assert [line.split()[0] for line in lines].count("minigrad:") == 2
    assert lines[-1].startswith("processor time of W and L ")


@pytest.mark.parametrize(
    "words",
    [
        ["--samples", "50"],
        ["--threads", "0"],
        ["--rounds", "0"],
        ["--side", "minigrad"],
        ["--side", "minigrad", "--file", "nowhere.npy"],
        ["--file", "nowhere.npy"],
    ],
)
def test_what_cannot_be_measured_is_one_line_and_exit_code_2(words, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["graphs.py", *words])
    with pytest.raises(SystemExit, match="2"):
        graphs.main()
    assert "graphs.py: error: " in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.skipif(not FORGET.exists(), reason="the system does not tell a process its peak")
def test_a_process_that_makes_a_graph_needs_a_fifth_of_2_gb_for_a_fifth_of_100_000(tmp_path):
    path = tmp_path / "descriptors.npy"
    graphs.write(path, 20_000)
    found = in_new_process("benchmarks.graphs", "--side", "minigrad", "--file", path)
    assert 50 < found["mb"] < 2000 / 5
