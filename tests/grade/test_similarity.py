import time

import numpy as np
import pytest

from minigrad.grade.intake import Submission
from minigrad.grade.similarity import MOST, Pair, as_text, similar

STARTER = '''import numpy as np

def affine(X, U):
    """A = XW + b. X (N, D), W (D, K), b (K,); back deposits into dX, dW, db."""
    raise NotImplementedError
'''
ANN = '''import numpy as np

def affine(X, U):
    """My task."""
    W, b = U
    A = np.zeros((len(X), W.shape[1]))
    for i, x in enumerate(X):
        A[i] = x @ W + b  # a row

    def back(dA, dX, dU):
        dW, db = dU
        for i in range(len(X)):
            dX[i] += W @ dA[i]
            dW += np.outer(X[i], dA[i])
            db += dA[i]
    return A, back
'''
BO = '''import numpy as np

def affine(X, U):
    """My task."""
    (W, b), N = U, X.shape[0]
    A = np.einsum("nd,dk->nk", X, W)
    A = np.add(A, np.broadcast_to(b, A.shape))
    def back(dA, dX, dU):
        np.add(dX, np.einsum("nk,dk->nd", dA, W), out=dX)
        np.add(dU[0], np.einsum("nd,nk->dk", X, dA), out=dU[0])
        dU[1][...] = dU[1] + np.ones(N) @ dA
    return A, back
'''
DISGUISED = (  # other names, numbers, comments, docstrings, layout
    ANN.replace("A", "out")
    .replace("W", "weights")
    .replace("[1]", "[-1]")
    .replace("  # a row", "\n\n        # each row\n")
    .replace('"""My task."""', '"""I wrote\n    this."""')
    .replace("    ", "\t")
)


def class_of(*sources):
    return [Submission(f"s{n}", source) for n, source in enumerate(sources)]


def scores(*sources, starter=STARTER, least=0.0):
    found = similar(class_of(*sources), starter, least)
    return {(p.first, p.second): p.score for p in found}


def test_equal_code_scores_one_also_in_disguise():
    found = scores(ANN, ANN, BO, DISGUISED)
    assert found["s0", "s1"] == pytest.approx(1)
    assert found["s0", "s3"] > 0.8
    assert found["s0", "s2"] < 0.2


def test_the_order_of_functions_does_not_hide_equal_code():
    two = BO.replace("import numpy as np\n", "").replace("affine", "other")
    head, body = ANN.split("\n", 1)
    found = similar(class_of(ANN + two, head + two + body), STARTER)
    assert found[0].score > 0.9
    assert len(found[0].fragments) >= 2


def test_what_the_starter_has_does_not_count():
    starter = ANN + "\ndef more():\n    raise NotImplementedError\n"
    assert scores(starter + "x = 1", starter + "y = [2, 3]", starter=starter)["s0", "s1"] < 0.2


def test_code_of_most_of_the_class_counts_little():
    rest = [ANN] * 18
    assert scores(ANN, ANN, *[BO] * 18)["s0", "s1"] > 0.9
    assert scores(*rest, BO, BO)["s0", "s1"] < 0.3
    shown = similar(class_of(*rest, BO, BO), STARTER)
    assert [(p.first, p.second) for p in shown] == [("s18", "s19")]


def test_two_lines_are_too_little_to_tell():
    assert scores("a = [x**2 for x in y if x]", "a = [x**2 for x in y if x]")["s0", "s1"] < 0.6


def test_fragments_are_the_lines_that_are_shared():
    other = "def helper(values):\n    return {v: 3 for v in values}\n\n\n"
    [pair] = similar(class_of(ANN, other + ANN), STARTER)
    (first, last), (below, end) = pair.fragments[0]
    assert (below - first, end - last) == (4, 4)
    assert ANN.splitlines()[first - 1 : last] == (other + ANN).splitlines()[below - 1 : end]


def test_a_group_and_what_was_rejected_are_no_pairs():
    group = [Submission(n, ANN, ids={"gradescope": "7"}) for n in ("ann", "bo")]
    assert not similar([*group, Submission("cy", "", rejected="It is empty.")], STARTER)
    assert len(similar([*group, Submission("di", ANN)], STARTER)) == 2


@pytest.mark.parametrize("sources", [[], [ANN], ["", ""], ["x", "\0'''"]])
def test_small_classes_and_no_code_have_no_pairs(sources):
    assert similar(class_of(*sources), STARTER) == []


def test_the_text_says_to_look_at_and_blames_nobody():
    pairs = similar(class_of(ANN, DISGUISED, BO), STARTER)
    text = as_text(pairs, 3)
    assert text.startswith("1 pair to look at, of 3 submissions. Equal code is no proof")
    assert "\n0.91  s0  s1  lines 6-16 and 7-20, 1-6 and 1-7" in text
    many = as_text([Pair("ann", "bo", 1.0, ())] * 40, 50)
    assert many.splitlines()[-1] == "and 10 more"
    assert as_text([], 5) == "0 pairs to look at, of 5 submissions."
    assert not any(word in text.lower() for word in ("cop", "cheat", "plagi"))


def varied(rng, lines):
    """A source in which every line is one of many."""
    forms = ["x{} = f(y, {})", "for i in z[{}:{}]: pass", "g(a.b{}, c @ d{})", "k = [{}, *m{}]"]
    forms += ["if p{} < {}: q()", "s = -t.u{} ** {}", "v{}, w = h{}", "del o.n{}, j[{}]"]
    return "".join(rng.choice(forms).format(*rng.integers(0, 9, 2)) + "\n" for _ in range(lines))


def test_two_hundred_submissions_take_seconds_and_pairs_come_out_first():
    rng = np.random.default_rng(0)
    sources = [varied(rng, 100) for _ in range(198)]
    sources += [sources[17].replace("x", "yy"), "a = 1\n" + sources[18]]
    begin = time.process_time()
    found = similar(class_of(*sources), STARTER, least=0.7)
    assert time.process_time() - begin < 5
    assert {(p.first, p.second) for p in found} == {("s17", "s198"), ("s18", "s199")}


@pytest.mark.parametrize(
    "hostile",
    [
        '"""\n' + '\\"""x\n' * 150_000,
        "\\" * MOST * 40,
        "(" * MOST * 40,
        " " * MOST * 40,
        "'" * MOST * 40,
    ],
    ids=["strings", "backslashes", "brackets", "spaces", "quotes"],
)
def test_a_hostile_source_takes_linear_time(hostile):
    begin = time.process_time()
    similar(class_of(hostile, hostile), STARTER)
    assert time.process_time() - begin < 2
