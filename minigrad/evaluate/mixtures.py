"""How many blobs a map has, where, and how wide: a mixture of Gaussians that finds its own size.

>>> y, x = np.mgrid[:20, :30]
>>> blob = lambda v, u, sigma: np.exp(-((y - v) ** 2 + (x - u) ** 2) / (2 * sigma**2))
>>> found = expanding_mixture(blob(6, 7, 2) + 2 * blob(12, 22, 2), expansion=0)
>>> found.means.round(1), found.sigmas.round(1)
(array([[12., 22.],
       [ 6.,  7.]]), array([2., 2.]))
>>> found.boxes((20, 30))
array([[ 9, 19,  7,  7],
       [ 3,  4,  7,  7]])

Source: Avrithis and Kalantidis, ECCV 2012; on maps instead of points: Simeoni et al., WACV 2018.
"""

from typing import Any, NamedTuple

import numpy as np

TAU = 0.5
EXPANSION = 0.1
REACH = 2.0  # deviations from the mean to the sides of a box
NARROWEST = 12**-0.5  # a pixel's own deviation along a side: no component is narrower
TINY = np.finfo(float).tiny
CLOSE = 1e-6  # relative change of the log-likelihood at which the iteration has come to rest


class Mixture(NamedTuple):
    """p(x) = sum_k weights_k N(x | means_k, sigmas_k^2 I), the heaviest component first.

    weights: (m,), of sum 1; means: (m, 2), as (down, right), pixel centres being whole numbers;
    sigmas: (m,), in pixels. A map of zeros has no component: m = 0.
    """

    weights: np.ndarray
    means: np.ndarray
    sigmas: np.ndarray

    def boxes(self, shape: tuple[int, ...], reach: float = REACH) -> np.ndarray:
        """(m, 4) boxes (top, left, height, width) of the pixels within reach deviations of a mean.

        shape: (h, w) of the map, on which boxes are cut off; reach: 2, our choice. The pixel at
        the mean belongs to a box, so that none is empty.
        """
        last = np.array(shape[-2:]) - 1
        within = reach * self.sigmas[:, None] + 1e-9
        middle = np.rint(self.means)
        first = np.clip(np.minimum(np.ceil(self.means - within), middle), 0, last)
        final = np.clip(np.maximum(np.floor(self.means + within), middle), 0, last)
        return np.concatenate([first, final - first + 1], 1).astype(int)


def expanding_mixture(
    f: Any,
    tau: float = TAU,
    expansion: float = EXPANSION,
    start: Mixture | None = None,
    steps: int = 30,
) -> Mixture:
    """Round Gaussians fitted to a map f(x) >= 0 by EM that drops and widens some: a `Mixture`.

        P-step, by weight:  k stays if |p_k|^2 / (|p_k|^2 + sum_j <p_k, p_j>) >= tau
        E-step:  r_k(x) = f(x) pi_k N_k(x) / sum_j pi_j N_j(x)
        M-step:  R_k = sum_x r_k(x),  pi_k = R_k / sum_j R_j,  mu_k = sum_x r_k(x) x / R_k,
                 2 sigma_k^2 = (1 - lambda) S_k + lambda S'_k

    <p_k, p_j> = pi_k pi_j N(mu_k | mu_j, (sigma_k^2 + sigma_j^2) I), j the heavier ones that stay;
    S_k: the mean of |x - mu_k|^2 under r_k, S'_k: under its part on pixels where another component
    is stronger, so that a component grows to where it is contested; none there: S_k.

    f: (h, w), each pixel a point that counts f(x) times; tau: overlap at which a component is
    dropped, 0.5, in [0, 1]; 0: none is; expansion: lambda, 0.1, in [0, 1]; both 0: EM on weighted
    points; start: the first components; None: `peaks`; steps: at most, 30, fewer if nothing is
    dropped and the log-likelihood rests. No sigma gets below 1 / sqrt(12), a pixel's own.
    Raises ValueError for a map of another shape, with a value that is negative or not finite, and
    options out of range.
    Source: Avrithis and Kalantidis, ECCV 2012, section 3; defaults are ours.
    """
    f = _checked("expanding_mixture", f)
    if not (0 <= tau <= 1 and 0 <= expansion <= 1) or steps < 0:
        raise ValueError(
            "expanding_mixture: tau and expansion are 0 to 1, steps 0 or more, "
            f"not {tau}, {expansion} and {steps}"
        )
    if start is not None and not (
        start.means.shape == (len(start.weights), 2) == (len(start.sigmas), 2) > (0, 2)
        and all(np.isfinite(a).all() for a in start)
        and (start.weights >= 0).all()
        and start.weights.any()
        and (start.sigmas > 0).all()
    ):
        raise ValueError(
            "expanding_mixture: start: one component at least, finite means, some weight and "
            f"none below 0, sigmas above 0, not {start}"
        )
    found, before = peaks(f) if start is None or not f.any() else start, -np.inf
    if not f.any():
        return found
    points = np.argwhere(f > 0).astype(float)
    f = f[f > 0] / f.max()  # whose sum may be too large
    f = f / f.sum()
    for _ in range(steps):
        kept = _apart(found, tau)
        dropped = len(kept) < len(found.weights)
        found = Mixture(*(a[kept] for a in found))
        found, likelihood = _updated(found, points, f, expansion)
        if not dropped and abs(likelihood - before) <= CLOSE * abs(likelihood):
            break
        before = likelihood
    return _sorted(found)


def peaks(f: Any) -> Mixture:
    """A component at each local maximum of a map, of the 8 pixels around: the first `Mixture`.

    Weights: the map there, of sum 1; sigmas: half of the distance to the nearest other maximum,
    or of a lone one the map's own deviation, the root of half the trace of its covariance; at
    least a pixel's own. Pixels that touch and are equal are one maximum, in their middle; where the
    map is 0 is none.
    Raises ValueError for a map that is not (h, w), or has a value negative or not finite.

    >>> peaks(np.array([[1.0, 0.0, 0.0, 3.0, 3.0]]))
    Mixture(weights=array([0.75, 0.25]), means=array([[0. , 3.5],
           [0. , 0. ]]), sigmas=array([1.75, 1.75]))
    """
    from scipy.ndimage import center_of_mass, label, maximum, maximum_filter

    f = _checked("peaks", f)
    there = (f == maximum_filter(f, 3)) & (f > 0)
    which, m = label(there, np.ones((3, 3)))
    if not m:
        return Mixture(np.empty(0), np.empty((0, 2)), np.empty(0))
    each = np.arange(1, m + 1)
    means, weights = np.array(center_of_mass(there, which, each)), maximum(f, which, each)
    weights = weights / weights.max()
    if m == 1:
        points, r = np.argwhere(f > 0), f[f > 0] / f.max()
        r = r / r.sum()
        S = r @ ((points - r @ points) ** 2).sum(1)
        sigmas = np.array([np.sqrt(S / 2)])
    else:
        distance = _squares(means, means)
        np.fill_diagonal(distance, np.inf)
        sigmas = np.sqrt(distance.min(1)) / 2
    return _sorted(Mixture(weights / weights.sum(), means, np.maximum(sigmas, NARROWEST)))


def _sorted(found):
    order = np.argsort(-found.weights, kind="stable")
    return Mixture(*(a[order] for a in found))


def _squares(A, B):
    """Squared distances: (a, b)."""
    return ((A[:, None] - B) ** 2).sum(2)


def _apart(found, tau):
    """The components that stay, by weight: each overlaps little with the heavier ones that do."""
    weights, means, sigmas = found
    widths = sigmas[:, None] ** 2 + sigmas**2
    P = np.outer(weights, weights) * np.exp(-_squares(means, means) / (2 * widths)) / widths
    kept: list[int] = []
    for k in np.argsort(-weights, kind="stable"):
        own = P[k, k]
        if own >= tau * (own + P[k, kept].sum()):
            kept.append(k)
    return kept


def _updated(found, points, f, expansion):
    """One step of EM from components to wider ones, and the log-likelihood before it."""
    weights, means, sigmas = found
    D = _squares(points, means)
    with np.errstate(divide="ignore"):
        logs = np.log(weights) - 2 * np.log(sigmas) - np.log(2 * np.pi) - D / (2 * sigmas**2)
    top = logs.max(1, keepdims=True)
    R = np.exp(logs - top)
    total = R.sum(1, keepdims=True)
    likelihood = f @ (top + np.log(total))[:, 0]
    R *= f[:, None] / total
    outer = R * (np.arange(len(weights)) != logs.argmax(1)[:, None])
    N, N_outer = R.sum(0), outer.sum(0)
    alive = N > TINY
    means = np.where(alive[:, None], R.T @ points / np.maximum(N, TINY)[:, None], means)
    D = _squares(points, means)
    S, S_outer = (R * D).sum(0), (outer * D).sum(0)
    S = S / np.maximum(N, TINY)
    S_outer = np.where(N_outer > TINY, S_outer / np.maximum(N_outer, TINY), S)
    variance = ((1 - expansion) * S + expansion * S_outer) / 2
    sigmas = np.where(alive, np.sqrt(np.maximum(variance, NARROWEST**2)), sigmas)
    return Mixture(N / N.sum(), means, sigmas), likelihood


def _checked(name, f):
    f = np.asarray(f, np.float64)
    if f.ndim != 2 or not f.size:
        raise ValueError(f"{name}: a map is (h, w), of one pixel at least, not {f.shape}")
    if not (np.isfinite(f).all() and (f >= 0).all()):
        raise ValueError(
            f"{name}: a map is finite and not negative, not from {f.min()} to {f.max()}"
        )
    return f
