# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 2. Computing the gradient
#
# **How does one pass backward find the derivative of the loss by every weight, and how do you know
# that it is right?**
#
# In lecture 1 we borrowed the derivatives of a two-layer network. Here you write them by hand: nine
# statements forward, ten backward. Before that you write the tool that judges them, because wrong
# derivatives look very much like right ones. You need lecture 1 and the chain rule for functions of
# one variable.

# %% tags=["setup"]
from functools import partial

import numpy as np

import minigrad
from minigrad import affine, check, decay, entropy, grad, relu
from minigrad.lectures import Picture, check_exercise, requires
from minigrad.stepper.figures import BLUE, GREEN, GREY, INK, ORANGE, RED, figure

requires("0.1")

# %% [markdown]
# ## A derivative is a slope
#
# How fast does $f$ change at $x$? Go a small way $h$ to both sides, and take the slope between:
#
# $$f'(x) \approx \frac{f(x+h) - f(x-h)}{2h}$$
#
# This is a *central difference*. Going to one side only is simpler and much less exact. The cell
# takes both for the sine at 1, with an $h$ large enough to see.

# %% tags=["figure"]
x, h = 1.0, 0.6
central = (np.sin(x + h) - np.sin(x - h)) / (2 * h)
one_sided = (np.sin(x + h) - np.sin(x)) / h
u = np.linspace(0, 2, 200)

page, (ax,) = figure(5.5, 3)
ax.plot(u, np.sin(u), color=INK, lw=2)
tangents = {
    "tangent": (np.cos(x), x, GREY, "-"),
    "central": (central, x - h, BLUE, "-"),
    "one-sided": (one_sided, x, ORANGE, "--"),
}
for name, (slope, through, color, style) in tangents.items():
    ax.plot(u, np.sin(through) + slope * (u - through), color=color, ls=style, lw=1.5, label=name)
    print(f"{name:9}  slope {slope:.3f}")
ax.plot([x - h, x, x + h], np.sin([x - h, x, x + h]), "o", color=INK)
ax.set(xlabel="$x$", ylim=(0, 1.35), xticks=[x - h, x, x + h])
ax.set_xticklabels(["$x-h$", "$x$", "$x+h$"])
ax.legend(frameon=False, fontsize=9, loc="lower right")
assert abs(central - np.cos(x)) < abs(one_sided - np.cos(x)) / 5
Picture(page, "The central secant is nearly parallel to the tangent; the one-sided one is not.")

# %% [markdown]
# A loss depends on many numbers. Its derivative by an array `W` is an array of the same shape,
# which we call `dW` from now on: entry by entry, how fast the final number $L$ changes with that
# entry.
#
# $$\text{shape of } dW = \text{shape of } W, \qquad dW_{ij} = \frac{\partial L}{\partial W_{ij}}$$

# %% [markdown] tags=["task"]
# ### Exercise: the gradient by differences
#
# Write `numeric_gradient(x, h, f)`: `x` is an array of any shape, and `f(x)` a number (by default
# the variance of all entries). Return the array of central differences, of the shape of `x`. Vary
# one entry at a time. Leave `x` as it was: adding `h` and subtracting it again rounds, so put the
# old number itself back.


# %% tags=["exercise"] id="numeric_gradient"
def numeric_gradient(x, h, f=np.var):
    """dx, as x: the derivative of the number f(x), by differences."""
    dx = np.zeros_like(x)
    for i in np.ndindex(x.shape):  # i = (0, 0), (0, 1), ... of a matrix
        ### BEGIN SOLUTION
        kept = x[i]
        x[i] = kept + h
        above = f(x)
        x[i] = kept - h
        below = f(x)
        x[i] = kept
        dx[i] = (above - below) / (2 * h)
        ### END SOLUTION
    return dx


# %% tags=["check"]
def numeric_gradient_inputs(rng):
    yield rng.normal(size=(3, 4)), 0.1
    yield rng.normal(size=(5,)), 0.01


check_exercise(
    numeric_gradient, numeric_gradient_inputs, like=lambda x, h: 2 * (x - x.mean()) / x.size
)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Keep the old entry in a variable. Write the raised one into `x` and call `f`; write the lowered
# one and call `f`; put the old one back.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $dx_i = \big(f(x + h e_i) - f(x - h e_i)\big) / 2h$, where $e_i$ is 1 at entry $i$ and 0
# elsewhere.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# The first line gives a name to the old value of `x[i]`.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 7}
# hint = "After each turn of the loop x must be what it was."
# [[mistake]]
# code = "half the distance"
# stage = "forward"
# replace = "/ (2 * h)"
# by = "/ h"
# says = "Twice too large: from x - h to x + h it is 2 h, not h."
# [[mistake]]
# code = "one side only"
# stage = "forward"
# replace = ["x[i] = kept - h", "/ (2 * h)"]
# by = ["x[i] = kept", "/ h"]
# says = "This is a one-sided difference. It is less exact: go to both sides of x."
# [[mistake]]
# code = "entry not put back"
# stage = "forward"
# replace = "        x[i] = kept\n"
# by = ""
# says = "The entry is not put back, so the next differences are taken at another x."

# %% [markdown]
# The check compares with the derivative of the variance, $2(x_i - \bar x)/n$ for $n$ entries of
# mean $\bar x$. It may ask for nine digits although $h$
# is large: for a quadratic function a central difference is exact, and a one-sided one is not.

# %% [markdown]
# ## How small is h?
#
# A smaller $h$ makes the formula better and the arithmetic worse: $f(x+h)$ and $f(x-h)$ agree in
# more and more leading digits, which cancel, and the rounding errors that remain are divided by
# $h$. Let us see it on the network of lecture 1, with $N = 8$, $D = 2$, $H = 5$, $K = 3$. (For the
# exact derivative we borrow `grad` once more.)

# %%
rng = np.random.default_rng(0)
X, T = rng.normal(size=(8, 2)), np.eye(3)[rng.integers(3, size=8)]
W1, b1, W2, b2 = [rng.normal(size=s) for s in ((2, 5), (5,), (5, 3), (3,))]


def loss_of_W1(V):
    as_V = [array.astype(V.dtype) for array in (X, b1, W2, b2)]
    Z = relu(affine(as_V[0], (V, as_V[1])))
    return entropy(affine(Z, tuple(as_V[2:])), T)


def error(dV, right):
    """The largest difference of two arrays, relative to their largest entries."""
    return np.abs(dV - right).max() / (np.abs(dV).max() + np.abs(right).max())


exact = grad(loss_of_W1)(W1)
steps = 10.0 ** np.arange(-12, 0)
errors = {}
for dtype in (np.float64, np.float32):
    V = W1.astype(dtype)
    all_in_dtype = lambda V, dtype=dtype: loss_of_W1(V.astype(dtype))
    found = [numeric_gradient(V, dtype(h), all_in_dtype) for h in steps]
    errors[f"{dtype.__name__}, central"] = [error(dV, exact) for dV in found]

# %%
units = np.eye(W1.size).reshape(-1, *W1.shape)  # 1 in one entry each
L0, one_sided = loss_of_W1(W1), []
for h in steps:
    dV = [(loss_of_W1(W1 + h * e) - L0) / h for e in units]
    one_sided.append(error(np.reshape(dV, W1.shape), exact))
errors["float64, one-sided"] = one_sided
for name, values in errors.items():
    best = int(np.argmin(values))
    print(f"{name:18}  best h = {steps[best]:.0e}, error {values[best]:.0e}")
fine, coarse = (min(errors[f"float{bits}, central"]) for bits in (64, 32))
assert fine < 1e-9 and 1e-6 < coarse > 1e4 * fine
for name, gain in (("float64, central", 100), ("float64, one-sided", 10)):
    at_3, at_2 = errors[name][-3:-1]  # h = 1e-3 and 1e-2
    assert gain / 2 < at_2 / at_3 < 2 * gain

# %% tags=["figure"]
page, (ax,) = figure(6, 3.4)
for (name, values), look in zip(errors.items(), ((BLUE, "-"), (RED, "-"), (ORANGE, "--"))):
    color, style = look
    ax.loglog(steps, values, style, color=color, marker="o", ms=4, lw=2, label=name)
ax.set(xlabel="$h$", ylabel="error of the gradient")
ax.annotate("rounding", (1.5e-12, 5e-7), fontsize=9, color=INK)
ax.annotate("curvature", (1.5e-3, 1e-9), fontsize=9, color=INK)
ax.legend(frameon=False, fontsize=9, loc="lower left")
Picture(page, "Error against h: a V for each, lowest for central differences in float64 near 1e-5.")

# %% [markdown]
# Read the V from right to left: at first the error falls, a hundred times for every ten times in
# $h$ with central differences, only ten times with one-sided ones. Then rounding takes over and it
# rises. In float64 with $h = 10^{-5}$ about ten digits are right. In float32 at most five are, and
# only with a large $h$; a small one is lost altogether, as $x + h$ rounds to $x$. **A gradient
# check works in float64.** What follows uses $h = 10^{-5}$.
#
# Could we train with differences? Each entry costs two forward passes.

# %%
entries = sum(V.size for V in (W1, b1, W2, b2))
print(f"this network: {entries} parameters, {2 * entries} forward passes a step")
print(f"a network of 1000000 parameters: {2 * 1000000} forward passes a step")

# %% [markdown]
# ## The chain rule
#
# A program computes $x \to x_1 \to x_2 \to \dots \to L$, one step after the other. If $f$ is
# differentiable at $x$ and $g$ at $y = f(x)$, then
#
# $$D(g\circ f)(x) = Dg(y)\cdot Df(x).$$
#
# $Df(x)$ is a matrix: row $i$, column $j$ says how output $i$ changes with input $j$. The last step
# ends in a single number, so its matrix is a *row*. From there we go backward. Let $dx_2$ be the
# derivative of $L$ by $x_2$, as a row. Then, as on the slide,
#
# $$\frac{\partial L}{\partial x_1} = \frac{\partial L}{\partial x_2}\cdot\frac{\partial x_2}{\partial x_1}, \qquad
# \underset{1\times n_1}{dx_1} = \underset{1\times n_2}{dx_2}\;\underset{n_2\times n_1}{Df(x_1)}.$$
#
# A row is pulled back through one step after the other. Why backward? The product of the matrices
# is the same from either end. But from the loss's end it is a row times a matrix, always.

# %%
n = 60
J1, J2, J3 = rng.normal(size=(3, n, n))  # three steps of n numbers each
last = rng.normal(size=(1, n))  # the step to L

from_the_loss = ((last @ J3) @ J2) @ J1
from_the_input = last @ (J3 @ (J2 @ J1))
assert np.allclose(from_the_loss, from_the_input)
print(f"from the loss:  {3 * n**2:7} multiplications")
print(f"from the input: {2 * n**3 + n**2:7} multiplications, for the same row")

# %% [markdown]
# And nobody writes these matrices down. For each step we only need a function that takes the
# derivative of its *output* and returns those of its *inputs*. We write one for each step of the
# network. `dZ` has the shape of `Z`, whatever that shape is.
#
# ## relu backward
#
# $Z = \max(0, A)$, entry by entry. Where $a > 0$ the output moves as the input does; elsewhere it
# does not move. The matrix of this step would be diagonal, with ones and zeros.

# %% [markdown] tags=["task"]
# ### Exercise: relu backward
#
# Write `relu_back(dZ, A)`: `A` is the input of the relu and `dZ` the derivative of $L$ by its
# output, of the same shape. Return `dA`. Where an entry of `A` is exactly 0, return 0 there.


# %% tags=["exercise"] id="relu_back"
def relu_back(dZ, A):
    """dA of Z = max(0, A), from dZ; all of one shape."""
    ### BEGIN SOLUTION
    dA = np.where(A > 0, dZ, 0)
    ### END SOLUTION
    return dA


# %% tags=["check"]
def relu_back_inputs(rng):
    yield rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    yield rng.normal(size=(3, 3)), rng.normal(size=(3, 3)) * (np.eye(3) == 0)


def relu_pulled(dZ, A):
    return grad(lambda A: minigrad.sum(relu(A) * dZ))(A)


check_exercise(relu_back, relu_back_inputs, like=relu_pulled)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Let `dZ` through where the input was positive, and put 0 elsewhere.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $da = dz \cdot [a > 0]$, where the bracket is 1 if true and 0 if not.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# `A > 0` is an array of truth values. `np.where` takes it as its first argument.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 6}
# [[mistake]]
# code = "mask of the derivative"
# stage = "forward"
# replace = "A > 0"
# by = "dZ > 0"
# says = "The mask looks at dZ. Negative derivatives must pass too: look at the input A."
# [[mistake]]
# code = "mask missing"
# stage = "forward"
# replace = "np.where(A > 0, dZ, 0)"
# by = "dZ.copy()"
# says = "Everything passes. Where A is not positive, the output does not move, and dA is 0."
# [[mistake]]
# code = "0 lets through"
# stage = "forward"
# replace = "A > 0"
# by = "A >= 0"
# says = "At 0 the derivative is 0 by agreement, as on the slide: Z > 0, not Z >= 0."

# %% [markdown]
# ## At a kink
#
# At 0 the relu has no derivative: its slope is 0 on the left and 1 on the right. We agree on 0. A
# difference knows nothing of this. If $x$ is closer to 0 than $h$, it looks across the kink and
# sees a part of both slopes.

# %% tags=["figure"]
h = 0.5
u = np.linspace(-1.5, 1.5, 301)
seen = (np.maximum(0, u + h) - np.maximum(0, u - h)) / (2 * h)

page, (ax,) = figure(5.5, 2.8)
ax.axvspan(-h, h, color=GREY, alpha=0.15, lw=0)
ax.plot(u, u > 0, color=BLUE, lw=2, label="derivative, 0 at 0")
ax.plot(u, seen, color=ORANGE, ls="--", lw=2, label="central difference, $h = 0.5$")
ax.set(xlabel="$x$", ylabel="slope of relu")
ax.legend(frameon=False, fontsize=9, loc="upper left")
middle = seen[len(u) // 2]
assert np.isclose(middle, 0.5)
print(f"central difference of relu at 0: {middle:.2f}; at h / 2: {np.interp(h / 2, u, seen):.2f}")
Picture(
    page, "Within h of 0 the central difference rises evenly from 0 to 1; the derivative jumps."
)

# %% [markdown]
# So a check that meets a kink may call a right derivative wrong. With random numbers and
# $h = 10^{-5}$ this is rare. If it happens, look at the input, not at the formula.
#
# ## affine backward
#
# $$\underset{N\times K}{A} = \underset{N\times D}{X}\;\underset{D\times K}{W} + \underset{K}{b}, \qquad
# a_{nk} = \sum_d x_{nd} w_{dk} + b_k$$
#
# Three inputs, so three derivatives. Ask of each number which outputs it moves: $w_{dk}$ moves
# $a_{nk}$ for every sample $n$, by $x_{nd}$. And $b_k$ moves $a_{nk}$ for every $n$, by 1. And
# $x_{nd}$ moves $a_{nk}$ for every class $k$, by $w_{dk}$. All that it moves counts:
#
# $$dw_{dk} = \sum_n x_{nd}\,da_{nk}, \qquad db_k = \sum_n da_{nk}, \qquad
# dx_{nd} = \sum_k da_{nk}\,w_{dk}$$

# %% [markdown] tags=["task"]
# ### Exercise: affine backward
#
# Write `affine_back(dA, X, W)`, with `dA` (N, K), `X` (N, D), `W` (D, K). Return the tuple `dX`,
# `dW`, `db`, of shapes (N, D), (D, K), (K,). Turn two of the sums into matrix products; the shapes
# tell you what to transpose. `dX` is what goes on to the layer below.


# %% tags=["exercise"] id="affine_back"
def affine_back(dA, X, W):
    """dX, dW and db of A = X W + b, from dA."""
    ### BEGIN SOLUTION
    dW = X.T @ dA
    db = np.sum(dA, axis=0)
    dX = dA @ W.T
    ### END SOLUTION
    return dX, dW, db


# %% tags=["check"]
def affine_back_inputs(rng):
    for n, d, k in ((5, 4, 3), (3, 3, 3)):
        yield rng.normal(size=(n, k)), rng.normal(size=(n, d)), rng.normal(size=(d, k))


def affine_pulled(dA, X, W):
    moved = lambda X, W, b: minigrad.sum(affine(X, (W, b)) * dA)
    return grad(moved, wrt=(0, 1, 2))(X, W, np.zeros(W.shape[1]))


check_exercise(affine_back, affine_back_inputs, like=affine_pulled)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# In a matrix product the inner index is summed. Which index does each sum run over, and where must
# it stand for that?
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $dW = X^\top dA$, $dX = dA\,W^\top$, and $db$ is the sum of the rows of $dA$.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# `dW` is the product of `X`, transposed, and `dA`: (D, N) times (N, K).
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 8}
# hint = "Write down the shape of each factor."
# [[mistake]]
# code = "dX missing"
# stage = "forward"
# replace = "dA @ W.T"
# by = "np.zeros_like(X)"
# says = "dX is 0. The layer below learns from nothing else: carry dA back through W."
# [[mistake]]
# code = "dW transposed"
# stage = "shapes"
# replace = "X.T @ dA"
# by = "dA.T @ X"
# says = "This dW is transposed. It has the shape of W, (D, K)."
# [[mistake]]
# code = "mean for the bias"
# stage = "forward"
# replace = "np.sum(dA, axis=0)"
# by = "np.mean(dA, axis=0)"
# says = "db is a mean. The bias moves the score of every sample, so it adds up what all of them get."
# [[mistake]]
# code = "no sum over samples"
# stage = "shapes"
# replace = "np.sum(dA, axis=0)"
# by = "dA.copy()"
# says = "db has a row for each sample. There is one bias vector for all of them: sum over the samples."
# [[mistake]]
# code = "W not transposed"
# stage = "forward"
# replace = "dA @ W.T"
# by = "dA @ np.resize(W, W.T.shape)"
# says = "The numbers of W are in the wrong places. To transpose is W.T, not another shape."

# %% [markdown]
# ## Softmax and cross-entropy together
#
# For one sample of class $c$, lecture 1 gave $-\ln y_c = \ln\sum_j e^{a_j} - a_c$. Its derivative
# by $a_k$ is
#
# $$\frac{e^{a_k}}{\sum_j e^{a_j}} - t_k = y_k - t_k.$$
#
# With the mean over the samples, and $dD$ for the derivative of $L$ by this mean $D$,
# $dA = dD\,(Y - T)/N$, which is $N\times K$. Your differences agree (where $L = D$, so $dD = 1$):

# %%
A = rng.normal(size=(8, 3))
numeric = numeric_gradient(A, 1e-5, lambda A: entropy(A, T))
analytic = (minigrad.softmax(A) - T) / len(A)
assert error(numeric, analytic) < 1e-8
print(f"error of (Y - T) / N: {error(numeric, analytic):.0e}")

# %% [markdown]
# ## Three more
#
# Each is one line, and each has a corner case. The **sum** of the entries of $x$: every entry moves
# it as much. The **maximum**: only the largest entry moves it. The **norm** $r = \|x\|$, with
# $r^2 = \sum_i x_i^2$: differentiate both sides, $2r\,dr = \sum_i 2x_i\,dx_i$. At $x = 0$ the norm
# has a kink. As with relu, we agree on 0.

# %% [markdown] tags=["task"]
# ### Exercise: sum, maximum, norm
#
# Write `slopes(x)` for a vector `x` (n,): return the tuple of the derivatives of its sum, its
# maximum and its norm, each (n,). The largest entry is unique. The norm may be 0.


# %% tags=["exercise"] id="slopes"
def slopes(x):
    """The derivatives of sum, maximum and norm of x; each (n,)."""
    ### BEGIN SOLUTION
    of_sum = np.ones_like(x)
    of_max = np.zeros_like(x)
    of_max[x.argmax()] = 1
    r = np.sqrt(np.sum(x**2))
    of_norm = x / r if r > 0 else np.zeros_like(x)
    ### END SOLUTION
    return of_sum, of_max, of_norm


# %% tags=["check"]
def slopes_inputs(rng):
    yield (rng.normal(size=5),)
    yield (rng.normal(size=3) - 4,)
    yield (np.zeros(1),)


def slopes_pulled(x):
    norm = np.linalg.norm  # at 0 its central difference is 0, as agreed
    of_norm = [(norm(x + e) - norm(x - e)) / 2e-5 for e in 1e-5 * np.eye(len(x))]
    return grad(minigrad.sum)(x), grad(minigrad.max)(x), np.array(of_norm)


check_exercise(slopes, slopes_inputs, like=slopes_pulled, tolerance=1e-6)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# The first is 1 everywhere, the second 1 in one place. The third points along $x$ and has length 1.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $\partial r/\partial x_i = x_i / r$ for $r > 0$. The largest entry is at `x.argmax()`.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# Make `of_sum` with the function of NumPy that gives ones in the shape of another array.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 7}
# [[mistake]]
# code = "0 / 0 in the norm"
# stage = "forward"
# replace = "x / r if r > 0 else np.zeros_like(x)"
# by = "x / r"
# says = "At x = 0 this is 0 / 0. Return 0 there, and divide elsewhere only."
# [[mistake]]
# code = "norm not divided"
# stage = "forward"
# replace = "x / r if r > 0 else np.zeros_like(x)"
# by = "2 * x"
# says = "This is the derivative of the squared norm. For the norm itself divide by 2 r."
# [[mistake]]
# code = "value for slope"
# stage = "forward"
# replace = "of_max[x.argmax()] = 1"
# by = "of_max[x.argmax()] = x.max()"
# says = "This puts the maximum itself there. If the largest entry grows by h, so does the maximum: slope 1."
# [[mistake]]
# code = "largest size"
# stage = "forward"
# replace = "x.argmax()"
# by = "np.abs(x).argmax()"
# says = "This takes the entry of the largest size, and negative ones too. The maximum has a sign."

# %% [markdown]
# ## A variable used twice
#
# The loss of lecture 1 is $L = D + R$, and $W_2$ enters both: the scores, and the price of the
# weights. If $w$ moves, both change, and $L$ changes by the sum. **A variable that is used twice
# gets two contributions, and they add up.** The smallest example is $x\cdot x$, where $x$ is used
# twice:

# %%
x = np.array([3.0])
first, second = x, x  # d(uv) = v du + u dv, with u = v = x
numeric = numeric_gradient(x, 1e-5, lambda x: (x * x).item())
assert np.allclose(numeric, first + second)
print(f"first use {first[0]}, second use {second[0]}; together {(first + second)[0]}")
print(f"by differences: {numeric[0]:.6f}")

# %% [markdown]
# ## The whole program
#
# All is ready. First the slide's nine statements forward. (Its `dot(X, W)`, `sum0(A)` and `sum1(A)`
# are `X @ W`, `A.sum(axis=0)` and `A.sum(axis=1)` in NumPy.)


# %%
def forward(X, T, W1, b1, W2, b2, rate):
    """The loss L, and what backward needs again."""
    A1 = X @ W1 + b1  # (N, H)
    Z = np.maximum(0, A1)  # (N, H)
    A2 = Z @ W2 + b2  # (N, K)
    E = np.exp(A2 - A2.max(axis=1, keepdims=True))  # (N, K)
    Y = E / E.sum(axis=1, keepdims=True)  # (N, K)
    C = -(T * np.log(Y)).sum(axis=1)  # (N,)
    D = C.sum(axis=0) / len(X)  # ()
    R = rate / 2 * ((W1**2).sum() + (W2**2).sum())  # ()
    L = D + R  # ()
    return L, (X, T, Z, Y, W1, W2, rate)


# %% [markdown]
# > **On the slide:** `E = exp(A2)`. As you know from lecture 1, this overflows. The largest score
# > of each row is subtracted here; $Y$ does not change, so nothing changes in the backward
# > statements.
#
# Then ten statements backward, in reverse order. Each carries a derivative from the output of a
# statement to its inputs.


# %%
def backward(dL, saved):
    """The derivatives by all inputs, from that of L, which is 1; None for the data."""
    X, T, Z, Y, W1, W2, rate = saved
    dD, dR = dL, dL
    dW1 = dR * rate * W1
    dW2 = dR * rate * W2
    dA2 = dD * (Y - T) / len(X)
    dW2 += Z.T @ dA2
    db2 = dA2.sum(axis=0)
    dZ = dA2 @ W2.T
    dA1 = dZ * (Z > 0)
    dW1 += X.T @ dA1
    db1 = dA1.sum(axis=0)
    return None, None, dW1, db1, dW2, db2


rate = 0.1
L, saved = forward(X, T, W1, b1, W2, b2, rate)
_, _, dW1, db1, dW2, db2 = backward(1.0, saved)
print(f"L = {L:.4f}, dW1 {dW1.shape}, db1 {db1.shape}, ...")

# %% [markdown]
# Follow it in a figure made of cards like this one: a value, framed blue, and its derivative,
# framed orange, of the same shape. Red is positive, blue negative, white 0.

# %% tags=["figure"]
SIDE = 0.19  # of an entry


def card(ax, name, value, derivative, x, y):
    rows, columns = np.atleast_2d(value).shape
    maps = [(value, BLUE)] if derivative is None else [(value, BLUE), (derivative, ORANGE)]
    left, high = x - len(maps) * (SIDE * columns + 0.12) / 2 + 0.06, SIDE * rows / 2
    for array, edge in maps:
        box = (left, left + SIDE * columns, y - high, y + high)
        top = np.abs(array).max()
        ax.imshow(np.atleast_2d(array), cmap="RdBu_r", vmin=-top, vmax=top, extent=box, zorder=3)
        ax.plot(*np.array(box)[[[0, 1, 1, 0, 0], [2, 2, 3, 3, 2]]], color=edge, lw=1.5, zorder=4)
        left += SIDE * columns + 0.12
    label = name if derivative is None else f"{name}   d{name}"
    ax.text(x, y + high + 0.04, label, fontsize=9, ha="center", va="bottom")


page, (ax,) = figure(2.2, 1)
card(ax, "W1", W1, dW1, 0, 0)
ax.set(xlim=(-1.2, 1.2), ylim=(-0.25, 0.5), aspect="equal")
ax.set_axis_off()
Picture(
    page, "Two heat maps of 2 by 5 entries side by side: W1, framed blue, and dW1, framed orange."
)

# %% [markdown]
# Now all of them, with the derivatives computed once more, by your functions.

# %%
_, _, Z, Y, *_ = saved
A1, A2, R = X @ W1 + b1, Z @ W2 + b2, decay((W1, W2), rate)
dA2 = (Y - T) / len(X)
dZ, scores_W2, _ = affine_back(dA2, Z, W2)
dA1 = relu_back(dZ, A1)
_, scores_W1, _ = affine_back(dA1, X, W1)
assert np.allclose(dW1, scores_W1 + rate * W1)
assert np.allclose(dW2, scores_W2 + rate * W2)

cards = {  # value, derivative, place
    "X": (X, None, 0.9, 9.1),
    "W1": (W1, dW1, 6.5, 9.3),
    "b1": (b1, db1, 2.9, 9.3),
    "A1": (A1, dA1, 2.1, 7.0),
    "Z": (Z, dZ, 2.1, 4.9),
    "W2": (W2, dW2, 5.2, 5.0),
    "b2": (b2, db2, 3.8, 5.0),
    "A2": (A2, dA2, 2.9, 2.6),
    "T": (T, None, 1.2, 2.6),
    "D": (L - R, 1.0, 2.9, 1.1),
    "R": (R, 1.0, 6.1, 1.1),
    "L": (L, 1.0, 4.4, 0.2),
}

# %% [markdown]
# Values are computed downward, along the blue arrows. Derivatives run upward, along the dashed
# ones. Where two dashed arrows arrive, at `W1` and `W2`, two contributions are added. See how `dZ`
# loses entries on its way to `dA1`: where `Z` is 0, nothing passes.


# %% tags=["figure"]
def edge(ax, start, end):
    (value, derivative, x, y), (target, _, u, v) = cards[start], cards[end]
    y -= SIDE * len(np.atleast_2d(value)) / 2 + 0.05
    v += SIDE * len(np.atleast_2d(target)) / 2 + 0.3
    lean = np.clip(u - x, -2.5, 2.5)
    x, u = x + 0.2 * lean, u - 0.3 * lean
    style = {"arrowstyle": "-|>", "lw": 1.3, "shrinkA": 0, "shrinkB": 0}
    down, up = style | {"color": BLUE}, style | {"color": ORANGE, "ls": "--"}
    ax.annotate("", (u - 0.09, v), (x - 0.09, y), arrowprops=down)
    if derivative is not None:
        ax.annotate("", (x + 0.09, y), (u + 0.09, v), arrowprops=up)


page, (ax,) = figure(5.5, 7.5)
for name, of_card in cards.items():
    card(ax, name, *of_card)
edges = "X A1, W1 A1, b1 A1, A1 Z, Z A2, W2 A2, b2 A2, A2 D, T D, W1 R, W2 R, D L, R L"
for pair in edges.split(", "):
    edge(ax, *pair.split())
ax.set(xlim=(0.5, 7.7), ylim=(0, 10.2), aspect="equal")
ax.set_axis_off()
Picture(page, "The program as a graph: values from X, W1, b1 down to L, their derivatives beside.")

# %% [markdown]
# > **On the slide:** the first contribution to `dW1` and `dW2` is written with `=`, the second with
# > `+=`. So the order of the lines matters: in the reverse order, `=` throws away what came first.
# > From lecture 3 on, every derivative begins at 0 and every contribution is added.

# %%
swapped = scores_W2  # the contribution of the scores
swapped = rate * W2  # then that of the decay, with = again
numeric = numeric_gradient(W2, 1e-5, lambda W2: forward(X, T, W1, b1, W2, b2, rate)[0])
assert error(dW2, numeric) < 1e-8 < 0.1 < error(swapped, numeric)
print(f"error of dW2 in the slide's order: {error(dW2, numeric):.0e}")
print(f"with the two lines swapped:        {error(swapped, numeric):.2f}")

# %% [markdown]
# ## Is it right?
#
# A gradient check compares every entry with its difference. `minigrad.check` does this, and more.
# Give it a pair of functions as above, *forward* that returns `L, saved`, and *backward* that takes
# `dL, saved` and returns a derivative for each array (`None` for those without). It
#
# - works in float64, and refuses float32;
# - varies one entry at a time, as you did, chooses $h$ by itself, and makes it smaller near a kink;
# - gives backward a random `dL` instead of 1, and expects the derivatives multiplied by it;
# - repeats this at other numbers and other shapes;
# - if something is wrong, tries the common mistakes until one of them explains all numbers.

# %%
check((forward, backward), X, T, W1, b1, W2, b2, rate)

# %% [markdown]
# Now with a mistake: the $1/N$ is left out.


# %%
def backward_N(dL, saved):
    X = saved[0]
    return backward(len(X) * dL, saved)


report = check((forward, backward_N), X, T, W1, b1, W2, b2, 0.0)  # without decay
assert report.cause == "N"
report

# %% [markdown]
# ## What a mistake looks like
#
# Each mistake has a signature: which parameters are wrong, and by how much. In the first function
# three well-known mistakes can be switched on. A fourth is in the *value* of the decay:
# $\lambda\sum w^2$ instead of $\frac\lambda2\sum w^2$, while the derivative stays $\lambda w$.


# %%
def gradients(bug, X, T, W1, b1, W2, b2, rate):
    """The derivatives by W1, b1, W2, b2, with a bug."""
    _, (_, _, Z, Y, *_) = forward(X, T, W1, b1, W2, b2, rate)
    dA2 = (Y - T) / (1 if bug == "1/N missing" else len(X))
    db2 = dA2.mean(axis=0) if bug == "db2 is a mean" else dA2.sum(axis=0)
    dA1 = dA2 @ W2.T * (True if bug == "relu mask missing" else Z > 0)
    return X.T @ dA1 + rate * W1, dA1.sum(axis=0), Z.T @ dA2 + rate * W2, db2


def errors_of(gradient, rate, rate_of_value=None):
    """The errors of a gradient by W1, b1, W2, b2."""
    U, errors = [W1, b1, W2, b2], []
    for i, dV in enumerate(gradient(X, T, *U, rate)):
        value = lambda V, i=i: forward(X, T, *U[:i], V, *U[i + 1 :], rate_of_value or rate)[0]
        errors.append(error(dV, numeric_gradient(U[i], 1e-5, value)))
    return errors


# %%
cases = {
    "none": ("none", 0.1),
    "decay doubled, rate 0.0001": ("none", 1e-4, 2e-4),  # in the value
    "decay doubled, rate 0.1": ("none", 0.1, 0.2),
    "1/N missing": ("1/N missing", 1e-4),
    "relu mask missing": ("relu mask missing", 0.1),
    "db2 is a mean": ("db2 is a mean", 0.1),
}
rows = [errors_of(partial(gradients, bug), *rates) for bug, *rates in cases.values()]
table = np.array(rows)  # (6, 4)
for name, row in zip(cases, table):
    print(f"{name:27}", *(f"{e:7.0e}" for e in row))

none, small, large, N_missing, mask, mean = table
assert none.max() < 1e-7
assert large[[0, 2]].min() > 0.1 and large[[1, 3]].max() < 1e-7  # weights only
assert small.max() < 1e-3  # it scales with lambda, and hides
assert np.allclose(N_missing, 7 / 9, atol=0.01)  # (N - 1) / (N + 1) with N = 8
assert mask[:2].min() > 0.1 and mask[2:].max() < 1e-7  # all that lies before the relu
assert mean[:3].max() < 1e-7 and np.isclose(mean[3], 7 / 9)  # one bias

# %% tags=["figure"]
page, (ax,) = figure(6.8, 3.2)
ax.imshow(np.log10(table), cmap="Reds", vmin=-6, vmax=1.5, aspect="auto")
for (row, column), entry in np.ndenumerate(table):
    text = f"{entry:.2g}" if entry > 1e-7 else "right"
    color = "white" if entry > 0.1 else INK
    ax.text(column, row, text, ha="center", va="center", fontsize=10, color=color)
ax.set_xticks(range(4), ["$W_1$", "$b_1$", "$W_2$", "$b_2$"])
ax.set_yticks(range(len(cases)), list(cases))
ax.xaxis.tick_top()
ax.spines[:].set_visible(False)
ax.tick_params(length=0)
Picture(page, "Errors of the four derivatives for six programs: each mistake marks other columns.")

# %% [markdown]
# How to read it, row by row:
#
# | mistake | signature |
# |---|---|
# | none | all errors below $10^{-7}$ |
# | decay doubled | the weights and not the biases; the error grows with $\lambda$ |
# | $1/N$ missing | everything, by the factor $N$: $(N-1)/(N+1)$ in this measure of error |
# | relu mask missing | everything that lies before the relu |
# | `db2` is a mean | one bias alone |
#
# ## Value and derivative that disagree
#
# Look at the second row again. With a small decay, $\lambda = 10^{-4}$, the error is so small that
# a generous tolerance of $10^{-3}$ would let it pass. This mistake is found in real course
# material: the text has $\frac\lambda2\sum w^2$, the program has $\lambda\sum w^2$, and both have
# the derivative $\lambda w$. The remedy: **check the small parts alone.** The part is wrong by a
# factor, whatever $\lambda$ is.


# %%
def price(W, rate):
    return rate * (W**2).sum(), (W, rate)  # should be rate / 2


def price_back(dR, saved):
    W, rate = saved
    return dR * rate * W


report = check((price, price_back), W1, 1e-4)
assert not report and report.cause == "factor"
report

# %% [markdown]
# ## A falling loss proves nothing
#
# Why so much care? Would a wrong gradient not show in training? Here are the spiral of lecture 1
# and 16 features, trained with the right gradient and with three wrong ones.


# %%
def spiral(n, classes, rng):
    t = np.repeat(np.arange(classes), n)
    radius = np.tile(np.linspace(0.1, 1, n), classes)
    angle = 4.5 * radius + 2 * np.pi * t / classes + 0.15 * rng.normal(size=len(t))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), np.eye(classes)[t]


def train(gradient, steps=600, epsilon=1.0, rate=1e-3):
    """The losses and the accuracy of 16 features, trained with a gradient."""
    rng, (X, T) = np.random.default_rng(1), spiral(100, 3, np.random.default_rng(0))
    U = [rng.normal(size=(2, 16)), np.zeros(16), rng.normal(size=(16, 3)) / 4, np.zeros(3)]
    losses = []
    for _ in range(steps):
        L, (_, _, _, Y, *_) = forward(X, T, *U, rate)
        losses.append(L)
        for w, dw in zip(U, gradient(X, T, *U, rate)):
            w -= epsilon * dw
    return losses, (Y.argmax(axis=1) == T.argmax(axis=1)).mean()


def decay_halved(*args):
    return gradients("none", *args[:-1], args[-1] / 2)


# %% tags=["figure"]
runs = {
    "no mistake": (train(partial(gradients, "none")), INK, "-"),
    "decay halved": (train(decay_halved), BLUE, "--"),
    "db2 is a mean": (train(partial(gradients, "db2 is a mean")), GREEN, "-."),
    "relu mask missing": (train(partial(gradients, "relu mask missing")), RED, "-"),
}
page, (ax,) = figure(6, 3.2)
for name, ((losses, right), color, style) in runs.items():
    ax.plot(losses, color=color, ls=style, lw=1.8, label=f"{name}: {right:.0%} right")
    print(f"{name:18} loss {losses[0]:.3f} -> {losses[-1]:.3f}, accuracy {right:.1%}")
    assert losses[-1] < losses[0]
ax.set(xlabel="step", ylabel="loss", ylim=(0, None))
ax.legend(frameon=False, fontsize=9, loc="upper right", bbox_to_anchor=(1, 0.95))
rights = [right for (_, right), *_ in runs.values()]
assert min(rights[:3]) > 0.97 and rights[3] < 0.6
Picture(
    page, "Four falling losses; two of the wrong gradients are as good as the right one to the eye."
)

# %% [markdown]
# All four losses fall. Two of the wrong gradients even reach the right side for nearly all points.
# Without the mask the network learns, too, but no more than a linear one. Nobody would know from
# the curve alone that a better one was possible.

# %% [markdown]
# ## Find three mistakes
#
# This backward program was handed in. It runs, all shapes are right, and three things are wrong.


# %%
def handed_in(X, T, W1, b1, W2, b2, rate):
    Z = np.maximum(0, X @ W1 + b1)
    E = np.exp(Z @ W2 + b2)
    Y = E / E.sum(axis=1, keepdims=True)
    dA2 = (Y - T) / len(X)
    dW2, db2 = rate * W2, dA2.mean(axis=0)
    dW2 = Z.T @ dA2
    dZ = dA2 @ W2.T
    dA1 = dZ * (dZ > 0)
    dW1, db1 = X.T @ dA1 + rate * W1, dA1.sum(axis=0)
    return dW1, db1, dW2, db2


print("errors        W1       b1       W2       b2")
for lam in (0.1, 0.0):
    print(f"rate {lam:3}", *(f"{e:8.0e}" for e in errors_of(handed_in, lam)))

# %% [markdown]
# All four are wrong with decay; without decay `W2` is right. What does that tell about `W2`? And
# `check` of the one statement after the relu, alone:


# %%
def rectifier(A):
    return np.maximum(0, A), A


def rectifier_back(dZ, A):
    return dZ * (dZ > 0)


report = check((rectifier, rectifier_back), rng.normal(size=(4, 3)))
assert report.cause == "wrong mask"
report

# %% [markdown] tags=["task"]
# ### Exercise: repair it
#
# The beginning and the end of `handed_in` are right, and stand below. Write what belongs between:
# `dW2` (H, K), `db2` (K,) and `dA1` (N, H), of the loss with decay `rate`.


# %% tags=["exercise"] id="repaired"
def repaired(X, T, W1, b1, W2, b2, rate):
    """dW1, db1, dW2, db2 of the two-layer loss with decay."""
    Z = np.maximum(0, X @ W1 + b1)
    E = np.exp(Z @ W2 + b2)
    Y = E / E.sum(axis=1, keepdims=True)
    dA2 = (Y - T) / len(X)
    ### BEGIN SOLUTION
    dW2, db2 = rate * W2 + Z.T @ dA2, dA2.sum(axis=0)
    dA1 = (dA2 @ W2.T) * (Z > 0)
    ### END SOLUTION
    dW1, db1 = X.T @ dA1 + rate * W1, dA1.sum(axis=0)
    return dW1, db1, dW2, db2


# %% tags=["check"]
def repaired_inputs(rng):
    for n, d, h, k in ((8, 2, 5, 3), (3, 3, 3, 3)):
        T, shapes = np.eye(k)[rng.integers(k, size=n)], ((d, h), (h,), (h, k), (k,))
        yield rng.normal(size=(n, d)), T, *(rng.normal(size=s) for s in shapes), 0.1


def repaired_pulled(X, T, W1, b1, W2, b2, rate):
    def loss(W1, b1, W2, b2):
        A = affine(relu(affine(X, (W1, b1))), (W2, b2))
        return entropy(A, T) + decay((W1, W2), rate)

    return grad(loss, wrt=(0, 1, 2, 3))(W1, b1, W2, b2)


check_exercise(repaired, repaired_inputs, like=repaired_pulled)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# `dW2` is assigned twice. A bias adds up what its scores get. A relu remembers where its *input*
# was positive.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $dW_2 = Z^\top dA_2 + \lambda W_2$; $db_2$ is the sum of the rows of $dA_2$; $dA_1$ is
# $dA_2 W_2^\top$ where $Z > 0$ and 0 elsewhere.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# Give `dW2` both contributions in one statement, with a `+` between.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 7}
# hint = "Read the errors by columns: which parameters share a mistake?"
# [[mistake]]
# code = "decay lost"
# stage = "forward"
# replace = "rate * W2 + Z.T @ dA2"
# by = "Z.T @ dA2"
# says = "dW2 lacks the decay. W2 is used twice, in the scores and in R, and gets two contributions."
# [[mistake]]
# code = "mean for the bias"
# stage = "forward"
# replace = "dA2.sum(axis=0)"
# by = "dA2.mean(axis=0)"
# says = "db2 is N times too small: the 1/N is in dA2 already, and the bias adds up its rows."
# [[mistake]]
# code = "mask of the derivative"
# stage = "forward"
# replace = "* (Z > 0)"
# by = "* (dA2 @ W2.T > 0)"
# says = "The mask looks at the derivative. relu lets through where its input was positive, that is where Z > 0."
# [[mistake]]
# code = "mask missing"
# stage = "forward"
# replace = "* (Z > 0)"
# by = "* 1"
# says = "relu stops nothing: W1 and b1 are wrong. Where Z is 0 nothing passes back."

# %%
losses, right = train(repaired)
assert right > 0.99
print(f"trained with your gradient: loss {losses[-1]:.3f}, accuracy {right:.1%}")

# %% [markdown]
# ## What was learned
#
# - `dW` has the shape of `W`: how fast the final number changes with each entry.
# - Central differences need only values. In float64 with $h = 10^{-5}$ about ten digits are right.
# - The chain rule pulls a row back from the loss, step by step. One pass backward gives all
#   derivatives.
# - Each forward statement has its backward statements, and they run in reverse order. A variable
#   used twice gets two contributions.
# - A gradient check, of the small parts first, is the only proof. Its table of errors leads to the
#   line that is wrong.
#
# ## What broke when it was left out
#
# | left out | what happened | where |
# |---|---|---|
# | the other side of the difference | ten times less gained for each smaller $h$ | How small is h? |
# | float64 | a few digits at best | How small is h? |
# | distance from a kink | 0.5 where 0 is right | At a kink |
# | the `+` of the second contribution | the first one is lost | The whole program |
# | the $1/N$ | all derivatives $N$ times too large | What a mistake looks like |
# | the ½ in the value of the decay | an error that hides behind a small $\lambda$ | Value and derivative |
# | the relu mask | a two-layer network no better than a line | A falling loss proves nothing |
#
# Next: the ten backward statements followed from the nine forward ones, one by one. Lecture 3 lets
# the computer write them.
