"""Two small lectures, for tests of what is built from lectures."""

SOFTMAX = r'''# %% [markdown]
# # 1. Softmax
#
# **How do numbers become probabilities?**
#
# The activations $a_1, \dots, a_K$, all of them, cost \$5; as code they are `$a_1$`.

# %% tags=["setup"]
import numpy as np

from minigrad.lectures import Picture, check_exercise

# %% [markdown]
# ## The formula of $\sigma$
#
# $$\underset{N\times K}{Y} = \begin{aligned} e^{A_*} \\ /\, s_* \end{aligned}$$
#
# | distance | $\|x - y\|$ |
# |---|---|
# | posterior | $p(C_k|x)$ |
#
# > **On the slide:** the sum is missing,
# > $$
# > y_k = \frac{e^{a_k}}{\sum_j e^{a_j}}
# > $$

# %% tags=["figure"]
from minigrad.stepper.figures import figure

page, (ax,) = figure(4, 2)
ax.plot([-1, 1], [0, 1])
Picture(page, "A line that rises from 0 to 1.")

# %% [markdown] tags=["task"]
# ### Exercise: softmax
#
# Write the softmax of the rows of `A`.

# %% tags=["exercise"] id="softmax"
def softmax(A):
    """The probabilities of A, row by row; A, Y (N, K)."""
    ### BEGIN SOLUTION
    E = np.exp(A - A.max(axis=1, keepdims=True))
    Y = E / E.sum(axis=1, keepdims=True)
    ### END SOLUTION
    return Y


# %% tags=["check"]
def softmax_inputs(rng):
    yield (rng.normal(size=(4, 3)),)
    yield (1000 * rng.normal(size=(3, 3)),)


sums = lambda Y, A: "" if np.allclose(Y.sum(1), 1) else "its rows do not add up to 1, each of them"
check_exercise(softmax, softmax_inputs, holds=sums)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Keep $e^{a_k}$ small.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $e^{a_k - m}$
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# `E = np.exp(...)`
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 3}

# %%
print(softmax(np.zeros((1, 3))).round(3), "<b> & so on,", "and on" * 40)

# %% [markdown]
# ## What was learned
#
# A row sums to one.
'''

ENTROPY = r"""# %% [markdown]
# # 2. Cross-entropy
#
# **How wrong is a probability?**

# %% [markdown]
# ## The loss $L$
#
# $$L = -\ln y_k$$

# %%
import math

print(f"{-math.log(0.5):.3f}")


class Inside:
    def _repr_html_(self):
        return '<iframe srcdoc="&lt;p&gt;One &amp;lt; two&lt;/p&gt;" title="Steps"></iframe>'


Inside()

# %% [markdown]
# ## What was learned
#
# Half is 0.693.
"""


def write_course(folder):
    """The folder, with the sources in it."""
    folder.mkdir(exist_ok=True)
    (folder / "01_softmax.py").write_text(SOFTMAX, "utf-8")
    (folder / "02_cross_entropy.py").write_text(ENTROPY, "utf-8")
    return folder
