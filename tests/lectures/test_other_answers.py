"""Right answers that are written in another way than the solutions are judged right."""

import textwrap
from pathlib import Path

import pytest

from minigrad.lectures.handouts import built
from minigrad.lectures.sources import REGION, load_all
from minigrad.lectures.trials import tried

LECTURES = Path(__file__).parents[2] / "lectures"
IMPORTS = "import numpy as np\nfrom minigrad import node\n\n"
ANSWERS = {
    "im2col": """
        seen = np.lib.stride_tricks.sliding_window_view(X, (r, s), (2, 3))
        C = seen[:, :, ::stride, ::stride].transpose(0, 2, 3, 1, 4, 5).reshape(-1, c * r * s)
        """,
    "convolution": """
        def back(dZ, dX, dU):
            dW, db = dU
            for m, k, i, j in np.ndindex(dZ.shape):
                at = np.s_[m, :, i * stride : i * stride + r, j * stride : j * stride + s]
                db[k] += dZ[m, k, i, j]
                dW[k] += dZ[m, k, i, j] * X[at]
                dX[at] += dZ[m, k, i, j] * W[k]
        """,
    "maxpool_gradient": """
        dX = np.zeros_like(X)
        for m, k, i, j in np.ndindex(dZ.shape):
            block = np.s_[m, k, i * size : (i + 1) * size, j * size : (j + 1) * size]
            dX[block].flat[X[block].argmax()] = dZ[m, k, i, j]
        """,
    "draw_places": """
        ends = np.cumsum(E) / E.sum()
        rows, columns = np.unravel_index([int(np.argmax(ends > v)) for v in u], E.shape)
        """,
    "surrogate_loss": """
        T = np.eye(A.shape[1])[t]
        top = A.max(1, keepdims=True)
        logarithms = A - top - np.log(np.exp(A - top).sum(1, keepdims=True))
        L = -(T * logarithms).sum() / len(A)

        def back(dL, dA):
            dA += dL * (np.exp(logarithms) - T) / len(A)
        """,
    "attract": """
        E = np.exp(S - S.max(0))
        P, own = E / E.sum(0), np.arange(m)
        J = -np.log(P[own, own]).mean()

        def back(dJ, dS):
            dS += dJ * P / m
            dS[own, own] -= dJ / m
        """,
    "spread": """
        E = np.exp(S - S.max(0))
        s = E.sum(0)
        P, Q = E / s, np.array([np.delete(E, i, 0).sum(0) for i in range(m)]) / s
        others = [(i, j) for i in range(m) for j in range(m) if i != j]
        J = -sum(np.log(Q[i, j]) for i, j in others) / m

        def back(dJ, dS):
            for i, j in others:
                dS[:, j] += dJ * P[:, j] * (1 - (np.arange(m) != i) / Q[i, j]) / m
        """,
}


@pytest.fixture(scope="module")
def checks():
    return {name: check for h in built(LECTURES) for name, check in h.checks.items()}


@pytest.fixture(scope="module")
def exercises():
    return {e.name: e for lecture in load_all(LECTURES) for e in lecture.exercises}


@pytest.mark.slow
@pytest.mark.parametrize("name", ANSWERS)
def test_it_is_judged_right(name, checks, exercises):
    answer = textwrap.indent(textwrap.dedent(ANSWERS[name]), "    ")
    source = REGION.sub(lambda found: answer, exercises[name].source)
    (outcome,) = tried([IMPORTS + source], {name: checks[name]})
    assert (outcome.state, outcome.text) == ("right", "")
