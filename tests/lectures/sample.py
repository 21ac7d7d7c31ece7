"""A small lecture of two exercises, one that returns a value and one operation."""

SAMPLE = '''\
# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 1. Means and squares
#
# **What is the
# middle of some rows?**

# %% tags=["setup"]
import numpy as np
import scipy.special

from minigrad.lectures import Picture, check_exercise

# %%
SHIFT = 2.0


def moved(X):
    return X + SHIFT


# %% [markdown] tags=["task"]
# ### Exercise: the mean of the rows
#
# Return m.

# %% tags=["exercise"] id="mean"
def mean(X, kind):
    """The "mean" of the rows of X (N, D); m (D,)."""
    ### BEGIN SOLUTION
    total = X.sum(axis=0)
    m = total / len(X)
    ### END SOLUTION
    return m


# %% tags=["check"]
def mean_inputs(rng):
    yield moved(rng.normal(size=(4, 3))), "rows"
    yield moved(rng.normal(size=(3, 3))), "rows"


check_exercise(mean, mean_inputs, like=lambda X, kind: X.mean(0))

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Add them.
#
# </details>
# <details><summary>Hint 2: the formula</summary> $m$ </details>
# <details><summary>Hint 3: the first line</summary> Sum over axis 0. </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 6}
# [[mistake]]
# code = "not divided"
# stage = "forward"
# replace = "total / len(X)"
# by = "total"
# says = "This is the sum."
# [[mistake]]
# code = "by columns"
# stage = "forward"
# replace = "len(X)"
# by = "X.size"
# says = "It is divided by the number of entries."

# %% [markdown] tags=["task"]
# ### Exercise: the square

# %% tags=["exercise"] id="square"
def square(A):
    """Z = A * A and its back; A, Z any shape."""
    ### BEGIN SOLUTION
    Z = A * A
    ### END SOLUTION

    def back(dZ, dA):
        ### BEGIN SOLUTION
        dA += 2 * A * dZ
        ### END SOLUTION

    return Z, back


# %% tags=["check"]
def square_inputs(rng):
    yield (rng.normal(size=(4, 3)),)
    yield (rng.normal(size=(3, 3)),)


check_exercise(square, square_inputs, like=lambda A: A**2)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary> A slope. </details>
# <details><summary>Hint 2: the formula</summary> $2a$ </details>
# <details><summary>Hint 3: the first line</summary> A product. </details>

# %% [raw] tags=["question"]
# gradients = ["dA"]
# points = {signature = 1, shapes = 1, forward = 2, dA = 4}
# [[mistake]]
# code = "factor"
# stage = "dA"
# replace = "2 * A * dZ"
# by = "A * dZ"
# says = "The slope of a * a is not a."
# [[mistake]]
# code = "chain"
# stage = "dA"
# replace = "2 * A * dZ"
# by = "2 * A"
# says = "dA does not depend on dZ."

# %% [markdown]
# ## What was learned
#
# - means
#
# ## What broke when it was left out
#
# - nothing
'''
