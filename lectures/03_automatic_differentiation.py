# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 3. Automatic differentiation
#
# **Can a program write its own backward program?**
#
# In lecture 2 the backward code of a network was written by hand, ten statements under nine.
# Every new layer meant new statements in two places. Here the ten become two, one step at a time,
# and after each step the gradients are compared with those of the step before. What makes the
# steps possible is a small machine, an *engine*. At the end you have one of your own, and it
# agrees with minigrad's to the last bit. You need the chain rule and the backward listing of
# lecture 2, and from Python functions that define and return functions.

# %% tags=["setup"]
import itertools

import numpy as np

import minigrad as mg
from minigrad.lectures import Picture, check_exercise, requires
from minigrad.stepper.figures import BLUE, GREY, INK, ORANGE, figure

requires("0.1")

# %% [markdown]
# ## The listing by hand
#
# The network of lecture 2 has two layers, a softmax, the mean cross-entropy $D$ and the weight
# decay $R$. As there, $\mathrm{sum}_0$ and $\mathrm{sum}_1$ are sums over axis 0 and 1:
#
# $$\underset{N\times H}{A_1} = \underset{N\times 2}{X}\,\underset{2\times H}{W_1} + \underset{H}{b_1},\qquad
# \underset{N\times H}{Z} = \max(0, A_1),\qquad
# \underset{N\times K}{A_2} = Z\,\underset{H\times K}{W_2} + \underset{K}{b_2}$$
#
# $$\begin{gathered}\underset{N\times K}{Y} = e^{A_2} / \mathrm{sum}_1(e^{A_2}),\qquad
# \underset{N}{C} = -\mathrm{sum}_1(\underset{N\times K}{T} \circ \ln Y),\\
# D = \tfrac{1}{N}\,\mathrm{sum}_0(C),\quad
# R = \tfrac{\lambda}{2}\left(\|W_1\|_F^2 + \|W_2\|_F^2\right),\quad L = D + R\end{gathered}$$
#
# In this lecture a program is also data. We keep the listing as text: so we can run it, count its
# lines and rewrite it. An empty line separates forward from backward.
#
# > **On the slide:** `E = exp(A2)`. That overflows for activations above 709. The maximum of each
# > row is subtracted here; it cancels in `Y`.

# %%
rng = np.random.default_rng(0)
N, H, K, rate = 8, 5, 3, 0.1  # rate is the slide's lambda
X, T = rng.normal(size=(N, 2)), np.eye(K)[rng.integers(K, size=N)]  # (N, 2), (N, K) one-hot
W1, b1 = rng.normal(size=(2, H)), rng.normal(size=H)
W2, b2 = rng.normal(size=(H, K)), rng.normal(size=K)

forward = """
A1 = X @ W1 + b1
Z = np.maximum(A1, 0)
A2 = Z @ W2 + b2
E = np.exp(A2 - A2.max(1, keepdims=True))
Y = E / E.sum(1, keepdims=True)
C = -(T * np.log(Y)).sum(1)
D = C.sum(0) / N
R = rate / 2 * ((W1**2).sum() + (W2**2).sum())
L = D + R
"""

# %%
backward = """
dD, dR = dL, dL
dW1 = dR * rate * W1
dW2 = dR * rate * W2
dA2 = dD * (Y - T) / N
dW2 += Z.T @ dA2
db2 = dA2.sum(0)
dZ = dA2 @ W2.T
dA1 = dZ * (Z > 0)
dW1 += X.T @ dA1
db1 = dA1.sum(0)
"""
names = {**globals(), "dL": 1.0}
exec(forward + backward, names)
by_hand = [names[n] for n in ("dW1", "db1", "dW2", "db2")]


# %%
def slope(program, h=1e-5):
    """dL/db1[4] by a central difference, from the forward program alone."""
    found = []
    for b in (b1 + h * np.eye(H)[4], b1 - h * np.eye(H)[4]):
        names = {**globals(), "b1": b}
        exec(program, names)
        found.append(names["L"])
    return (found[0] - found[1]) / (2 * h)


print(f"db1[4]: by hand {by_hand[1][4]:.8f}, by a difference {slope(forward):.8f}")
assert by_hand[1][4] and abs(by_hand[1][4] - slope(forward)) < 1e-8

# %% [markdown]
# ## First zero, then only add
#
# Two statements write `dW1`, because `W1` is used twice: by the decay and by the first layer. The
# first says `=`, the second `+=`. The two branches of the loss do not depend on each other, so
# their order should not matter. It does:

# %%
lines = backward.strip().splitlines()
moved = [line for line in lines if "rate" not in line] + [line for line in lines if "rate" in line]
names = {**globals(), "dL": 1.0, "dW1": np.zeros_like(W1), "dW2": np.zeros_like(W2)}
exec(forward + "\n".join(moved), names)
lost = np.abs(names["dW1"] - by_hand[0]).max() / np.abs(by_hand[0]).max()
print("\n".join(moved[-2:]), f"\nmoved to the end: dW1 is wrong by {lost:.0%} of its largest entry")
assert lost > 0.05

# %% [markdown]
# > **On the slide:** the first contribution to `dW1` and `dW2` is written with `=`, the second
# > with `+=`. That is right in one order of the lines only.
#
# The repair: every derivative starts as an array of zeros, and every statement adds. `run` does
# the first part. It runs the lines above the gap, gives each variable `V` a derivative `dV` of
# the same shape, sets `dL` to 1 and runs the lines below. `gradient` remembers which derivative
# belongs to which array; the tuples will be needed soon.

# %%
gradients = {}


def gradient(a):
    """The derivative that belongs to an array, at first zeros; of a tuple, a list of them."""
    if isinstance(a, tuple):
        return [gradient(part) for part in a]  # a list, so that dU[0] += ... works, too
    return gradients.setdefault(id(a), (a, np.zeros(np.shape(a))))[1]


def run(listing):
    """Run a listing, forward and backward; the derivatives of the parameters."""
    above, below = listing.strip().split("\n\n")
    gradients.clear()
    names, code = dict(globals()), compile(above, "forward", "exec")
    exec(code, names)
    for n in code.co_names:  # the names that stand in these lines
        if isinstance(names.get(n), (np.ndarray, np.generic)):
            names["d" + n] = gradient(names[n])
    names["dL"] += 1
    exec(below, names)
    return [names[n] for n in ("dW1", "db1", "dW2", "db2")]


# %%
listings = {}
adding = backward.replace("dD, dR = dL, dL", "dD += dL; dR += dL").replace(" = ", " += ")
listings["by hand"] = forward + adding
print(adding)


def same(one, other):
    """True if two lists of arrays are equal to the last bit."""
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


assert same(run(listings["by hand"]), by_hand)
in_reverse = adding.strip().splitlines()
in_reverse[1:4] = in_reverse[3:0:-1]  # the decay after the entropy: now allowed
assert same(run(forward + "\n" + "\n".join(in_reverse)), by_hand)

# %% [markdown]
# Here is what `dW1` goes through: zeros, the share of the decay, the share of the first layer.
# All on one scale of colours.

# %% tags=["figure"]
names = {**globals(), "dL": 1.0}
exec(forward + backward, names)
share = rate * W1, X.T @ names["dA1"]
stages = {"zeros": np.zeros_like(W1), "+ decay": share[0], "= old": share[0], "+ layer 1": share[1]}
stages["= dW1"] = share[0] + share[1]
top = max(np.abs(a).max() for a in stages.values())
page, axes = figure(7, 1.5, columns=5)
for ax, (title, a) in zip(axes, stages.items()):
    ax.imshow(a, cmap="RdBu_r", vmin=-top, vmax=top)
    ax.set_title(title, fontsize=10, color=INK)
    ax.set(xticks=[], yticks=[])
    for (i, j), v in np.ndenumerate(a):
        ink = "white" if abs(v) > top / 2 else INK
        ax.text(j, i, f"{v:.2f}", ha="center", va="center", fontsize=6.5, color=ink)
assert np.allclose(stages["= dW1"], by_hand[0])
Picture(
    page, "dW1 as five heat maps: zeros, the decay's share, the sum, the layer's share, the sum."
)

# %% [markdown]
# ## relu becomes a node
#
# Look at the two lines of the listing that belong to the relu: `Z = np.maximum(A1, 0)` above and
# `dA1 += dZ * (Z > 0)` below. Put them into one function. It returns the value, and a function
# `back` that takes the derivative of the value and *adds* to the derivative of its argument.


# %%
class Value(np.ndarray):
    """An array that has a `back`."""


def node(f):
    """Bind the `back` that f returns to the value that f returns."""

    def call(*args):
        value, back = f(*args)
        Z = np.asarray(value).view(Value)
        Z.back = lambda *args: back(gradient(Z), *gradient(args))
        return Z

    call.plain = f
    return call


@node
def relu(A):
    Z = np.maximum(A, 0)

    def back(dZ, dA):
        dA += dZ * (Z > 0)

    return Z, back


# %% [markdown]
# > **On the slide:** the function ends with `return node(Z, back)`. In Python `@node` above the
# > function does the same, and the last line stays `return Z, back`.
#
# The name `dA` inside means *the derivative of whatever I was called with*. So the listing no
# longer names derivatives there. It says `Z.back(A1)`, and `Z` finds `dZ` and `dA1` by itself.
# The lines that changed have a mark.


# %%
def rewritten(before, changes):
    """A listing with some lines exchanged, which must not change its gradients; it is printed."""
    listing = before
    for old, new in changes.items():
        assert listing.count(old) == 1, old
        listing = listing.replace(old, new)
    fresh = {line for new in changes.values() for line in new.splitlines()}
    for line in listing.strip().splitlines():
        print(">" if line in fresh else " ", line)
    assert same(run(listing), run(before))
    return listing


listings["relu"] = rewritten(
    listings["by hand"],
    {"Z = np.maximum(A1, 0)": "Z = relu(A1)", "dA1 += dZ * (Z > 0)": "Z.back(A1)"},
)

# %% [markdown] tags=["task"]
# ### Exercise: a tanh node
#
# Write the operation $Z = \tanh A$ for an array `A` of any shape, with `back(dZ, dA)`, which adds
# to `dA`. The derivative of $\tanh a$ is $1 - \tanh^2 a$. Compute no tanh twice. (No `@node`
# here: a node is a plain function until somebody decorates it.)


# %% tags=["exercise"] id="tanh"
def tanh(A):
    """Z = tanh A, elementwise, and its back; A, Z any shape."""
    ### BEGIN SOLUTION
    Z = np.tanh(A)
    ### END SOLUTION

    def back(dZ, dA):
        ### BEGIN SOLUTION
        dA += dZ * (1 - Z * Z)
        ### END SOLUTION

    return Z, back


# %% tags=["check"]
def tanh_inputs(rng):
    yield (rng.normal(size=(4, 3)),)
    yield (rng.normal(size=(3, 3)),)


check_exercise(tanh, tanh_inputs, like=mg.tanh)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# relu multiplies what comes in by its own slope, 0 or 1. Do the same with the slope of tanh.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $\partial L/\partial a = \partial L/\partial z \cdot (1 - z^2)$ with $z = \tanh a$.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# `Z` is NumPy's tanh of `A`. Everything that `back` needs is then in `dZ` and `Z`.
#
# </details>

# %% [raw] tags=["question"]
# gradients = ["dA"]
# points = {signature = 1, shapes = 1, forward = 2, dA = 4}
# hint = "back multiplies dZ by the slope of tanh, written with Z, and adds it to dA."
# [[mistake]]
# code = "input for output"
# stage = "dA"
# replace = "dZ * (1 - Z * Z)"
# by = "dZ * (1 - A * A)"
# says = """
# The slope is 1 - tanh(a)^2. Here it is 1 - a^2: the square of the input, not of the output."""
# [[mistake]]
# code = "rebinding"
# stage = "dA"
# replace = "dA += dZ * (1 - Z * Z)"
# by = "dA = dA + dZ * (1 - Z * Z)"
# says = """
# Nothing arrives in dA. `dA = dA + ...` makes a new array and gives it the name; the array \
# that the caller holds stays zero. Use `dA += ...`."""
# [[mistake]]
# code = "not squared"
# stage = "dA"
# replace = "(1 - Z * Z)"
# by = "(1 - Z)"
# says = "The slope of tanh is 1 - z^2. The square is missing."
# [[mistake]]
# code = "dZ ignored"
# stage = "dA"
# replace = "dZ * (1 - Z * Z)"
# by = "1 - Z * Z"
# says = """
# dA does not depend on dZ. The slope of this node is a factor; what comes from above is the \
# other."""

# %% [markdown]
# Now the gain. Exchange one word in the forward program, and the backward program needs no change
# at all: `Z.back(A1)` does not say which function made `Z`.

# %%
tanh_node = node(tanh)
with_tanh = run(listings["relu"].replace("relu(A1)", "tanh_node(A1)"))
expected = slope(forward.replace("np.maximum(A1, 0)", "np.tanh(A1)"))
print(f"db1[4]: by the node {with_tanh[1][4]:.8f}, by a difference {expected:.8f}")
assert abs(with_tanh[1][4] - expected) < 1e-8

# %% [markdown]
# ## affine becomes a node
#
# Three backward lines belong to each of the two layers. As one node, with the weights and biases
# in a tuple:
#
# > **On the slide:** `def affine(X, (W, b))` and `def back(dA, dX, (dW, db))`. Python 3 has no
# > tuples among parameters. We take one name and unpack it in the next line. In a *call* the
# > tuple may stand.
#
# The node computes `dX` also for the first layer, where the listing did not. The derivative of
# the data is thrown away here; lecture 5 looks at it.


# %%
@node
def affine(X, U):
    W, b = U
    A = X @ W + b

    def back(dA, dX, dU):
        dW, db = dU
        dW += X.T @ dA
        db += dA.sum(0)
        dX += dA @ W.T

    return A, back


listings["affine"] = rewritten(
    listings["relu"],
    {
        "A1 = X @ W1 + b1": "A1 = affine(X, (W1, b1))",
        "A2 = Z @ W2 + b2": "A2 = affine(Z, (W2, b2))",
        "dW2 += Z.T @ dA2\ndb2 += dA2.sum(0)\ndZ += dA2 @ W2.T": "A2.back(Z, (W2, b2))",
        "dW1 += X.T @ dA1\ndb1 += dA1.sum(0)": "A1.back(X, (W1, b1))",
    },
)

# %% [markdown]
# ## entropy becomes a node
#
# Four forward lines become one. Their derivative together is shorter than those of the parts:
# $\underset{N\times K}{dA} = dD\,(Y - T)/N$. The targets need no derivative.
#
# > **On the slide:** `def back(dD, dA, )`, with the third place left empty. Python drops the last
# > comma, so the function takes two. Here `_` holds the place; soon the engine counts.


# %%
@node
def entropy(A, T):
    E = np.exp(A - A.max(1, keepdims=True))
    Y = E / E.sum(1, keepdims=True)
    C = -(T * np.log(Y)).sum(1)
    D = C.sum(0) / len(A)

    def back(dD, dA, _=None):
        dA += dD * (Y - T) / len(A)

    return D, back


softmax_lines = "\n".join(
    line for line in forward.splitlines() if line[:3] in ("E =", "Y =", "C =")
)
listings["entropy"] = rewritten(
    listings["affine"],
    {
        softmax_lines + "\nD = C.sum(0) / N": "D = entropy(A2, T)",
        "dA2 += dD * (Y - T) / N": "D.back(A2, T)",
    },
)

# %% [markdown]
# ## decay becomes a node
#
# Its argument is a tuple of any length, and so is its derivative: `zip` walks through both.


# %%
@node
def decay(W):
    R = rate / 2 * sum((w**2).sum() for w in W)

    def back(dR, dW):
        for w, dw in zip(W, dW):
            dw += dR * rate * w

    return R, back


listings["decay"] = rewritten(
    listings["entropy"],
    {
        "R = rate / 2 * ((W1**2).sum() + (W2**2).sum())": "R = decay((W1, W2))",
        "dW1 += dR * rate * W1\ndW2 += dR * rate * W2": "R.back((W1, W2))",
    },
)

# %% [markdown]
# ## add becomes a node
#
# One line without a node is left in each half: `L = D + R`.

# %% [markdown] tags=["task"]
# ### Exercise: add n terms
#
# Write `add_terms(X)`, the sum $S = \sum_i X_i$ of a tuple `X` of arrays of one shape, however
# many. Its `back(dS, dX)` gets a tuple of as many derivatives. The terms themselves must not
# change.


# %% tags=["exercise"] id="add_terms"
def add_terms(X):
    """S, the sum of the terms of a tuple, and its back; all arrays of one shape."""
    ### BEGIN SOLUTION
    S = sum(X)
    ### END SOLUTION

    def back(dS, dX):
        ### BEGIN SOLUTION
        for dx in dX:
            dx += dS
        ### END SOLUTION

    return S, back


# %% tags=["check"]
def add_terms_inputs(rng):
    for shape in ((2, 4), (3, 3)):
        yield (tuple(rng.normal(size=shape) for _ in range(3)),)


check_exercise(add_terms, add_terms_inputs, like=lambda X: np.stack(X).sum(0))

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Raise one entry of one term by a little: the sum rises by as much. What is the slope, for each
# term?
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $\partial L/\partial X_i = \partial L/\partial S$ for every $i$: each term gets the whole of it.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# Python's own `sum` adds the parts of a tuple. In `back`, visit the derivatives in a loop.
#
# </details>

# %% [raw] tags=["question"]
# gradients = ["dX1", "dX2", "dX3"]
# points = {signature = 1, shapes = 1, forward = 2, dX1 = 2, dX2 = 1, dX3 = 1}
# hint = "If one term grows by 1, the sum grows by 1. Every term gets all of dS."
# [[mistake]]
# code = "shared among terms"
# stage = "dX1"
# replace = "dx += dS"
# by = "dx += dS / len(dX)"
# says = "Each term gets a part of dS. Every term of a sum gets all of it."
# [[mistake]]
# code = "rebinding"
# stage = "dX1"
# replace = "dx += dS"
# by = "dx = dx + dS"
# says = """
# Nothing arrives. `dx = dx + dS` makes a new array; the one in the tuple stays zero. Use `dx \
# += dS`."""
# [[mistake]]
# code = "first term changed"
# stage = "forward"
# replace = "S = sum(X)"
# by = "S = X[0]\n    for x in X[1:]:\n        S += x"
# says = """
# The sum is made inside the first term, which belongs to the caller: `S = X[0]` is no copy."""
# [[mistake]]
# code = "two terms only"
# stage = "dX3"
# replace = "for dx in dX"
# by = "for dx in dX[:2]"
# says = "The third term gets nothing. There may be any number of terms: visit them all."

# %%
add = node(add_terms)
listings["add"] = rewritten(
    listings["decay"],
    {"L = D + R": "L = add((D, R))", "dD += dL; dR += dL": "L.back((D, R))"},
)

# %% [markdown]
# Look at the two halves. The backward program is the forward program read from below, with
# `.back`. Nothing in it has to be thought of any more.
#
# ## loss becomes a block
#
# A *block* is a paragraph of a program. It has no formula of its own. Its `back` calls the backs
# of the nodes inside, in reverse. The slide's short form, `L = entropy(A, T) + decay(W)` and no
# `back` at all, has to wait for an engine.


# %%
def block(f):
    """Bind the `back` that f returns to its value; it is called with the block's arguments."""

    def call(*args):
        inner, back = f(*args)
        Z = inner.view(Value)

        def steps(*args):
            gradient(inner)[...] = gradient(Z)  # what came from above goes on inside
            back(*args)

        Z.back = steps
        return Z

    return call


# %%
@block
def loss(A, T, W):
    D = entropy(A, T)
    R = decay(W)
    L = add((D, R))

    def back(A, T, W):
        L.back((D, R))
        R.back(W)
        D.back(A, T)

    return L, back


# %%
listings["loss"] = rewritten(
    listings["add"],
    {
        "D = entropy(A2, T)\nR = decay((W1, W2))\nL = add((D, R))": "L = loss(A2, T, (W1, W2))",
        "L.back((D, R))\nR.back((W1, W2))\nD.back(A2, T)": "L.back(A2, T, (W1, W2))",
    },
)

# %% [markdown]
# ## model becomes a block
#
# > **On the slide:** the block `model` says `Z = relu(A)` and `Z.back(A)`. There is no `A` in it
# > yet; what is meant is `A1`.


# %%
@block
def slip(X, U):
    U1, U2 = U
    A1 = affine(X, U1)
    Z = relu(A)
    return affine(Z, U2), lambda X, U: A1.back(X, U1)


try:
    slip(X, ((W1, b1), (W2, b2)))
except NameError as error:
    print("as on the slide:", error)


# %%
@block
def model(X, U):
    U1, U2 = U
    A1 = affine(X, U1)
    Z = relu(A1)
    A2 = affine(Z, U2)

    def back(X, U):
        A2.back(Z, U2)
        Z.back(A1)
        A1.back(X, U1)

    return A2, back


# %%
listings["model"] = rewritten(
    listings["loss"],
    {
        "A1 = affine(X, (W1, b1))\nZ = relu(A1)\nA2 = affine(Z, (W2, b2))": (
            "A2 = model(X, ((W1, b1), (W2, b2)))"
        ),
        "A2.back(Z, (W2, b2))\nZ.back(A1)\nA1.back(X, (W1, b1))": (
            "A2.back(X, ((W1, b1), (W2, b2)))"
        ),
    },
)

# %%
assert same(run(listings["model"]), by_hand)
count = {
    name: [len(half.splitlines()) for half in listing.strip().split("\n\n")]
    for name, listing in listings.items()
}
for name, (up, down) in count.items():
    print(f"{name:8} {up:2} forward {down:3} backward")
assert count["by hand"] == [9, 10] and count["model"] == [2, 2]

# %% [markdown]
# Each bar below is a line of the listing, as long as its text: blue forward, orange backward.
# Pale lines are formulas, full ones call a node or block. The formulas go; they live in the nodes
# now.

# %% tags=["figure"]
page, axes = figure(7, 2.6, columns=len(listings))
for ax, (name, listing) in zip(axes, listings.items()):
    y = 0
    for half, color in zip(listing.strip().split("\n\n"), (BLUE, ORANGE)):
        for line in half.splitlines():
            formula = not any(f"{f}(" in line for f in (*listings, "back"))
            ax.barh(y, len(line), color=color, height=0.7, alpha=0.35 if formula else 1)
            y += 1
        y += 0.8
    ax.set(xlim=(0, 47), ylim=(20.5, -1))
    ax.set_title(name, fontsize=9, color=INK)
    ax.set_xlabel("{} + {}".format(*count[name]), fontsize=9)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
Picture(
    page, "The listing as bars, a panel for each step: from 9 + 10 lines by hand to 2 + 2 lines."
)

# %% [markdown]
# ## Who writes the back of a block?
#
# We did, twice. Both times we copied the lines above and read them from below. A machine can do
# this if every value remembers *how it was made*: its function's `back`, and the arguments. Then
# the values form a graph: solid arrows for what was computed, dashed ones for what comes back.

# %%
places = {"X": (0, 1), "affine": (1, 1), "relu": (2, 1), "affine ": (3, 1), "entropy": (4.4, 1)}
places |= {"add": (5.5, 1), "T": (4.4, 2)}
places |= {"W1, b1": (1, 0), "W2, b2": (3, 0), "decay": (4.4, 0)}
arrows = list(zip(places, list(places)[1:6]))  # the chain from X to add
arrows += [("W1, b1", "affine"), ("W2, b2", "affine "), ("T", "entropy"), ("decay", "add")]
arrows += [("W1, b1", "decay"), ("W2, b2", "decay")]


def connect(ax, boxes, start, end, forward):
    """An arrow from box to box, solid forward, dashed back."""
    look = {"arrowstyle": "->", "lw": 1.4, "shrinkA": 2, "shrinkB": 2}
    look |= {"color": BLUE, "ls": "-"} if forward else {"color": ORANGE, "ls": "--"}
    bend = 0.16
    if {start, end} == {"W1, b1", "decay"}:
        bend = 0.28 if forward else -0.4  # below W2
    look |= {"connectionstyle": f"arc3,rad={bend}", "patchA": boxes[start], "patchB": boxes[end]}
    ax.annotate("", places[end], places[start], arrowprops=look)


# %% tags=["figure"]
page, (ax,) = figure(7, 2.8)
for left, right, low, name in ((0.55, 3.5, 0.6, "model"), (3.85, 5.9, -0.3, "loss")):
    ax.fill_between([left, right], low, 1.45, color=BLUE, alpha=0.1, lw=0)
    ax.text(left + 0.05, 1.34, name, color=BLUE, fontsize=10, va="center")
boxes = {}
for name, (x, y) in places.items():
    leaf = "," in name or name in "XT"
    box = {"boxstyle": "round", "fc": "white", "ec": GREY if leaf else BLUE}
    text = ax.text(x, y, name.strip(), ha="center", va="center", bbox=box, fontsize=9, color=INK)
    boxes[name] = text.get_bbox_patch()
for a, b in arrows:
    connect(ax, boxes, a, b, forward=True)
    if a != "T":
        connect(ax, boxes, b, a, forward=False)
ax.set(xlim=(-0.3, 6), ylim=(-1, 2.2))
ax.set_axis_off()
Picture(
    page, "The graph of the program; model and loss are shaded; dashed arrows go back, none to T."
)

# %% [markdown]
# ## In which order?
#
# A `back` may run when the derivative of its value is complete: when every node that *uses* the
# value has run. That is the only rule, and there are several right orders.

# %% [markdown] tags=["task"]
# ### Exercise: an order for the backs
#
# The graph of $n$ nodes is an array `uses` $(n, n)$: `uses[i, j]` is 1 if node `i` has node `j`'s
# value among its arguments, else 0. All nodes lead to node `last`, which nobody uses. Return an
# array of the $n$ numbers in an order in which the backs may run. Nodes are numbered in no
# special way.


# %% tags=["exercise"] id="backward_order"
def backward_order(uses, last):
    """The nodes in an order in which their backs may run, (n,); uses (n, n), last a number."""
    ### BEGIN SOLUTION
    waits = uses.sum(0)  # for each node: users that have not run
    ready, order = [last], []
    while ready:
        i = ready.pop()
        order.append(i)
        waits = waits - uses[i]
        ready += [j for j in np.flatnonzero(uses[i]) if waits[j] == 0]
    ### END SOLUTION
    return np.array(order)


# %% tags=["check"]
def backward_order_inputs(rng):
    for n in (4, 7, 12):
        uses = np.tril(rng.integers(2, size=(n, n)), -1)
        uses[range(1, n), range(n - 1)] = 1  # a chain, with shortcuts
        if n > 4:
            uses[n - 1, 0] = uses[n - 1, 1] = 1
        numbers = rng.permutation(n)
        yield uses[numbers][:, numbers], int(np.argmax(numbers == n - 1))


def may_run(order, uses, last):
    """What is wrong with an order, in words; "" if the backs may run in it."""
    order = np.asarray(order)
    if order.dtype.kind not in "iu" or sorted(order.tolist()) != list(range(len(uses))):
        return "each node's number must stand in the order, and once"
    done = np.zeros(len(uses), bool)
    for i in order:
        if (uses[:, i] > done).any():
            return f"node {i} runs before all who use its value have run"
        done[i] = True
    return ""


check_exercise(backward_order, backward_order_inputs, holds=may_run)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Count for each node how many users have not run yet. Whoever waits for nobody may run.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# At the start node $j$ waits for $\sum_i \text{uses}_{ij}$ users. When node $i$ has run, all $j$
# with $\text{uses}_{ij} = 1$ wait for one less.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# Begin with the sums over the columns of `uses`, and a list of those that may run, which holds
# `last` only.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 8}
# hint = "A node may run when all its users have run. Count the users that are missing."
# [[mistake]]
# code = "does not wait"
# stage = "forward"
# replace = "if waits[j] == 0"
# by = "if j not in order and j not in ready"
# says = """
# A node runs as soon as one of its users has run. If it has two, the second one's share comes \
# too late: wait for all."""
# [[mistake]]
# code = "forward order"
# stage = "forward"
# replace = "order.append(i)"
# by = "order.insert(0, i)"
# says = "That is the forward order. The last node's back runs first."
# [[mistake]]
# code = "numbers as order"
# stage = "forward"
# replace = "waits = uses.sum(0)  # for each node: users that have not run"
# by = "return np.arange(len(uses))[::-1]"
# says = "The numbers of the nodes say nothing about when they were made. Look at who uses whom."

# %% [markdown]
# What happens without the rule? Take $z_{k+1} = z_k + z_k$: each node is used twice. A machine
# that follows every *path* back from the end, as in the chain rule written out, calls each node
# once for every way to it.


# %% tags=["figure"]
def by_paths(depth):
    """Calls of back along every path through `depth` sums z + z."""
    return 1 + 2 * by_paths(depth - 1) if depth else 0


depths = np.arange(1, 16)
uses = np.eye(15, k=-1, dtype=int)  # the same graph: node i uses node i - 1
in_order = [len(backward_order(uses[:d, :d], d - 1)) for d in depths]
along = [by_paths(d) for d in depths]
page, (ax,) = figure(6, 2.8)
ax.semilogy(depths, along, color=ORANGE, lw=2, marker="o", ms=4, label="along every path")
ax.semilogy(depths, in_order, color=BLUE, lw=2, marker="o", ms=4, label="in a right order")
ax.set(xlabel="sums z + z, one after the other", ylabel="calls of back")
ax.legend(frameon=False, fontsize=9)
print(f"after 15 sums: {along[-1]} calls along paths, {in_order[-1]} in order")
Picture(
    page,
    "Calls of back against depth: along paths they double with each sum, in order they do not.",
)

# %% [markdown]
# An engine has a cheap way to a right order. Each node gets a number when it is made. A value
# must exist before it is used, so *the order of making, from behind,* is right.
#
# ## The engine, rebuilt
#
# Now the real thing. It replaces `Value`, `gradient` and the hand-written blocks. It has five
# pieces; first, two helpers for nested arguments.


# %%
def tmap(f, a):
    """f of every leaf of a nest of tuples, nested alike."""
    return tuple(tmap(f, part) for part in a) if isinstance(a, tuple) else f(a)


def leaves(a):
    """The leaves of a nest, from left to right."""
    return [leaf for part in a for leaf in leaves(part)] if isinstance(a, tuple) else [a]


print(tmap(lambda a: 10 * a, (1, (2, 3))), leaves((1, (2, 3))))

# %% [markdown]
# A **node** holds a value, its derivative, and how it was made: the arguments of the call and the
# `back`. `step` calls that `back` once. Arguments that are plain arrays get zeros that nobody
# will look at, so `back` needs no `if`. And `back` may name fewer derivatives than there are
# arguments, as `entropy` on the slide: the engine counts.

# %%
numbers = itertools.count()


class Node:
    """A value, its derivative and how it was made; a leaf is given, Node(array), not made."""

    def __init__(self, value, args=(), back=None):
        self.value = np.asarray(value)  # a number becomes an array too, see below
        self.grad, self.args, self._back = None, args, back
        self.paragraph, self.number = None, next(numbers)

    def __repr__(self):
        return f"<Node {self.value.shape}>"

    def step(self):
        """Run the back on the derivatives of value and arguments."""
        if self._back:
            takes = self._back.__code__.co_argcount - 1
            self._back(self.grad, *derivative(self.args)[:takes])


def derivative(a):
    if isinstance(a, tuple):
        return [derivative(part) for part in a]
    return a.grad if isinstance(a, Node) else np.zeros(np.shape(a))


# %% [markdown]
# **`node`** calls the function with plain values. If there was no `Node` among the arguments, the
# plain value is all: that is how the same code runs in a test, where nothing has to be
# remembered.


# %%
def plain(a):
    return a.value if isinstance(a, Node) else a


def node(f):
    """A function of arrays that returns (value, back), as a function of Nodes."""

    def call(*args):
        value, back = f(*tmap(plain, args))
        traced = any(isinstance(a, Node) for a in leaves(args))
        return Node(value, args, back) if traced else value

    return call


# %% [markdown]
# **`backward`** collects what the loss was made of, sets every derivative to zero, that of the
# loss to 1, and steps in reverse order of making.


# %%
def below(root, since=-1):
    """The nodes that root was made of after number `since`, itself included, oldest first."""
    found, look = {root}, [root]
    while look:
        for a in leaves(look.pop().args):
            if isinstance(a, Node) and a.number > since and a not in found:
                found.add(a)
                look.append(a)
    return sorted(found, key=lambda n: n.number)


def start(L):
    for n in below(L):
        n.grad = np.zeros_like(n.value)
    L.grad += 1


def backward(L):
    """Fill the derivative of everything that the scalar L was made of."""
    start(L)
    for n in reversed(below(L)):
        n.step()


# %% [markdown]
# **`block`** is now the slide's short form. It runs the function as it is and notes on the result
# which arguments it had, and which number was next when it began. That is all a block is: a mark
# on a stretch of the graph. The method `back` takes the steps of that stretch. So `A2.back(X, U)`
# on the slide needs no code of ours.


# %%
def block(f):
    """A function of Nodes whose result can be stepped back through as one."""

    def call(*args):
        since = next(numbers)
        Z = f(*args)
        if isinstance(Z, Node):
            Z.paragraph = args, since
        return Z

    return call


def back(self, *args):
    """One line of the backward program: the steps of this node, or of its block."""
    given, since = self.paragraph or (self.args, self.number - 1)
    if [id(a) for a in leaves(args)] != [id(a) for a in leaves(given)]:
        raise ValueError("back: these are not the arguments of the forward call")
    if self.grad is None and self.value.ndim == 0:
        start(self)  # the loss: the program begins here
    for n in reversed(below(self, since)):
        n.step()


Node.back = back

# %% [markdown]
# **`grad`** is for those who do not want to see Nodes: arrays in, derivatives out. The cell also
# counts what we have written.


# %%
def grad(f):
    """The function that returns the derivative of f by its one argument, a nest of arrays."""

    def derivatives(U):
        V = tmap(Node, U)
        backward(f(V))
        return tmap(derivative, V)

    return derivatives


def statements(code):
    """The lines of a function that hold a statement, without docstrings."""
    inner = [c for c in code.co_consts if hasattr(c, "co_lines")]
    own = {n for *_, n in code.co_lines() if n and n != code.co_firstlineno}
    return own.union(*(statements(c) | {c.co_firstlineno} for c in inner))


parts = [tmap, leaves, derivative, plain, node, below, start, backward, block, back, grad]
parts += [Node.__init__, Node.__repr__, Node.step]
size = sum(1 + len(statements(f.__code__)) for f in parts)
print(f"the engine has {size} lines with a statement")
assert 50 < size < 75

# %% [markdown]
# ## It agrees with minigrad, to the last bit
#
# The functions from above, relu, affine, entropy, decay and yours, do not know which engine
# decorates them. So we build the network twice: with our `node` and `block`, and with minigrad's.
# The data is a leaf too, so `dX` is compared as well.

# %%
functions = relu.plain, affine.plain, entropy.plain, decay.plain, add_terms


def network(node, block):
    """(model, loss) made with the node and block of an engine."""
    relu, affine, entropy, decay, add = map(node, functions)

    @block
    def model(X, U):
        U1, U2 = U
        return affine(relu(affine(X, U1)), U2)

    @block
    def loss(A, T, W):
        return add((entropy(A, T), decay(W)))

    return model, loss


# %%
given = (X, ((W1, b1), (W2, b2)))


def ours(steps):
    """All derivatives by the engine above, at once or by the slide's two lines."""
    model, loss = network(node, block)
    Xv, U = tmap(Node, given)
    A2 = model(Xv, U)
    L = loss(A2, T, (U[0][0], U[1][0]))
    if steps:
        L.back(A2, T, (U[0][0], U[1][0]))
        A2.back(Xv, U)
    else:
        backward(L)
    return leaves(tmap(derivative, (Xv, U)))


# %%
model, loss = network(mg.node, mg.block)
Xv, ((V1, c1), (V2, c2)) = mg.var(given)
A2 = model(Xv, ((V1, c1), (V2, c2)))
L = loss(A2, T, (V1, V2))
L.backward()
theirs = [v.grad for v in (Xv, V1, c1, V2, c2)]
for name, a, b in zip(("dX", "dW1", "db1", "dW2", "db2"), ours(steps=False), theirs):
    assert np.array_equal(a, b)
    print(f"{name:3} {a.shape!s:7} differs in {(a != b).sum()} of {a.size} entries")
assert same(ours(steps=True), theirs) and same(ours(steps=False)[1:], by_hand)
model, loss = network(node, block)
by_grad = grad(lambda U: loss(model(X, U), T, (U[0][0], U[1][0])))(given[1])
assert same(leaves(by_grad), by_hand)

# %% [markdown]
# minigrad prints the program that it has in memory, with the caller's names. From its own
# operations it writes the two listings of this lecture, letter by letter: six and six lines, and
# two and two.


# %%
def of_nodes(X, W1, b1, W2, b2):
    A1 = mg.affine(X, (W1, b1))
    Z = mg.relu(A1)
    A2 = mg.affine(Z, (W2, b2))
    D = mg.entropy(A2, T)
    R = mg.decay((W1, W2), rate)
    L = mg.add((D, R))
    return mg.program(L), mg.show(L)


def of_blocks(X, W1, b1, W2, b2):
    @mg.block
    def model(X, U):
        U1, U2 = U
        return mg.affine(mg.relu(mg.affine(X, U1)), U2)

    @mg.block
    def loss(A, T, W):
        return mg.entropy(A, T) + mg.decay(W, rate)

    A2 = model(X, ((W1, b1), (W2, b2)))
    L = loss(A2, T, (W1, W2))
    return mg.program(L, depth=0)


# %%
printed, page = of_nodes(X, *mg.var((W1, b1, W2, b2)))
print(printed)
folded = of_blocks(X, *mg.var((W1, b1, W2, b2)))
print("\nand folded:\n\n", folded, sep="")
assert str(printed).replace(f", {rate})", ")") == listings["add"].strip()
assert str(folded) == listings["model"].strip()

# %% [markdown]
# Step through it: one write at a time, forward, then backward. `dW1` and `dW2` are written twice,
# by the decay and by their layer.

# %%
page

# %% [markdown]
# ## What breaks when a detail is left out
#
# **An array for every derivative, also for a number.** `+=` changes an array in place. A NumPy
# number cannot be changed: Python computes a new one and gives it the name. So a loss, which has
# no axes, needs a derivative that is an array without axes.

# %%
number, array = np.float64(0), np.zeros(())
deposit_number, deposit_array = number, array  # what a back would be given
deposit_number += 1
deposit_array += 1
print(f"after += 1 the engine's number is {number}, its array {array}")
assert number == 0 and array == 1

# %% [markdown]
# **Never rebind.** `dA = dA + ...` looks like `dA += ...`. It makes a new array, and the engine's
# stays zero, without a message. Our engine trains on that. minigrad reads the body of a `back`
# and refuses; the gradient check finds it as well.


# %%
def forgetful(A):
    Z = np.maximum(A, 0)

    def back(dZ, dA):
        dA = dA + dZ * (Z > 0)

    return Z, back


@node
def total(A):
    def back(dS, dA):
        dA += dS

    return A.sum(), back


# %%
a = Node(np.array([1.0, -2.0, 3.0]))
backward(total(node(forgetful)(a)))
print("our engine:", a.grad)
try:
    mg.node(forgetful)
except TypeError as error:  # where there is source to read, as in a notebook
    print("minigrad:", error)
forgotten, report = a.grad, mg.check(forgetful, a.value)
print(report)
assert not forgotten.any() and not report

# %% [markdown]
# **Never overwrite.** Something used twice gets two shares. The next operation shows it.

# %% [markdown] tags=["task"]
# ### Exercise: a product node
#
# Write $Z = A \circ B$, entry by entry, for two arrays of one shape, with `back(dZ, dA, dB)`. It
# must also be right when both arguments are the *same* array: then `dA` and `dB` are one array,
# too.


# %% tags=["exercise"] id="product"
def product(A, B):
    """Z = A B, entry by entry, and its back; A, B, Z of one shape."""
    ### BEGIN SOLUTION
    Z = A * B
    ### END SOLUTION

    def back(dZ, dA, dB):
        ### BEGIN SOLUTION
        dA += dZ * B
        dB += dZ * A
        ### END SOLUTION

    return Z, back


# %% tags=["check"]
def product_inputs(rng):
    yield rng.normal(size=(2, 4)), rng.normal(size=(2, 4))
    yield rng.normal(size=(3, 3)), rng.normal(size=(3, 3))


check_exercise(product, product_inputs, like=mg.mul)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# If `b` is 5 and `a` grows by 1, the product grows by 5. Each factor's slope is the other factor.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $\partial L/\partial a = \partial L/\partial z \cdot b$ and $\partial L/\partial b = \partial
# L/\partial z \cdot a$.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# `Z` is one elementwise product. In `back`, add to each derivative in a line of its own.
#
# </details>

# %% [raw] tags=["question"]
# gradients = ["dA", "dB"]
# points = {signature = 1, shapes = 1, forward = 2, dA = 3, dB = 3}
# hint = "The slope of a * b is b for a, and a for b. Add, do not assign."
# [[mistake]]
# code = "own factor"
# stage = "dA"
# replace = ["dA += dZ * B", "dB += dZ * A"]
# by = ["dA += dZ * A", "dB += dZ * B"]
# says = "Each factor is multiplied by itself. The slope of a * b for a is b."
# [[mistake]]
# code = "overwritten"
# stage = "dB"
# replace = "dB += dZ * A"
# by = "dB[...] = dZ * A"
# says = """
# What was in dB is lost. If A and B are the same array, that is the share of the first \
# factor. Use +=."""
# [[mistake]]
# code = "one factor only"
# stage = "dB"
# replace = "dB += dZ * A"
# by = "pass"
# says = "dB gets nothing. Both factors have a derivative."
# [[mistake]]
# code = "dZ left out"
# stage = "dA"
# replace = "dA += dZ * B"
# by = "dA += B"
# says = "dA does not depend on dZ. By the chain rule it is a factor."


# %%
def overwriting(A, B):
    """A product whose back writes where it should add."""
    Z = np.multiply(A, B)

    def back(dZ, dA, dB):
        dA[...] = np.multiply(dZ, B)
        dB[...] = np.multiply(dZ, A)

    return Z, back


for name, f in (("product", product), ("overwriting", overwriting)):
    a = Node(np.array([1.0, 2.0, 3.0]))
    backward(total(node(f)(a, a)))
    print(f"{name}: derivative of the sum of a * a at {a.value} is {a.grad}")
overwritten = a
assert np.array_equal(a.grad, a.value)  # half of 2 a

# %% [markdown]
# The same rule makes **shared weights** work by themselves. Use the parameters of a layer twice,
# and both layers deposit into the same derivative. No line of the engine is about sharing.
# Siamese networks (lecture 6) rest on this.

# %%
affine_ = node(affine.plain)
square = W2[:3], b2  # (3, 3), (3,)
data = X[:, [0, 1, 0]]  # (N, 3)


def derivatives_of(*layers):
    """The derivative of the sum of the last layer by each layer's W."""
    Z = data
    for U in layers:
        Z = affine_(Z, U)
    backward(total(Z))
    return [U[0].grad for U in layers]


U, U1, U2 = tmap(Node, square), tmap(Node, square), tmap(Node, square)
shared, first, second = *derivatives_of(U, U)[:1], *derivatives_of(U1, U2)
print(f"shared: {shared[0].round(3)}\nfirst:  {first[0].round(3)}\nsecond: {second[0].round(3)}")
assert np.allclose(shared, first + second)

# %% [markdown] tags=["task"]
# ### Exercise: a residual layer
#
# Write the operation $\underset{N\times D}{Z} = X + XW + b$ with `U = (W, b)`, `W` $(D, D)$, `b`
# $(D,)$. Its argument `X` is used twice within one node. `back(dZ, dX, dU)` adds to three arrays.


# %% tags=["exercise"] id="residual"
def residual(X, U):
    """Z = X + X W + b and its back; X, Z (N, D), U = (W (D, D), b (D,))."""
    W, b = U
    ### BEGIN SOLUTION
    Z = X + X @ W + b
    ### END SOLUTION

    def back(dZ, dX, dU):
        dW, db = dU
        ### BEGIN SOLUTION
        dX += dZ + dZ @ W.T
        dW += X.T @ dZ
        db += dZ.sum(0)
        ### END SOLUTION

    return Z, back


# %% tags=["check"]
def residual_inputs(rng):
    for n in (4, 3):
        yield rng.normal(size=(n, 3)), (rng.normal(size=(3, 3)), rng.normal(size=3))


check_exercise(residual, residual_inputs, like=lambda X, U: mg.add((X, mg.affine(X, U))))

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Two ways lead from `X` to `Z`: straight, and through the affine map. `dX` gets a share from
# each.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $dX = dZ + dZ\,W^\top$; the shares of $W$ and $b$ are those of an affine map.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# `Z` is the affine map of `X`, plus `X`. In `back` there is one line for each of three arrays.
#
# </details>

# %% [raw] tags=["question"]
# gradients = ["dX", "dW", "db"]
# points = {signature = 1, shapes = 1, forward = 2, dX = 3, dW = 2, db = 1}
# hint = "Write the affine map's back first. Then ask what the + X adds to dX."
# [[mistake]]
# code = "straight way forgotten"
# stage = "dX"
# replace = "dX += dZ + dZ @ W.T"
# by = "dX += dZ @ W.T"
# says = "dX lacks the share of the straight way: X is also added to the result as it is."
# [[mistake]]
# code = "affine way forgotten"
# stage = "dX"
# replace = "dX += dZ + dZ @ W.T"
# by = "dX += dZ"
# says = "dX lacks the share that comes through W."
# [[mistake]]
# code = "W not transposed"
# stage = "dX"
# replace = "dZ @ W.T"
# by = "dZ @ W"
# says = "dZ goes back through the transpose of W. A square W hides it from NumPy."
# [[mistake]]
# code = "no X in the value"
# stage = "forward"
# replace = "X + X @ W + b"
# by = "X @ W + b"
# says = "The value is the affine map alone. A residual layer adds its input."
# [[mistake]]
# code = "mean for b"
# stage = "db"
# replace = "dZ.sum(0)"
# by = "dZ.mean(0)"
# says = "b is added to every row, so it gets the sum over the rows, not the mean."

# %% [markdown]
# Why would one add `X`? Stack twenty layers with small weights. Through affine maps alone, hardly
# anything of the derivative comes back to the data. The straight way brings it back.

# %%
small = [(0.1 * rng.normal(size=(3, 3)), np.zeros(3)) for _ in range(20)]
for name, layer in (("affine", affine_), ("residual", node(residual))):
    Xv = Node(data)
    Z = Xv
    for U in small:
        Z = layer(Z, U)
    backward(total(Z))
    print(f"{name:8} largest entry of dX after 20 layers: {np.abs(Xv.grad).max():.1e}")
    assert (np.abs(Xv.grad).max() > 0.1) == (name == "residual")

# %% [markdown]
# **Zero before each program.** `backward` begins with zeros. Without them, a second call adds to
# what is there, and not just once more: what was left in the middle of the graph comes down again
# as well.

# %%
model, loss = network(node, block)
Xv, U = tmap(Node, given)
(V1, c1), (V2, c2) = U
L = loss(model(Xv, U), T, (V1, V2))
backward(L)
once = {name: v.grad.copy() for name, v in (("db2", c2), ("db1", c1))}
backward(L)
assert np.array_equal(c1.grad, once["db1"])
for n in reversed(below(L)):
    n.step()  # a second time, without zeros
for name, v in (("db2", c2), ("db1", c1)):
    too_much = np.abs(v.grad).max() / np.abs(once[name]).max()
    print(f"{name} is {too_much:.1f} times what it should be")
assert np.allclose(c2.grad, 4 * once["db2"]) and np.allclose(c1.grad, 6 * once["db1"])

# %% [markdown]
# **Do not change values between forward and backward.** A `back` computes with the arrays that it
# saw. It holds them, not copies of them.

# %%
L = loss(model(Xv, U), T, (V1, V2))
V2.value *= 3  # too early
backward(L)
wrong = np.abs(V1.grad - theirs[1]).max() / np.abs(theirs[1]).max()
V2.value /= 3
print(f"dW1 is wrong by {wrong:.0%} of its largest entry, and nothing was said")
assert wrong > 0.1

# %% [markdown]
# ## What a back keeps alive
#
# A `back` that computes with `Z` keeps `Z` in memory until it has run. Which arrays are these?
# Python knows: they are in the *closure* of the function. For every node of the network, the
# arrays that no node before it keeps already:


# %%
def kept(n):
    """The arrays that the back of a node holds, by name."""
    cells = dict(zip(n._back.__code__.co_freevars, n._back.__closure__ or ()))
    found = [(name, a) for name, c in cells.items() for a in leaves(c.cell_contents)]
    return [(name, a) for name, a in found if isinstance(a, np.ndarray)]


L = loss(model(Xv, U), T, (V1, V2))
seen = set()
for n in below(L):
    if n._back:
        new = [(name, a) for name, a in kept(n) if id(a) not in seen]
        seen |= {id(a) for _, a in new}
        made = n._back.__qualname__.split(".")[0]
        print(f"{made:9}", ", ".join(f"{name} {a.shape}" for name, a in new) or "nothing new")

# %% [markdown]
# Look at `entropy`: it keeps `A`, and needs only its length. `n = len(A)` before `back` would do.
# The relu asks `Z > 0` and not `A > 0`: the next layer keeps `Z` anyway.
#
# Now the memory of a whole training step, of a network with twelve layers, measured whenever a
# layer runs forward or backward. A Node keeps its value and its derivative until it is thrown
# away. `mg.grad` frees each of them once it has been used.

# %%
import tracemalloc

depth, width, batch = 12, 64, 1000
stack = [(rng.normal(size=(width, width)) / 8, np.zeros(width)) for _ in range(depth)]
many = rng.normal(size=(batch, width))
readings = []


def watched(X, U):
    """affine, noting how much memory is in use when it runs, and when its back does."""
    readings.append(tracemalloc.get_traced_memory()[0] / 2**20)
    A, affine_back = affine.plain(X, U)

    def back(dA, dX, dU):
        readings.append(tracemalloc.get_traced_memory()[0] / 2**20)
        affine_back(dA, dX, dU)

    return A, back


# %%
layer = mg.node(watched)


def deep(U):
    Z = many
    for Ui in U:
        Z = mg.relu(layer(Z, Ui))
    return mg.sum(Z)


def measured(step):
    """MiB in use beyond what was before, at every reading of a step."""
    readings.clear()
    tracemalloc.start()
    step()
    tracemalloc.stop()
    return readings.copy()


# %%
memory = {
    "no Node: plain values": measured(lambda: deep(stack)),
    "L.backward()": measured(lambda: deep(mg.var(stack)).backward()),
    "mg.grad": measured(lambda: mg.grad(deep)(stack)),
}
for name, values in memory.items():
    print(f"{name:22} at most {max(values):5.1f} MiB, {len(values)} readings")
one = many.nbytes / 2**20
assert max(memory["no Node: plain values"]) < 4 * one < max(memory["mg.grad"]) - 10 * one
assert max(memory["L.backward()"]) > 1.5 * max(memory["mg.grad"])

# %% tags=["figure"]
page, (ax,) = figure(6.5, 3)
for (name, values), color, line in zip(memory.items(), (GREY, ORANGE, BLUE), ("-", "--", "-")):
    ax.plot(np.arange(1, len(values) + 1), values, color=color, ls=line, lw=2, label=name)
ax.axvline(depth + 0.5, color=INK, lw=0.8, ls=":")
for x, word, side in ((depth + 0.2, "forward", "right"), (depth + 0.8, "backward", "left")):
    ax.text(x, 0.98, word, transform=ax.get_xaxis_transform(), ha=side, va="top", fontsize=9)
ax.set(xlabel="layers run, first forward, then backward", ylabel="memory in use (MiB)")
ax.legend(frameon=False, fontsize=9, loc="upper left")
Picture(
    page, "Memory over a step: flat without Nodes, rising forward, falling backward with mg.grad."
)

# %% [markdown]
# ## What minigrad's engine does beyond
#
# It is the same machine, with answers to more questions:
#
# | question | here | minigrad |
# |---|---|---|
# | nests | tuples | lists, dicts and named tuples, too |
# | arguments without derivative | zeros, thrown away | `needed(dX)` skips the product |
# | a wrong `back` | trains on | `check` finds and names the mistake |
# | steps out of turn | wrong derivatives | an error that says what is missing |
# | NumPy functions on a Node | an error of NumPy | an error that names the operation to use |
# | memory | until the graph is thrown away | `grad` frees as it goes |
# | seeing it | | `program`, `show`, `watch` |
#
# PyTorch and others *add* to the derivative of a parameter in every backward call, and the user
# sets it to zero. minigrad starts from zero each time: two losses are added first.
#
# ## What was learned
#
# - An operation is one function: its value, and a `back` that adds to the derivatives of its
#   arguments.
# - The backward program is the forward program from behind. Blocks fold both in the same way.
# - The engine is small: remember arguments and back, number the nodes, go through them in
#   reverse.
# - It knows no operation, and an operation knows no engine. So you can write both.
#
# ## What broke when it was left out

# %%
print(f"only +=: with = first, and the lines moved, dW1 is wrong by {lost:.0%}")
print("array for a number: after += 1 it holds", number)
print("no rebinding: dA is", forgotten)
print("no overwriting: a * a gets", overwritten.grad, "for", 2 * overwritten.value)
print(f"all users first: {along[-1]} calls of back for {in_order[-1]} sums")
print(f"zeros first: db1 is {too_much:.0f} times what it should be")
print(f"values left alone until the backward is done: dW1 is wrong by {wrong:.0%}")

# %% [markdown]
# Next, lecture 4 takes one more node, the convolution, and finds that its back is a convolution
# too.
