"""Ellipses and photographs for the tests of descriptor matching."""

import functools

import hypothesis.strategies as st
import numpy as np

from minigrad.evaluate import Ellipses

angles = st.floats(0, 2 * np.pi)


@functools.cache
def photograph():
    """A part of a photograph that scikit-learn carries, uint8 (3, 160, 200)."""
    from sklearn.datasets import load_sample_image

    return np.ascontiguousarray(load_sample_image("china.jpg")[60:220, 250:450].transpose(2, 0, 1))


def turn(angle):
    """(2, 2): turns the axis of x towards that of y, for (y, x)."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, s], [-s, c]])


def ellipse(centre, half_axes, angle=0.0):
    """One ellipse: half axes along y and x, then turned."""
    A = turn(angle) @ np.diag(np.square(half_axes, dtype=float)) @ turn(angle).T / 4
    return Ellipses(np.array([centre], float), A[None])


def some(n, seed=0, spread=4.0, longest=4.0):
    """n ellipses about the origin, half axes from 1 / longest to longest."""
    rng = np.random.default_rng(seed)
    axes = np.exp(rng.uniform(-np.log(longest), np.log(longest), (n, 2)))
    parts = [
        ellipse(c, a, t)
        for c, a, t in zip(rng.normal(0, spread, (n, 2)), axes, rng.uniform(0, np.pi, n))
    ]
    return Ellipses(*(np.concatenate(fields) for fields in zip(*parts)))
