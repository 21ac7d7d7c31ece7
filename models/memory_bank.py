"""A memory bank: every image is compared with what was last seen of all others.

The bank holds a row for each image, the feature that the network gave it in the last epoch. Rows
are constants to a loss, and an explicit step updates those of the batch:

    state = initial(rng, len(images), d)

    def objective(U, X, y, rng):  # y: which images, as np.arange(len(images)) is batched
        F = embedding(X, U)
        L = memory_softmax(F, y, state=state)  # or memory_nce(F, y, state=state, rng=rng)
        remember(state, detach(F), y)
        return L

    train(objective, U, (images, np.arange(len(images))), state=state, ...)

The state is a dict of arrays, so that `train` saves it in its checkpoints.
Source: Wu, Xiong, Yu and Lin, CVPR 2018, and their code.

>>> state = initial(np.random.default_rng(0), 10, 3)
>>> X, y = np.eye(3, dtype=np.float32), np.array([4, 5, 5])
>>> remember(state, X, y, momentum=0.0)
>>> state["memory"][[4, 5]]  # 5 twice in a batch: the last one stays
array([[1., 0., 0.],
       [0., 0., 1.]], dtype=float32)
"""

import math

import numpy as np

from minigrad import block, detach, node, normalize
from minigrad.backend import array_module

from .embedding_checks import check_labels, check_option, check_positive
from .instance_losses import check_bank, exemplar_softmax, log_sum


def initial(rng, n, d):
    """The state of a new bank, {"memory": (n, d)}: uniform in +- sqrt(3 / d), as in the code.

    Rows have length 1 on average only, until they are updated. rng: a numpy Generator. For a GPU,
    move it with `to_gpu`.
    Raises ValueError for n or d below 1.
    """
    if min(n, d) < 1:
        raise ValueError(f"memory_bank.initial: n and d are 1 or more, not {n} and {d}")
    side = math.sqrt(3 / d)
    return {"memory": rng.uniform(-side, side, (n, d)).astype(np.float32)}


def remember(state, X, y, momentum=0.5):
    """Update the bank: v_y <- (momentum v_y + (1 - momentum) x), brought to unit length.

    X: (m, d) features, plain arrays; y: (m,), which images they are of; an image that is there
    twice keeps the last. momentum: 0.5, as in the code.
    The bank becomes a new array: the loss of this step still needs the old one for its backward.
    Raises ValueError for features that do not fit the bank or are not finite, images that it does
    not have, a momentum that is not from 0 to below 1.
    """
    V = state["memory"]
    check_bank("remember", X, V, y)
    check_momentum("remember", momentum)
    i = array_module(y).arange(len(y))
    last = ~((y[:, None] == y) & (i > i[:, None])).any(1)  # CuPy writes duplicates in any order
    y, X = y[last], X[last]
    state["memory"] = V.copy()
    state["memory"][y] = normalize(momentum * V[y] + (1 - momentum) * X)


@block
def memory_softmax(X, y, *, state, temperature=0.07):
    """The non-parametric softmax: `exemplar_softmax` against the bank, as a constant.

    X: (m, d), unit rows; y: (m,), which images they are of; state: of `initial`; temperature: 0.07,
    the paper's for ImageNet; for CIFAR it takes 0.1. Raises ValueError as `exemplar_softmax`: the
    bank is not searched for rows that are not finite.

    >>> state = {"memory": np.zeros((10, 3))}
    >>> float(memory_softmax(np.eye(3), np.array([0, 4, 9]), state=state)).__round__(4)  # ln 10
    2.3026
    """
    return exemplar_softmax(X, state["memory"], y, temperature)


@block
def memory_nce(X, y, *, state, rng, noise=4096, temperature=0.07, Z="first", momentum=0.9):
    """Noise-contrastive estimation of the non-parametric softmax: `nce` with noise from the bank.

    X, y, state, temperature: as in `memory_softmax`; rng: a numpy Generator; noise: how many rows
    are drawn for each sample, uniformly with replacement, 4096; its own row may be among them.
    Z: what stands for the sum over the whole bank, n times the mean of e^(v x / temperature) over a
    batch and its noise: "first", that of the first batch, kept in state for good, as in the code;
    "moving", Z <- momentum Z + (1 - momentum) that of the batch; or a number. momentum: 0.9.
    The first Z is that of random rows: where embeddings are alike, P is soon far above 1, and the
    loss runs away, with batch normalisation below the embedding at high rates, too. Lower the rate,
    or let Z move.
    Raises ValueError for more noise than the bank has rows, another Z or momentum, and as
    `nce`.

    >>> state = {"memory": np.zeros((5, 3))}
    >>> options = {"state": state, "rng": np.random.default_rng(0), "noise": 5}
    >>> float(memory_nce(np.eye(3), np.array([0, 1, 4]), **options)).__round__(4)  # ln 6 + 5 ln 6/5
    2.7034
    >>> float(np.exp(state["ln_Z"])).__round__(4)
    5.0
    """
    V, F = state["memory"], detach(X)
    check_bank("memory_nce", F, V, y, temperature)
    if not 1 <= noise <= len(V):
        raise ValueError(
            f"memory_nce: noise is 1 to {len(V)} for a bank of {len(V)} rows, not {noise}: "
            "`memory_softmax` compares with all of them"
        )
    xp = array_module(V)
    drawn = xp.asarray(rng.integers(0, len(V), (len(y), noise)))
    index = xp.concatenate((y[:, None], drawn), axis=1)
    return nce(X, V, index, normaliser(state, F, index, temperature, Z, momentum), temperature)


def normaliser(state, X, index, temperature=0.07, Z="first", momentum=0.9):
    """ln Z for `nce`, (): kept in state as "ln_Z" unless Z is a number.  As `memory_nce`."""
    if not isinstance(Z, str):
        check_positive("memory_nce", "Z", Z)
        return math.log(Z)
    check_option("memory_nce", "Z", Z, ("first", "moving"))
    check_momentum("memory_nce", momentum)
    V, old = state["memory"], state.get("ln_Z")
    if old is None or Z == "moving":
        S = np.take_along_axis(X @ V.T, index, 1) / temperature
        new = log_sum(S.reshape(1, -1)).reshape(()) + math.log(len(V) / S.size)
        if old is not None and momentum:
            new = np.logaddexp(old + math.log(momentum), new + math.log(1 - momentum))
        state["ln_Z"] = array_module(V).asarray(new)
    return state["ln_Z"]


def check_momentum(name, momentum):
    """Raise ValueError unless a momentum, the share of what is old, is from 0 to below 1."""
    if not 0 <= momentum < 1:
        raise ValueError(f"{name}: momentum, the share of the old, is 0 to below 1, not {momentum}")


@node
def nce(X, V, index, ln_Z, temperature=0.07, eps=0.0):
    """L = -(1/m) sum_i (ln h_i0 + sum over k > 0 of ln(1 - h_ik)), h = P / (P + K/n).

    h is the probability that a row of the bank is the image's own and not one of K noise samples
    of probability 1/n each; P_ik = e^(v x_i / temperature) / Z with v the row index_ik. L: ().
    X: (m, d), unit rows; V: (n, d), the bank, a constant; index: (m, 1 + K), in column 0 the
    image's own row, in the others noise; ln_Z: a number or (), a constant; temperature: 0.07; eps:
    what the code adds to the denominators of h and of 1 - h = (K/n) / (P + K/n), 1e-7, against
    ln 0; here 0, since ln h is exact: h = sigmoid(ln P - ln(K/n)).
    With G_i0 = h_i0 - 1 and G_ik = h_ik: dX_i = sum_k G_ik v_k / (m temperature). All products of X
    and V are computed: for a bank of 10 K rows that is faster than gathering K rows for each x.
    Raises ValueError for shapes that do not fit, no noise, an index beyond the bank, rows of X (not
    of V, which is large) or a ln_Z that are not finite, a temperature not above 0.
    Source: Wu, Xiong, Yu and Lin, CVPR 2018, section 3.2.

    >>> index = np.arange(4097)[None]  # K = 4096, all rows alike: ln(1 + K) + K ln(1 + 1/K)
    >>> float(nce(np.ones((1, 2)), np.zeros((4096, 2)), index % 4096, np.log(4096))).__round__(3)
    9.318
    """
    if index.ndim != 2 or len(index) != len(X) or index.shape[1] < 2:
        raise ValueError(f"nce: index is ({len(X)}, 1 + K), K 1 or more, not {index.shape}")
    check_labels("nce", index.reshape(-1), index.size, len(V), "index")
    check_bank("nce", X, V, index[:, 0], temperature)
    if not np.isfinite(ln_Z):
        raise ValueError(f"nce: ln_Z is a finite number, not {ln_Z}")
    m, K, n = len(X), index.shape[1] - 1, len(V)
    c = K / n + eps
    A = np.take_along_axis(X @ V.T, index, 1) / temperature - ln_Z - math.log(c)
    own = array_module(A).arange(1 + K) == 0
    L = np.logaddexp(np.where(own, -A, A), 0).sum() / m + K * math.log(c * n / K)

    def back(dL, dX):
        h = np.exp(-np.logaddexp(-A, 0))
        G = np.where(own, -np.exp(-np.logaddexp(A, 0)), h)
        dS = np.zeros_like(X, shape=(m, n))
        array_module(X).add.at(dS, (array_module(X).arange(m)[:, None], index), G)
        dX += (dL / (m * temperature)) * (dS @ V)

    return L, back
