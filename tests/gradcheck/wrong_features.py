"""Losses of features (contrastive, triplet, instances) with one mistake each."""

import numpy as np
from gradcheck.catalogue import Case, wrongs

WRONG: list[Case] = []
wrong = wrongs(WRONG)


def directions(rng, n, k):
    U = rng.normal(size=(n, k))
    return U / np.linalg.norm(U, axis=1, keepdims=True)


def pairs(rng):
    """Two similar pairs and two dissimilar ones, one of these within the margin of 1."""
    F = rng.normal(size=(4, 3))
    d = np.c_[[0.8, 0.5, 1.5, 2.0]] * rng.uniform(0.8, 1.2, (4, 1))
    return F, F + d * directions(rng, 4, 3), np.array([1, 0, 1, 0])


def contrastive(F, G, t):
    """(loss, F - G, distances, how far within the margin) that the mistakes below share."""
    E = F - G
    d = np.sqrt((E**2).sum(1, keepdims=True))
    t = t[:, None]
    inside = np.maximum(1 - d, 0)
    return np.mean(t * d**2 + (1 - t) * inside**2), E, d, inside


@wrong(49, "mask missing", pairs)
def contrastive_without_margin_mask(F, G, t):
    D, E, d, _ = contrastive(F, G, t)

    def back(dD, dF, dG):
        T = t[:, None]
        g = 2 * dD / len(t) * (T * E - (1 - T) * (1 - d) * E / d)
        dF += g
        dG -= g

    return D, back


@wrong(50, ("factor", "wrong operand"), pairs)
def contrastive_distance_not_squared_back(F, G, t):
    D, E, d, inside = contrastive(F, G, t)

    def back(dD, dF, dG):
        T = t[:, None]
        g = dD / len(t) * (T * E / d - 2 * (1 - T) * inside * E / d)
        dF += g
        dG -= g

    return D, back


@wrong(50, ("wrong operand", "factor"), lambda rng: pairs(rng)[:2])
def distance_back_of_its_square(F, G):
    E = F - G
    d = np.sqrt((E**2).sum(1))

    def back(dd, dF, dG):
        g = 2 * dd[:, None] * E
        dF += g
        dG -= g

    return d, back


@wrong(51, "sign", pairs)
def contrastive_same_sign(F, G, t):
    D, E, d, inside = contrastive(F, G, t)

    def back(dD, dF, dG):
        T = t[:, None]
        g = 2 * dD / len(t) * (T * E - (1 - T) * inside * E / d)
        dF += g
        dG += g

    return D, back


def equal_pair(rng):
    F, G, t = pairs(rng)
    G[1] = F[1]
    return F, G, t


@wrong(52, "not finite", equal_pair)
def contrastive_divides_by_zero(F, G, t):
    D, E, d, inside = contrastive(F, G, t)

    def back(dD, dF, dG):
        T = t[:, None]
        g = 2 * dD / len(t) * (T * E - (1 - T) * inside * E / d)
        dF += g
        dG -= g

    return D, back


@wrong(53, ("wrong mask", "wrong operand"), pairs)
def contrastive_labels_swapped(F, G, t):
    D, E, d, inside = contrastive(F, G, t)

    def back(dD, dF, dG):
        T = t[:, None]
        g = 2 * dD / len(t) * ((1 - T) * E - T * inside * E / d)
        dF += g
        dG -= g

    return D, back


def triplets(rng):
    """Four triplets, the first and the third of them within the margin."""
    A = rng.normal(size=(4, 2))
    p, n = np.c_[[1.5, 0.3, 1.0, 0.2]], np.c_[[0.5, 2.0, 0.8, 1.8]]
    return A, A + p * directions(rng, 4, 2), A + n * directions(rng, 4, 2)


def hinges(A, P, N):
    return 0.5 + ((A - P) ** 2).sum(1) - ((A - N) ** 2).sum(1)


@wrong(54, "summand missing", triplets)
def triplet_anchor_pulled_only(A, P, N):
    h = hinges(A, P, N)
    m = (h > 0)[:, None] / len(A)

    def back(dD, dA, dP, dN):
        dA += dD * m * 2 * (A - P)
        dP += dD * m * 2 * (P - A)
        dN += dD * m * 2 * (A - N)

    return np.maximum(h, 0).mean(), back


@wrong(55, ("wrong mask", "mask missing"), triplets)
def triplet_hinge_of_the_batch(A, P, N):
    h = hinges(A, P, N)
    D = np.maximum(h, 0).mean()

    def back(dD, dA, dP, dN):
        m = dD * (D > 0) / len(A)
        dA += m * 2 * (N - P)
        dP += m * 2 * (P - A)
        dN += m * 2 * (A - N)

    return D, back


@wrong(0, "wrong mask", triplets)
def triplet_hinge_inverted(A, P, N):
    h = hinges(A, P, N)

    def back(dD, dA, dP, dN):
        m = dD * (h < 0)[:, None] / len(A)
        dA += m * 2 * (N - P)
        dP += m * 2 * (P - A)
        dN += m * 2 * (A - N)

    return h.clip(min=0).mean(), back


def two_views(rng):
    return rng.normal(size=(4, 3)), 0.3


def instances(X, tau):
    """(loss, unit rows, lengths, probabilities without the diagonal, partners) of two views."""
    n = len(X)
    R = np.linalg.norm(X, axis=1, keepdims=True)
    F = X / R
    S = F @ F.T / tau
    S[np.diag_indices(n)] = -np.inf
    E = np.exp(S - S.max(1, keepdims=True))
    Y = E / E.sum(1, keepdims=True)
    T = np.roll(np.eye(n), n // 2, axis=1)
    return -np.log((Y * T).sum(1)).mean(), F, R, Y, T


def through_length(dF, F, R):
    return (dF - F * (dF * F).sum(1, keepdims=True)) / R


@wrong(56, "lambda", two_views)
def instances_without_temperature(X, tau):
    D, F, R, Y, T = instances(X, tau)

    def back(dD, dX):
        dS = dD * (Y - T) / len(X)
        dX += through_length((dS + dS.T) @ F, F, R)

    return D, back


@wrong(57, "summand missing", two_views)
def instances_length_constant(X, tau):
    D, F, R, Y, T = instances(X, tau)

    def back(dD, dX):
        dS = dD * (Y - T) / len(X) / tau
        dX += (dS + dS.T) @ F / R

    return D, back


def keyed(rng):
    return rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), 0.5


@wrong(58, "mask missing", keyed)
def instances_keep_their_own_key(F, K, tau):
    S = F @ K.T / tau
    n = len(F)
    T = np.roll(np.eye(n), 1, axis=1)
    E = np.exp(S) * (1 - np.eye(n))
    D = np.mean(np.log(E.sum(1)) - (S * T).sum(1))

    def back(dD, dF, dK):
        Y = np.exp(S) / np.exp(S).sum(1, keepdims=True)
        dS = dD * (Y - T) / n / tau
        dF += dS @ K
        dK += dS.T @ F

    return D, back


@wrong(59, "summand missing", two_views)
def instances_one_side_constant(X, tau):
    D, F, R, Y, T = instances(X, tau)

    def back(dD, dX):
        dS = dD * (Y - T) / len(X) / tau
        dX += through_length(dS @ F, F, R)

    return D, back


@wrong(59, ("summand missing", "factor"), lambda rng: (rng.normal(size=(4, 3)),))
def gram_one_side_constant(F):
    S = F @ F.T

    def back(dS, dF):
        dF += dS @ F

    return S, back
