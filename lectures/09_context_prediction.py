# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 9. Context prediction
#
# **Can a network learn what things look like from nothing but where one patch lies beside another,
# and how does it cheat?**
#
# Take two patches of an image. Where did the second one lie, seen from the first? Whoever knows
# that roofs are above doors can tell, and nobody has to label anything (Doersch, Gupta and Efros,
# ICCV 2015). You draw such pairs, build a network of two towers that share their weights, see it
# collapse and cure it, and look at what it has learned. Then you plant clues that have nothing to
# do with things, and it takes them. You need batches and momentum, convolution (lecture 4) and
# shared weights (lecture 6).

# %% tags=["setup"]
import numpy as np
import scipy.linalg
from minigrad.models.context_prediction import PAPER, shapes
from scipy.ndimage import gaussian_filter, zoom
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits, load_sample_image

import minigrad
from minigrad import affine, batchnorm, block, concatenate, conv, entropy, flatten, node, relu
from minigrad.data import cues, patch_pairs
from minigrad.learn import Momentum, gaussian, he
from minigrad.lectures import Picture, check_exercise, requires
from minigrad.stepper import figures
from minigrad.stepper.figures import BLUE, GREY, INK, ORANGE, RED

requires("0.1")

# %% [markdown]
# ## Eight places
#
# Patches lie on a grid: square, with a gap between them. The second patch is one of the eight
# neighbours of the first. The label $t$ counts them row by row, and leaves the middle out:
#
# | | | |
# |---|---|---|
# | 0: NW | 1: N | 2: NE |
# | 3: W | patch 1 | 4: E |
# | 5: SW | 6: S | 7: SE |
#
# Rows are counted downwards, as in every array, so *north* is a smaller row. Each patch is then
# moved by a few pixels at random, its *jitter*. In the paper a patch has $96\times 96$ pixels, the
# gap is 48, the jitter up to 7 in each direction; some patches are shrunk to as few as 100 pixels
# and enlarged again, so that the network bears coarse ones, too.
#
# > **On the slide:** the places are numbered from 1 to 8. A program's classes begin at 0, as ours.

# %% [markdown] tags=["task"]
# ### Exercise: where both patches lie
#
# Write `corners(p, t, step, J)` for $n$ pairs. `p` $(n, 2)$ is the place of the first patch on the
# grid, the row and the column of its upper left corner; `t` $(n,)$ the label; `step` the distance
# of neighbours on the grid, a patch and a gap; `J` $(n, 2, 2)$ the jitter of both patches, each a
# row and a column. All are whole numbers. Return the corners of both patches, $(n, 2, 2)$.


# %% tags=["exercise"] id="corners"
def corners(p, t, step, J):
    """Corners (row, column) of the patches of n pairs: (n, 2, 2); p (n, 2), t (n,), J (n, 2, 2)."""
    ### BEGIN SOLUTION
    cell = t + (t > 3)
    away = np.stack([cell // 3 - 1, cell % 3 - 1], axis=1)
    places = np.stack([p, p + step * away], axis=1) + J
    ### END SOLUTION
    return places


# %% tags=["check"]
NAMES = ["NW", "N", "NE", "W", "E", "SW", "S", "SE"]


def corners_inputs(rng):
    for n, step in ((8, 24), (12, 20)):
        p, J = rng.integers(40, 80, (n, 2)), rng.integers(-2, 3, (n, 2, 2))
        yield p, rng.permutation(np.arange(n) % 8), step, J


def by_compass(p, t, step, J):
    """The same from the names of the places, one by one."""
    both = []
    for (row, column), label, (first, second) in zip(p, t, J):
        down = ("S" in NAMES[label]) - ("N" in NAMES[label])
        right = ("E" in NAMES[label]) - ("W" in NAMES[label])
        there = row + step * down + second[0], column + step * right + second[1]
        both.append([(row + first[0], column + first[1]), there])
    return np.array(both)


check_exercise(corners, corners_inputs, like=by_compass)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Number all nine cells from 0 to 8, the middle too. What is the number of the cell of each label?
# Its row and its column follow by division.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# With $q$ the number of the cell, the offset on the grid is
# $(\lfloor q/3 \rfloor - 1,\; q \bmod 3 - 1)$. Only the second patch is offset; both jitter.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# Labels behind the middle belong to a cell with a number that is greater by one.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 7}
# [[mistake]]
# code = "middle counted"
# stage = "forward"
# replace = "cell = t + (t > 3)"
# by = "cell = t"
# says = "Label 4 is E, and this puts it on the first patch: the middle has no label."
# [[mistake]]
# code = "rows and columns exchanged"
# stage = "forward"
# replace = "[cell // 3 - 1, cell % 3 - 1]"
# by = "[cell % 3 - 1, cell // 3 - 1]"
# says = "Label 1 lies above, in a row before; this puts it to the left. Rows come first."
# [[mistake]]
# code = "y upwards"
# stage = "forward"
# replace = "cell // 3 - 1, cell"
# by = "1 - cell // 3, cell"
# says = "Rows are counted downwards: north is a smaller row, not a greater one."
# [[mistake]]
# code = "first seen from the second"
# stage = "forward"
# replace = "p + step * away"
# by = "p - step * away"
# says = "The label says where the second patch lies, seen from the first. This is the reverse."
# [[mistake]]
# code = "one jitter for both"
# stage = "forward"
# replace = "axis=1) + J"
# by = "axis=1) + J[:, :1]"
# says = "Moved together, the two patches keep their distance: each has a jitter of its own."

# %% tags=["figure"]
photo = load_sample_image("china.jpg") / 255  # (427, 640, 3)
rng = np.random.default_rng(2)
t = np.arange(8)
middle = np.tile([165, 290], (8, 1))
J = rng.integers(-7, 8, (8, 2, 2))
J[:, 0] = J[0, 0]  # the first patch is the same for all eight
page, (ax,) = figures.figure(7, 4.8)
figures.picture(ax, photo)
for jitter, line, width in ((0 * J, ":", 1), (J, "-", 2)):
    for both in corners(middle, t, 144, jitter):
        for (row, column), color in zip(both, (BLUE, ORANGE)):
            x, y = column + np.array([0, 96, 96, 0, 0]), row + np.array([0, 0, 96, 96, 0])
            ax.plot(x, y, color="white" if line == ":" else color, ls=line, lw=width)
for label, (row, column) in enumerate(corners(middle, t, 144, J)[:, 1]):
    box = {"facecolor": "white", "edgecolor": ORANGE, "boxstyle": "circle"}
    ax.text(column + 48, row + 48, label, ha="center", va="center", color=INK, bbox=box)
Picture(
    page,
    "A photograph with a blue square in the middle and eight orange ones around it, numbered 0 to "
    "7 row by row; each is a little off its place on the dotted grid.",
)

# %% [markdown]
# Exchange the two patches, and the label $t$ becomes $7 - t$: what lay in the north-west now lies
# in the south-east. So each pair serves twice. It also says that the order of the inputs matters.

# %%
one, two = corners(middle, t, 144, J).transpose(1, 0, 2)
back = corners(middle + 144 * (by_compass(0 * middle, t, 1, 0 * J)[:, 1]), 7 - t, 144, J[:, ::-1])
print("second, first:", *(f"{NAMES[k]} -> {NAMES[7 - k]}" for k in t), sep="  ")
assert (back == np.stack([two, one], axis=1)).all()

# %% [markdown]
# ## A small world
#
# The paper takes ImageNet and four weeks on a GPU. We have seconds, so we make a world in which
# place and look belong together: the keys of a telephone, 1 to 9. Each key is a handwritten digit,
# light or dark, in a colour of its own, on a ground of coloured noise. East of a 5 there is a 6.
# Nobody tells the network what a 6 is, nor that there are digits at all.

# %%
SIDE, GAP, JITTER, EDGE = 16, 4, 2, 8  # of a patch, and around the keys
STEP, SIZE = SIDE + GAP, 2 * EDGE + 3 * SIDE + 2 * GAP  # 20, 72
scans = load_digits()
LARGE = np.stack([zoom(scan / 16, 2, order=1) for scan in scans.images]).clip(0, 1)  # 16 x 16
order = np.random.default_rng(0).permutation(len(LARGE))
LEARN, TEST = order[:900], order[900:]


def noise(n, rng, contrast):
    """Images (n, 3, SIZE, SIZE) about 0.5: coloured noise that is alike everywhere."""
    N = gaussian_filter(rng.normal(size=(n, 3, SIZE, SIZE)), (0, 0, 1.2, 1.2), mode="wrap")
    mix = 0.35 * rng.normal(size=(n, 3, 3)) + [1, 0, 0]  # mostly a grey, and colours
    mixed = np.einsum("nij,njhw->nihw", mix, N / N.std((2, 3), keepdims=True))
    return 0.5 + contrast * mixed


# %%
def telephones(n, scanned, rng, shuffled=False):
    """Images (n, 3, SIZE, SIZE) of nine keys, and which digits these are (n, 9)."""
    X, keys = noise(n, rng, 0.06), np.tile(np.arange(1, 10), (n, 1))
    if shuffled:
        keys = rng.permuted(keys, axis=1)
    for image, row in zip(X, keys):
        for cell, key in enumerate(row):
            y, x = EDGE + STEP * (cell // 3), EDGE + STEP * (cell % 3)
            ink = LARGE[rng.choice(scanned[scans.target[scanned] == key])]
            low = rng.choice([0, 0.75])
            colour = rng.uniform(low, low + 0.25, (3, 1, 1))
            image[:, y : y + SIDE, x : x + SIDE] *= 1 - ink
            image[:, y : y + SIDE, x : x + SIDE] += ink * colour
    return X, keys


rng = np.random.default_rng(1)
X, _ = telephones(300, LEARN, rng)
X_test, _ = telephones(150, TEST, rng)  # digits that nobody has seen
print(f"{len(X)} telephones to learn from, {len(X_test)} to test with: {X.shape[1:]}")

# %% [markdown]
# A batch: labels uniform, so that a guess is right in 12.5 % and costs $\ln 8 = 2.079$; then a
# first patch that has this neighbour; then the jitter.


# %%
def cut(X, i, p):
    """Patches (n, 3, SIDE, SIDE) of the images i (n,) at the corners p (n, 2)."""
    windows = np.lib.stride_tricks.sliding_window_view(X, (SIDE, SIDE), axis=(2, 3))
    y, x = p.astype(int).T
    return windows[i, :, y, x]


def pairs(X, n, rng):
    """First patches, second patches, labels of n pairs."""
    t, i = rng.integers(8, size=n), rng.integers(len(X), size=n)
    middle = np.full((n, 2), EDGE + STEP)
    away = np.sign(np.diff(corners(middle, t, STEP, np.zeros((n, 2, 2), int)), axis=1)[:, 0])
    grid = rng.integers(np.maximum(0, -away), 3 - np.maximum(0, away))  # rows, columns 0 to 2
    both = corners(EDGE + STEP * grid, t, STEP, rng.integers(-JITTER, JITTER + 1, (n, 2, 2)))
    return cut(X, i, both[:, 0]), cut(X, i, both[:, 1]), t


# %% tags=["figure"]
A, B, t = pairs(X, 4, np.random.default_rng(11))
page, axes = figures.figure(7.5, 3.7, columns=4, rows=2)
for ax, image in zip(axes, X):
    figures.picture(ax, image.transpose(1, 2, 0).clip(0, 1))
for ax, first, second, label in zip(axes[4:], A, B, t):
    figures.picture(ax, figures.sheet(np.stack([first, second]), 2), f"label {label}")
Picture(
    page, "Four telephones with digits as keys, in many colours; four pairs of patches of them."
)

# %% [markdown]
# ## Two towers
#
# Each patch goes through a *tower*, convolutions and a layer of features. Both towers have the same
# weights: it is one function, called twice. Only then the features are joined and classified. This
# *late fusion* is on purpose: a feature is of one patch, so that it can be used for any patch.
#
# $$\underset{n\times d}{F} = g(X_1;\theta),\qquad \underset{n\times d}{G} = g(X_2;\theta),\qquad
# \underset{n\times k}{S} = [\,F\;\;G\,]\;\underset{2d\times k}{V}$$
#
# > **On the slide:** "only two layers receive input from both patches". The figure has three behind
# > the fusion, fc7, fc8 and fc9; the third is the classifier.
#
# > **On the slide:** conv2 has 384 maps and stride 2. The paper then says that an image of
# > $227\times 227$ gives $7\times 7$ behind pool5. With stride 2 it would be $3\times 3$. The
# > authors' program has 256 maps and stride 1, and that gives 7.


# %%
def behind_pool5(side, stride):
    """The side of the maps behind pool5; pools round up, as Caffe does."""
    side = (side + 2 * 5 - 11) // 4 + 1  # conv1
    side = -(-(side - 3) // 2) + 1  # pool1
    side = (side + 2 * 2 - 5) // stride + 1  # conv2
    side = -(-(side - 3) // 2) + 1  # pool2, then conv3 to conv5 keep it
    return -(-(side - 3) // 2) + 1


for stride in (2, 1):
    print(f"conv2 with stride {stride}: 227 becomes {behind_pool5(227, stride)}", end=", ")
    print(f"96 becomes {behind_pool5(96, stride)}")
assert (behind_pool5(227, 2), behind_pool5(227, 1)) == (3, 7)

# %% [markdown] tags=["task"]
# ### Exercise: the fusion
#
# Write the operation `fuse(F, G, V)`: its value $S = [F\;G]\,V$ $(n, k)$ and its `back`, which adds
# to `dF`, `dG` $(n, d)$ and `dV` $(2d, k)$. The first patch has the upper half of `V`.


# %% tags=["exercise"] id="fuse"
@node
def fuse(F, G, V):
    """S = [F G] V, features of both patches side by side; F, G (n, d), V (2 d, k), S (n, k)."""
    d = F.shape[1]
    ### BEGIN SOLUTION
    S = F @ V[:d] + G @ V[d:]

    def back(dS, dF, dG, dV):
        dF += dS @ V[:d].T
        dG += dS @ V[d:].T
        dV[:d] += F.T @ dS
        dV[d:] += G.T @ dS

    ### END SOLUTION
    return S, back


# %% tags=["check"]
def fuse_inputs(rng):
    yield tuple(rng.normal(size=shape) for shape in ((4, 3), (4, 3), (6, 2)))
    yield tuple(rng.normal(size=shape) for shape in ((3, 3), (3, 3), (6, 3)))


check_exercise(fuse, fuse_inputs, like=lambda F, G, V: np.hstack([F, G]) @ V)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Two features side by side times a matrix are two products: of each feature with its half.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# With $V = [V_1; V_2]$: $dF = dS\,V_1^\top$, $dG = dS\,V_2^\top$, $dV_1 = F^\top dS$,
# $dV_2 = G^\top dS$.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# The value: `F` times the first `d` rows of `V`, plus `G` times the others.
#
# </details>

# %% [raw] tags=["question"]
# gradients = ["dF", "dG", "dV"]
# points = {signature = 1, shapes = 1, forward = 2, dF = 2, dG = 2, dV = 2}
# [[mistake]]
# code = "towers exchanged"
# stage = "forward"
# replace = "F @ V[:d] + G @ V[d:]"
# by = "G @ V[:d] + F @ V[d:]"
# says = "The first patch has the upper half of V. Exchanged, every label t becomes 7 - t."
# [[mistake]]
# code = "one half for both"
# stage = "dG"
# replace = "dG += dS @ V[d:].T"
# by = "dG += dS @ V[:d].T"
# says = "The second patch went through the lower half of V, and so does its gradient."
# [[mistake]]
# code = "half of V"
# stage = "dV"
# replace = "dV[d:] += G.T @ dS"
# by = "pass"
# says = "The lower half of V gets nothing: it was used too, with G."
# [[mistake]]
# code = "overwritten"
# stage = "dF"
# replace = "dF += dS"
# by = "dF[...] = dS"
# says = "A gradient is added, not written: who else used F has added to dF already."

# %% [markdown]
# The weights of the tower are used twice, and we write nothing for it: the engine adds the two
# gradients. Untied, with two copies of the weights, each copy gets its share.

# %%
rng = np.random.default_rng(0)
A, B, t = rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), np.array([0, 1, 2])
start, V_start = rng.normal(size=(4, 2)), rng.normal(size=(4, 3))


def tiny(W1, W2, V):
    """The loss of two small towers with weights W1 and W2."""
    return entropy(fuse(relu(A @ W1), relu(B @ W2), V), t)


W, V = minigrad.var((start, V_start))
W1, W2, V_untied = minigrad.var((start.copy(), start.copy(), V_start.copy()))
tiny(W, W, V).backward()
tiny(W1, W2, V_untied).backward()
print("tied:\n", W.grad.round(4), "\nthe first copy plus the second:")
print((W1.grad + W2.grad).round(4))
assert np.allclose(W.grad, W1.grad + W2.grad) and np.allclose(V.grad, V_untied.grad)

# %% [markdown]
# Step through it, with the library's operations. On the way back `dW` is written twice, once by
# each tower.

# %%
W, V = minigrad.var((start, V_start))
F = relu(A @ W)
G = relu(B @ W)
S = concatenate((F, G), 1) @ V
L = entropy(S, t)
minigrad.show(L)

# %% [markdown]
# ## Batch normalisation without scale and shift
#
# The paper's network first did not learn at all: "the network predictions would degenerate to a
# uniform prediction over the 8 categories, with all activations for fc6 and fc7 collapsing to 0."
# The cure is to give every unit mean 0 and variance 1 over the batch, and not to let it have a
# scale or a shift of its own, by which it could go back to 0. With $m$ values for a unit:
#
# $$\underset{n\times k}{Z} = \frac{A - \bar a}{s},\qquad \bar a = \frac1m \sum A,\qquad
# s^2 = \frac1m\sum (A - \bar a)^2 + 10^{-5},$$
#
# $$\underset{n\times k}{dA} = \frac1s\Big(dZ - \frac1m\sum dZ - Z\,\frac1m\sum dZ\odot Z\Big).$$
#
# Neither a shift nor a scale of $A$ changes $Z$, so the gradient has no part along them. A bias
# before it is of no use: the mean takes it out again.

# %% [markdown] tags=["task"]
# ### Exercise: mean 0, variance 1
#
# Write the operation `standard(A)` and its `back(dZ, dA)`. `A` is $(n, k)$, units in columns, or
# $(n, k, h, w)$, maps, where the mean is over all pixels of the batch. `axes` are the axes over
# which it is taken.


# %% tags=["exercise"] id="standard"
@node
def standard(A):
    """A with mean 0, variance 1 of each unit over the batch; A, Z (n, k) or (n, k, h, w)."""
    axes = (0,) if A.ndim == 2 else (0, 2, 3)
    ### BEGIN SOLUTION
    C = A - A.mean(axis=axes, keepdims=True)
    s = np.sqrt((C * C).mean(axis=axes, keepdims=True) + 1e-5)
    Z = C / s

    def back(dZ, dA):
        along = Z * (dZ * Z).mean(axis=axes, keepdims=True)
        dA += (dZ - dZ.mean(axis=axes, keepdims=True) - along) / s

    ### END SOLUTION
    return Z, back


# %% tags=["check"]
def standard_inputs(rng):
    yield (2 + 3 * rng.normal(size=(5, 3)),)
    yield (1 - 2 * rng.normal(size=(3, 3)),)
    yield (0.5 * rng.normal(size=(3, 2, 2, 3)),)


check_exercise(standard, standard_inputs, like=lambda A: batchnorm(A, None))

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Subtract the mean, divide by the deviation. On the way back both depend on `A`, too.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# It stands above the exercise. The square root is taken of the variance plus $10^{-5}$.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# `C` is `A` without its mean over `axes`; keep the axes, so that it can be subtracted.
#
# </details>

# %% [raw] tags=["question"]
# gradients = ["dA"]
# points = {signature = 1, shapes = 1, forward = 2, dA = 4}
# hint = "Z does not change if A is shifted or scaled: what does that say of dA?"
# [[mistake]]
# code = "variance for deviation"
# stage = "forward"
# replace = "s = np.sqrt((C * C).mean(axis=axes, keepdims=True) + 1e-5)"
# by = "s = (C * C).mean(axis=axes, keepdims=True) + 1e-5"
# says = "This divides by the variance. Its root, the deviation, makes the variance 1."
# [[mistake]]
# code = "mean kept"
# stage = "forward"
# replace = "C = A - A.mean(axis=axes, keepdims=True)"
# by = "C = A"
# says = "The mean is still there: subtract it first."
# [[mistake]]
# code = "mean held fixed"
# stage = "dA"
# replace = "dZ - dZ.mean(axis=axes, keepdims=True) - along"
# by = "dZ - along"
# says = "The mean depends on A, too: the mean of dZ is missing. A shift of A must change nothing."
# [[mistake]]
# code = "deviation held fixed"
# stage = "dA"
# replace = "keepdims=True) - along) / s"
# by = "keepdims=True)) / s"
# says = "The deviation depends on A, too: its term is missing. A scale of A must change nothing."
# [[mistake]]
# code = "not divided"
# stage = "dA"
# replace = "- along) / s"
# by = "- along)"
# says = "Z is divided by s, and so is the gradient."

# %% [markdown]
# ## Learning, and the collapse
#
# The tower has two convolutions with stride 2 and a layer of 64 features, the paper's fc6; then
# come the fusion (fc7) and the classifier. All weights begin small, with deviation 0.01, as those
# of AlexNet did.


# %%
@block
def tower(X, U, *, norm):
    """Features (n, 64) of patches X (n, 3, 16, 16); norm: what is done before each relu."""
    Z = relu(norm(conv(X, (U[0], None), stride=2, padding=2)))
    Z = relu(norm(conv(Z, (U[1], None), stride=2, padding=1)))
    return relu(norm(flatten(Z) @ U[2]))


@block
def fused(A, B, U, *, norm):
    """The units (n, 64) that see both patches."""
    F, G = tower(A, U, norm=norm), tower(B, U, norm=norm)
    return relu(norm(fuse(F, G, U[3])))


def small(shape, rng):
    return gaussian(shape, rng, 0.01)


def initial(rng, draw=small):
    shapes = (16, 3, 5, 5), (32, 16, 3, 3), (512, 64), (128, 64), (64, 8)
    return (*(draw(shape, rng) for shape in shapes), np.zeros(8, np.float32))


# %%
def plain(A, rng):
    """Patches as a network likes them."""
    return (4 * (A - 0.5)).astype(np.float32)


def learn(X, prepare=plain, norm=standard, draw=small, steps=300, batch=96):
    """Weights, and of each step (loss, mean deviation of the fused units over the batch)."""
    rng = np.random.default_rng(0)
    U, rows = initial(rng, draw), []
    rule = Momentum(U, 0.9)

    def cost(U, A, B, t):
        Z = fused(A, B, U, norm=norm)
        rows.append([minigrad.detach(Z).std(0).mean()])
        return entropy(affine(Z, U[4:]), t)

    for step in range(steps):
        A, B, t = pairs(X, batch, rng)
        value, gradient = minigrad.value_and_grad(cost)(U, prepare(A, rng), prepare(B, rng), t)
        rule.step(gradient, 0.1 * (1 - step / steps))
        rows[-1].append(float(value))
    return U, np.array(rows)[:, ::-1]


# %%
def accuracy(U, X, prepare=plain, norm=standard):
    """The share of 2000 pairs of X whose place is told right."""
    rng = np.random.default_rng(5)
    A, B, t = pairs(X, 2000, rng)
    S = affine(fused(prepare(A, rng), prepare(B, rng), U, norm=norm), U[4:])
    return (S.argmax(1) == t).mean()


nothing = lambda A: A
runs = {
    "with": learn(X),
    "without": learn(X, norm=nothing, steps=150),
    "without, larger weights": learn(X, norm=nothing, draw=he, steps=150),
}
kinds = dict(zip(runs, (standard, nothing, nothing)))
right = {name: accuracy(runs[name][0], X_test, norm=kinds[name]) for name in runs}
print(f"a guess: loss {np.log(8):.3f}, accuracy 12.5 %")
for name, (_, rows) in runs.items():
    print(
        f"{name:24} loss {rows[-10:, 0].mean():.3f}, deviation {rows[-10:, 1].mean():.0e}", end=""
    )
    print(f", accuracy on unseen telephones {right[name]:.1%}")

# %% [markdown]
# Without it the loss stands at $\ln 8$. The fused units are the same for every pair, up to a
# deviation that is next to nothing, so nothing can be told from them; and what would have to change
# gets a gradient that is a product of small weights. With it every unit *must* differ from pair to
# pair, whatever the size of the weights. (The 2000
# pairs are normalised by their own mean and deviation, as a batch; the library keeps running ones.)
#
# It depends on these weights. With He's, which keep the deviation from layer to layer, our little
# network learns without normalisation too, only more slowly. The paper's network is much deeper; how
# its weights began, the paper does not say. Beside the normalisation it takes a momentum of .999:
# each step is made of about a thousand gradients.

# %%
stuck, held = runs["without"][1], runs["with"][1]
larger = runs["without, larger weights"][1]
print(
    f"step 150: loss {held[140:150, 0].mean():.2f} with, {larger[-10:, 0].mean():.2f} without",
    end="",
)
print(", larger weights")
assert abs(stuck[-10:, 0].mean() - np.log(8)) < 0.02 and stuck[-10:, 1].mean() < 1e-4
assert held[-10:, 1].min() > 0.1 and right["with"] > 0.5 > 0.2 > right["without"]
assert held[140:150, 0].mean() < larger[-10:, 0].mean() < stuck[-10:, 0].mean()

# %% tags=["figure"]
page, axes = figures.figure(7.5, 3, columns=2)
looks = dict(zip(runs, ((BLUE, "-"), (RED, "--"), (GREY, "-."))))
for ax, k, title in zip(axes, (0, 1), ("loss", "deviation of the fused units over the batch")):
    for name, (_, rows) in runs.items():
        color, line = looks[name]
        ax.plot(rows[:, k], color=color, ls=line, lw=1.5, label=name)
    ax.set_title(title, fontsize=10, color=INK, loc="left")
    ax.set_xlabel("step")
axes[0].axhline(np.log(8), color=INK, lw=0.8, ls=":")
axes[0].set_ylim(0, 2.4)
axes[1].set_yscale("log")
axes[0].legend(frameon=False, fontsize=9, loc="lower left")
Picture(
    page,
    "Loss: flat at ln 8 without normalisation from small weights, falling for both others; the "
    "deviations beside.",
)

# %% [markdown]
# ## What it has learned
#
# Cut the classifier off and keep the tower: 64 features of *one* patch. Which patches does it
# find alike? The paper compares by normalised correlation: of a query $q$ and a patch's features
# $f$, each without its own mean,
#
# $$\underset{1\times 1}{r} = \frac{(q - \bar q)^\top (f - \bar f)}{\|q - \bar q\|\,\|f - \bar f\|}.$$

# %% [markdown] tags=["task"]
# ### Exercise: nearest patches
#
# Write `nearest(Q, F, k)`: for each query of `Q` $(q, d)$ the `k` rows of `F` $(n, d)$ of greatest
# normalised correlation, greatest first. Return their numbers, $(q, k)$. No row is constant, and no
# two correlations are equal.


# %% tags=["exercise"] id="nearest"
def nearest(Q, F, k):
    """Numbers of the k rows of F (n, d) that correlate most with each row of Q (q, d): (q, k)."""
    ### BEGIN SOLUTION
    Q = Q - Q.mean(axis=1, keepdims=True)
    F = F - F.mean(axis=1, keepdims=True)
    R = Q @ F.T / np.sqrt((F * F).sum(axis=1))
    near = np.argsort(-R, axis=1)[:, :k]
    ### END SOLUTION
    return near


# %% tags=["check"]
def nearest_inputs(rng):
    for q, n, d, k in ((6, 20, 5, 4), (8, 30, 3, 6)):
        Q, F = rng.normal(size=(q, d)), rng.normal(size=(n, d)) * rng.uniform(0.2, 3, (n, 1))
        yield Q + rng.normal(size=(q, 1)), F + 3 * rng.normal(size=(n, 1)), k


def by_scipy(Q, F, k):
    """The same from the library's distances, 1 - r."""
    return cdist(Q, F, "correlation").argsort(1)[:, :k]


check_exercise(nearest, nearest_inputs, like=by_scipy)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Take each row's own mean away, and one matrix product gives all numerators. The length of the
# query divides all of its candidates alike, so it changes no order.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# It stands above the exercise; column $j$ of the products is divided by the length of row $j$.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# From each row of `Q` its mean over the features is subtracted; the axis is kept.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 7}
# [[mistake]]
# code = "mean kept"
# stage = "forward"
# replace = "F = F - F.mean(axis=1, keepdims=True)"
# by = "F = 1 * F"
# says = "A candidate's mean is still in it; this is the cosine with it, not the correlation."
# [[mistake]]
# code = "length kept"
# stage = "forward"
# replace = " / np.sqrt((F * F).sum(axis=1))"
# by = ""
# says = "Long features win, whatever they look like: divide by the length of each candidate."
# [[mistake]]
# code = "mean over the samples"
# stage = "forward"
# replace = "F = F - F.mean(axis=1, keepdims=True)"
# by = "F = F - F.mean(axis=0)"
# says = "This takes the mean of each feature over all candidates. Each row has a mean of its own."
# [[mistake]]
# code = "farthest"
# stage = "forward"
# replace = "np.argsort(-R, axis=1)"
# by = "np.argsort(R, axis=1)"
# says = "These are the least alike: sorting ascends, and a great correlation is near."

# %% [markdown]
# A fair test needs keys that do not tell the digit by their place: telephones with *shuffled* keys.
# Each unseen digit asks for its five nearest among digits that were learned from. How many are the
# same digit? Beside the tower stand raw pixels, and the same tower with random weights.


# %%
def keys_of(X, keys, n, rng):
    """n patches with a key each, and which digits these are."""
    i, cell = rng.integers(len(X), size=n), rng.integers(9, size=n)
    p = EDGE + STEP * np.stack([cell // 3, cell % 3], axis=1)
    return cut(X, i, p + rng.integers(-JITTER, JITTER + 1, (n, 2))), keys[i, cell]


def tower_of(U, prepare=plain, norm=standard):
    """Patches -> features of a network."""
    return lambda A: tower(prepare(A, np.random.default_rng(0)), U, norm=norm)


rng_of = np.random.default_rng


def same_digit(features, G, g, Q, q):
    """The share of the five nearest that show the same digit."""
    known, asked = keys_of(G, g, 2000, np.random.default_rng(8)), keys_of(Q, q, 800, rng_of(9))
    near = nearest(features(asked[0]), features(known[0]), 5).astype(int)
    return (known[1][near] == asked[1][:, None]).mean()


# %%
mixed, mixed_keys = telephones(150, LEARN, rng_of(2), shuffled=True)
unseen, unseen_keys = telephones(150, TEST, rng_of(3), shuffled=True)
judged = {
    "context": tower_of(runs["with"][0]),
    "raw pixels": lambda A: A.reshape(len(A), -1),
    "random weights": tower_of(initial(rng_of(99))),
}
share = {n: same_digit(f, mixed, mixed_keys, unseen, unseen_keys) for n, f in judged.items()}
print("  ".join(f"{name}: {found:.1%}" for name, found in share.items()))
assert share["context"] > share["raw pixels"] + 0.05 > share["random weights"] + 0.1

# %% tags=["figure"]
asked, asked_digits = keys_of(unseen, unseen_keys, 800, rng_of(9))
known, known_digits = keys_of(mixed, mixed_keys, 2000, rng_of(8))
# of each digit the sixth that comes: their shares are near those of all 800
queries = np.array([np.flatnonzero(asked_digits == digit)[5] for digit in range(1, 10)])
found = {}
for name, features in judged.items():
    found[name] = 800 + nearest(features(asked)[queries], features(known), 7).astype(int)
T = np.concatenate([asked_digits, known_digits])
Picture(
    figures.query_rows(np.concatenate([asked, known]), queries, found, T),
    "Nine digits and their seven nearest by the context's features, by raw pixels and by random "
    "weights; those that show another digit are framed red.",
)

# %% [markdown]
# The tower has never seen a label of a digit. It was asked where patches lie, and had to learn what
# they are.
#
# ## The lens
#
# Then the authors saw patches that were called alike and had nothing in common but their place in
# the image. Lenses bend colours differently. In some cameras the green of an image is a little
# smaller than red and blue, about the middle. At its rim, then, things have a green and a magenta
# fringe, and the side of the fringe tells where in the image the patch is. Who knows the places of
# both patches need not look at things.
#
# We plant this. Green is looked up a little farther from the middle, by 8 %: up to two or three
# pixels at the rim of our small images. A real lens shifts by a far smaller part of the image, but
# photographs have many more pixels. We train on images of noise, so that there is *nothing* else to
# learn from.


# %%
def lens(X, amount=0.08):
    """Images (n, 3, h, h) with green shrunk about the middle."""
    h = X.shape[2]
    y = (np.arange(h) - (h - 1) / 2) * (1 + amount) + (h - 1) / 2
    low = np.clip(np.floor(y).astype(int), 0, h - 2)
    part = np.clip(y, 0, h - 1) - low
    between = np.zeros((h, h))
    between[np.arange(h), low], between[np.arange(h), low + 1] = 1 - part, part
    X = X.copy()
    X[:, 1] = between @ X[:, 1] @ between.T
    return X


Y, Y_test = noise(100, rng_of(4), 0.15), noise(50, rng_of(5), 0.15)
clean = learn(Y, steps=150, batch=64)[0]
fooled = learn(lens(Y), steps=150, batch=64)[0]
on_noise = {"no lens": accuracy(clean, Y_test), "lens": accuracy(fooled, lens(Y_test))}
print("  ".join(f"noise, {name}: {value:.1%}" for name, value in on_noise.items()))
assert on_noise["no lens"] < 0.17 and on_noise["lens"] > 0.5

# %% [markdown]
# From noise that is alike everywhere the network tells how two patches lay. Now take it out again.
# Fringes are green against magenta: they lie along the colour $a = (-1, 2, -1)$. So the paper
# projects all colours on the plane at right angles to it. Pixels are rows $(r, g, b)$, $a$ is a
# row, too:
#
# $$\underset{3\times 3}{B} = I - \frac{a^\top a}{a\,a^\top}$$

# %% [markdown] tags=["task"]
# ### Exercise: the projection
#
# Write `project(X, a)`: the images `X` $(n, 3, h, w)$ with every pixel's colour multiplied by $B$,
# for any colour `a` $(3,)$ that is not 0.


# %% tags=["exercise"] id="project"
def project(X, a):
    """Images X (n, 3, h, w) without the part of their colours along a (3,)."""
    ### BEGIN SOLUTION
    B = np.eye(3) - np.outer(a, a) / (a @ a)
    Y = np.einsum("ij,njhw->nihw", B, X)
    ### END SOLUTION
    return Y


# %% tags=["check"]
def project_inputs(rng):
    yield rng.uniform(size=(2, 3, 4, 5)), np.array([-1.0, 2.0, -1.0])
    yield rng.uniform(size=(3, 3, 3, 3)), rng.normal(size=3)


def on_the_plane(X, a):
    """The same from two colours of length 1 at right angles to a and to each other."""
    return sum(
        (X * c.reshape(3, 1, 1)).sum(1, keepdims=True) * c.reshape(3, 1, 1)
        for c in scipy.linalg.null_space(a[None]).T
    )


check_exercise(project, project_inputs, like=on_the_plane)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# How much of `a` is in a colour? So many times `a` is subtracted.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# With a vector of one axis, $a^\top a$ is an outer product $(3, 3)$, and $a\,a^\top$ a number.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# `B` is the identity minus the outer product of `a` with itself, divided by the squared length.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 7}
# [[mistake]]
# code = "not divided"
# stage = "forward"
# replace = "np.outer(a, a) / (a @ a)"
# by = "np.outer(a, a)"
# says = "Without the division by the squared length of a this is no projection."
# [[mistake]]
# code = "length for its square"
# stage = "forward"
# replace = "/ (a @ a)"
# by = "/ np.sqrt(a @ a)"
# says = "Divided by the length of a; it is the squared length that belongs there."
# [[mistake]]
# code = "the part along a"
# stage = "forward"
# replace = "np.eye(3) - np.outer"
# by = "np.outer"
# says = "This is the part of the colour along a, which should go. What remains is asked for."
# [[mistake]]
# code = "reflected"
# stage = "forward"
# replace = "np.eye(3) - np"
# by = "np.eye(3) - 2 * np"
# says = "Subtracted twice, the colour is reflected, and its part along a is as large as before."

# %%
AXIS = np.array([-1.0, 2.0, -1.0])
B = project(np.eye(3).reshape(3, 3, 1, 1), AXIS)[..., 0, 0].T
print("6 B =\n", (6 * B).round(12) + 0.0)
grey = project(np.full((1, 3, 1, 1), 0.4), AXIS).ravel()
print(f"a becomes {(B @ AXIS).round(12) + 0.0}, grey 0.4 becomes {grey.round(12)}")
assert np.allclose(B @ B, B) and np.allclose(B @ AXIS, 0) and np.allclose(grey, 0.4)
assert np.allclose(6 * B, [[5, 2, -1], [2, 2, 2], [-1, 2, 5]])
for name in ("china", "flower"):
    colours = load_sample_image(f"{name}.jpg").reshape(-1, 3) / 255
    lost = 1 - (colours @ B).var(0).sum() / colours.var(0).sum()
    print(f"{name}: {lost:.1%} of the variance of its colours goes")

# %% tags=["figure"]
keys = X_test[3:4]
stages = {
    "a telephone": keys,
    "behind the lens": lens(keys),
    "projected": project(lens(keys), AXIS),
}
page, axes = figures.figure(8.4, 3, columns=3)
for ax, (name, image) in zip(axes, stages.items()):
    figures.picture(ax, image[0].transpose(1, 2, 0).clip(0, 1), name)
Picture(
    page,
    "A telephone; behind the lens its outer keys have green and magenta rims; projected, the rims "
    "are gone, and with them all that was green or magenta.",
)

# %% [markdown]
# Grey stays grey, and of the two photographs little is lost. The other remedy, *colour dropping*, keeps one
# of the three channels of each patch, drawn at random, and puts noise in place of the others, with
# a hundredth of its deviation.


# %%
def projected(A, rng):
    return plain(project(A, AXIS), rng)


def dropped(A, rng):
    """Patches of which one channel is left."""
    here, kept = np.arange(len(A)), rng.integers(3, size=len(A))
    alone = A[here, kept]  # (n, h, w)
    A = 0.5 + rng.normal(size=A.shape) * alone.std((1, 2)).reshape(-1, 1, 1, 1) / 100
    A[here, kept] = alone
    return plain(A, rng)


remedies = {"projection": projected, "dropping": dropped}
cured = {name: learn(lens(Y), f, steps=150, batch=64)[0] for name, f in remedies.items()}
for name, f in remedies.items():
    on_noise[f"lens, {name}"] = accuracy(cured[name], lens(Y_test), f)
for name, value in on_noise.items():
    print(f"noise, {name:16} {value:.1%}")
assert max(on_noise["lens, projection"], on_noise["lens, dropping"]) < 0.17

# %% [markdown]
# ## Where on the lens?
#
# Does the tower know the *absolute* place? Fit a linear map from its features to the place of the
# patch, from -1 to 1 across the image, and test it on other noise. The paper trains a network for
# this: its error (root mean square) is .255 on the best tenth of the images, .371 for always saying
# the middle, and .321 after projection.


# %%
def anywhere(X, n, rng):
    """Patches from anywhere in the images, and their places (row, column) from -1 to 1."""
    p = rng.integers(EDGE - JITTER, SIZE - SIDE - EDGE + JITTER, (n, 2))
    return cut(X, rng.integers(len(X), size=n), p), (p + (SIDE - SIZE) / 2) / (SIZE / 2)


def place_reader(features, X):
    """Patches -> places: least squares on features."""
    A, places = anywhere(X, 2000, rng_of(6))
    with_one = lambda A: np.c_[features(A), np.ones(len(A))]
    line = np.linalg.lstsq(with_one(A), places, rcond=None)[0]
    return lambda A: with_one(A) @ line


readers = {
    "lens": place_reader(tower_of(fooled), lens(Y)),
    "lens, projection": place_reader(tower_of(cured["projection"], projected), lens(Y)),
}
A, places = anywhere(lens(Y_test), 1000, rng_of(7))
error = {name: np.sqrt(((reader(A) - places) ** 2).mean()) for name, reader in readers.items()}
middle = np.sqrt((places**2).mean())
print(f"always the middle: {middle:.3f};", ", ".join(f"{k}: {v:.3f}" for k, v in error.items()))
assert error["lens"] < 0.6 * middle and error["lens, projection"] > 0.95 * middle

# %% tags=["figure"]
grid = np.stack(np.meshgrid(*[np.arange(6, 51, 8)] * 2, indexing="ij"), -1).reshape(-1, 2)
truth = (grid + (SIDE - SIZE) / 2) / (SIZE / 2)
seen = lens(Y_test)
page, axes = figures.figure(7.5, 3.6, columns=2)
for ax, (name, reader) in zip(axes, readers.items()):
    said = np.mean([reader(cut(seen, np.full(len(grid), i), grid)) for i in range(8)], axis=0)
    for (y, x), (v, u) in zip(truth, said):
        ax.plot([x, u], [y, v], color=GREY, lw=0.8)
    ax.scatter(*truth.T[::-1], s=14, facecolor="white", edgecolor=GREY, zorder=3)
    ax.scatter(*said.T[::-1], s=16, color=ORANGE, zorder=4)
    ax.set(xlim=(-0.7, 0.7), ylim=(0.7, -0.7), aspect="equal")
    ax.set_axis_off()
    ax.set_title(name, fontsize=10, color=INK, loc="left")
Picture(
    page,
    "Places of patches of noise as circles, joined with where the network puts them, orange: near "
    "their places behind the lens, all in the middle after projection.",
)

# %% [markdown]
# ## What the cheat costs
#
# On telephones the network has a choice: what the keys show, or how the lens colours them. It takes
# what is easier.

# %%
key_nets = {
    "no lens": (runs["with"][0], X_test, plain),
    "lens": (learn(lens(X))[0], lens(X_test), plain),
    "lens, projection": (learn(lens(X), projected)[0], lens(X_test), projected),
}
told = {name: accuracy(*args) for name, args in key_nets.items()}
digit = {}
for name, (U, _, prepare) in key_nets.items():
    behind = (lambda X: X) if name == "no lens" else lens
    digit[name] = same_digit(
        tower_of(U, prepare), behind(mixed), mixed_keys, behind(unseen), unseen_keys
    )
raw = same_digit(judged["raw pixels"], lens(mixed), mixed_keys, lens(unseen), unseen_keys)
print(f"{'':18}place told   same digit among the nearest")
for name in told:
    print(f"{name:18}{told[name]:9.1%}{digit[name]:17.1%}")
print(f"lens, raw pixels{raw:28.1%}")
print(f"the cheat without its lens: {accuracy(key_nets['lens'][0], X_test):.1%} of the places")
assert told["lens"] > told["lens, projection"] > told["no lens"]
assert digit["lens"] + 0.2 < digit["lens, projection"] < digit["no lens"]
assert told["lens"] > told["no lens"] + 0.2 and digit["lens"] < raw - 0.2

# %% [markdown]
# The cheat is far better at the task, and worse than raw pixels at what the task was made for. A
# high accuracy on the pretext proves nothing. Look at the neighbours. (One run of each;
# with another seed the numbers move by some points.)
#
# The projection brings most of it back, not all. More places are told than without a lens, and fewer
# neighbours are right: some of the clue is left. Green has moved against red and blue, and green
# has its share in the brightness that the projection keeps. In the noise above, this was not enough
# to learn from. The paper's own numbers say the same: .321 is between .255 and .371.

# %% [markdown]
# ## Plant a clue yourself
#
# A lens also darkens the corners, a *vignette*.

# %% [markdown] tags=["task"]
# ### Exercise: the vignette
#
# Write `vignette(X, strength)`: images `X` $(n, 3, h, w)$ times $1 - \text{strength}\cdot r^2/R^2$,
# where $r$ is the distance of a pixel from the middle of the image, and $R$ that of a corner pixel.
# Pixels have whole numbers from 0; the middle is at $(h-1)/2$ and $(w-1)/2$.


# %% tags=["exercise"] id="vignette"
def vignette(X, strength):
    """Images X (n, 3, h, w), darker with the square of the distance from the middle."""
    h, w = X.shape[2:]
    ### BEGIN SOLUTION
    y, x = np.arange(h) - (h - 1) / 2, np.arange(w) - (w - 1) / 2
    r2 = y[:, None] ** 2 + x**2
    V = X * (1 - strength * r2 / r2.max())
    ### END SOLUTION
    return V


# %% tags=["check"]
def vignette_inputs(rng):
    yield rng.uniform(size=(2, 3, 5, 5)), 0.6
    yield rng.uniform(size=(2, 3, 4, 7)), 0.9


def pixel_by_pixel(X, strength):
    """The same with the distance of each pixel, as that of two points."""
    h, w = X.shape[2:]
    points, middle = list(np.ndindex(h, w)), [((h - 1) / 2, (w - 1) / 2)]
    away = cdist(points, middle).reshape(h, w)
    return X - X * strength * (away / away[0, 0]) ** 2


check_exercise(vignette, vignette_inputs, like=pixel_by_pixel)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# One factor for each pixel, an array $(h, w)$, the same for all images and channels.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $r^2 = (y - \tfrac{h-1}{2})^2 + (x - \tfrac{w-1}{2})^2$, and $R^2$ is the greatest of them.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# Rows and columns counted from the middle, two vectors; one becomes a column.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 7}
# [[mistake]]
# code = "not squared"
# stage = "forward"
# replace = "r2 = y[:, None] ** 2 + x**2"
# by = "r2 = np.sqrt(y[:, None] ** 2 + x**2)"
# says = "It falls with the square of the distance; this falls with the distance."
# [[mistake]]
# code = "half a pixel off"
# stage = "forward"
# replace = "np.arange(w) - (w - 1) / 2"
# by = "np.arange(w) - w / 2"
# says = "The middle of columns 0 to w - 1 is (w - 1) / 2: this one is darker on the left."
# [[mistake]]
# code = "R of a side"
# stage = "forward"
# replace = "r2 / r2.max()"
# by = "r2 / (y**2).max()"
# says = "R is the distance of a corner; this one is that of the middle of a side."

# %% [markdown]
# No network is needed to read this clue. Average each patch to $4\times 4$ grey values, and fit a
# linear map from those of both patches to the eight places. Then the paper's *mean subtraction*,
# here of each patch's own mean; and a stronger one, of the plane through the patch, its mean and
# its slope.


# %%
def blocks(A):
    """Grey values of 4 x 4 blocks of patches: (n, 16)."""
    return A.mean(1).reshape(len(A), 4, 4, 4, 4).mean((2, 4)).reshape(len(A), 16)


rows, columns = np.indices((4, 4)).reshape(2, 16)
plane = np.stack([np.ones(16), rows, columns], axis=1)  # (16, 3)
readings = {
    "as it is": blocks,
    "own mean subtracted": lambda A: blocks(A) - blocks(A).mean(1, keepdims=True),
    "own plane subtracted": lambda A: blocks(A) - blocks(A) @ plane @ np.linalg.pinv(plane),
    "projected colours": lambda A: blocks(project(A, AXIS)),
}


def linear_reader(read, X, X_test):
    """The accuracy of a linear map from what is read of both patches, fitted to 4000 pairs."""
    (A, B, t), (C, D, truth) = pairs(X, 4000, rng_of(10)), pairs(X_test, 2000, rng_of(11))
    both = lambda A, B: np.c_[read(A), read(B), np.ones(len(A))]
    W = np.linalg.lstsq(both(A, B), np.eye(8)[t], rcond=None)[0]
    return ((both(C, D) @ W).argmax(1) == truth).mean()


# %%
dim, dim_test = noise(100, rng_of(12), 0.06), noise(50, rng_of(13), 0.06)
dark, dark_test = vignette(dim, 0.7), vignette(dim_test, 0.7)
print(f"noise without a vignette: {linear_reader(blocks, dim, dim_test):.1%}")
corners_read = {name: linear_reader(read, dark, dark_test) for name, read in readings.items()}
for name, value in corners_read.items():
    print(f"vignette, {name:21} {value:.1%}")
assert linear_reader(blocks, dim, dim_test) < 0.17 < 0.3 < corners_read["as it is"]
assert corners_read["own mean subtracted"] > 0.3 > 0.17 > corners_read["own plane subtracted"]

# %% [markdown]
# Mean subtraction does little: the slope of the light within a patch tells as much as its
# brightness. The projection does nothing, a vignette is grey. The plane takes the clue away, and
# with it every soft shade that belonged to the thing. A remedy fits one clue. Nobody can be sure of
# having found all.
#
# ## What runs on
#
# The gap and the jitter are remedies, too. Without a gap the border of one patch goes on in the
# other. A reader that knows nothing of things compares the facing borders, for each of the eight
# places, and says the place where they differ least.


# %%
def borders(A, down, right):
    """The row, the column or the pixel of patches (n, 3, h, w) that faces a neighbour."""
    side = {-1: slice(0, 1), 0: slice(None), 1: slice(-1, None)}
    return A[:, :, side[down], side[right]]


def border_reader(photo, gap, jitter, n=1500):
    """The accuracy of the comparison of borders on pairs of patches of a photograph."""
    rng, step = rng_of(0), SIDE + gap
    t, margin = np.arange(n) % 8, step + JITTER
    p = rng.integers(margin, np.array(photo.shape[2:]) - SIDE - margin, (n, 2))
    J = rng.integers(-JITTER, JITTER + 1, (n, 2, 2)) * (jitter > 0)
    both = corners(p, t, step, J)
    A, B = cut(photo, np.zeros(n, int), both[:, 0]), cut(photo, np.zeros(n, int), both[:, 1])
    differ = [
        ((borders(A, down, right) - borders(B, -down, -right)) ** 2).mean((1, 2, 3))
        for down, right in np.array(list(np.ndindex(3, 3))) - 1
        if down or right
    ]
    return (np.argmin(differ, axis=0) == t).mean()


# %%
GAPS = (0, 1, 2, 4, 8)
photos = {
    name: load_sample_image(f"{name}.jpg").transpose(2, 0, 1)[None] / 255
    for name in ("flower", "china")
}
by_gap = {
    (name, jitter): [border_reader(photos[name], gap, jitter) for gap in GAPS]
    for name in photos
    for jitter in (0, JITTER)
}
for (name, jitter), values in by_gap.items():
    print(f"{name:6} jitter {jitter}:", "  ".join(f"{v:.1%}" for v in values))
assert all(v[0] > v[-1] + 0.1 for v in by_gap.values())
assert all(by_gap[name, 0][0] > by_gap[name, JITTER][0] for name in photos)

# %% tags=["figure"]
page, (ax,) = figures.figure(6, 3)
for (name, jitter), values in by_gap.items():
    color = ORANGE if name == "flower" else BLUE
    style = {"color": color, "ls": "--" if jitter else "-", "marker": "o", "lw": 2}
    ax.plot(GAPS, np.multiply(100, values), **style, label=f"{name}, jitter {jitter}")
ax.axhline(12.5, color=GREY, lw=1, ls=":")
ax.set(xlabel="gap (pixels)", ylabel="places told (%)", ylim=(0, 100), xticks=GAPS)
ax.legend(frameon=False, fontsize=9, handlelength=3.5)
Picture(page, "Places told by comparing borders: most without gap and jitter, fewer with a gap.")

# %% [markdown]
# The gap weakens the clue, and so does the jitter where there is no gap; this reader, which follows no
# lines, no longer minds it behind a gap of 8. Neither ends it: across half a patch, the paper's gap,
# smooth parts of a photograph still resemble each other more on the facing sides. To beat 12.5 %
# proves little. The paper's network has 38.4 % on photographs of another set, and says that people
# do about as well.
#
# ## Found twice, in the same order
#
# A single patch of noise finds noise. Four adjacent patches say more: in another image with the
# same thing, their nearest patches should lie in the same order. The paper's test fits a square to
# the four centres that were found, and looks how far they are from it. With centres $p_k$, their
# mean $\bar p$ and the corners $c_k = (\pm\frac12, \pm\frac12)$ of a square of side 1, least squares
# give
#
# $$s = \frac{\sum_k (p_k - \bar p)^\top c_k}{\sum_k \|c_k\|^2},\qquad
# e = \frac{1}{s^2}\sum_k \|p_k - \bar p - s\,c_k\|^2.$$
#
# The side $s$ is kept between $\frac23$ and $\frac43$ of a patch's side before $e$ is computed. A
# match is verified if $e < 1$. (Whether the square may be turned is not said; ours stands upright.)

# %% [markdown] tags=["task"]
# ### Exercise: fit a square
#
# Write `square_fit(P, side)` for $n$ matches: `P` $(n, 4, 2)$ holds the centres (row, column) found
# for the patches NW, NE, SW, SE; `side` is that of a patch. Return $s$ and $e$, two arrays $(n,)$.


# %% tags=["exercise"] id="square_fit"
def square_fit(P, side):
    """Sides s and errors e of squares fitted to centres P (n, 4, 2), two arrays (n,)."""
    c = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]]) / 2
    ### BEGIN SOLUTION
    D = P - P.mean(axis=1, keepdims=True)
    s = np.clip((D * c).sum(axis=(1, 2)) / 2, side * 2 / 3, side * 4 / 3)
    E = D - s[:, None, None] * c
    e = (E * E).sum(axis=(1, 2)) / s**2
    ### END SOLUTION
    return s, e


# %% tags=["check"]
def square_fit_inputs(rng):
    square = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    for n, side in ((9, 1.0), (6, 16.0)):
        s = side * np.resize([0.5, 1.0, 1.2, 1.6], (n, 1, 1))
        yield (
            side * rng.normal(size=(n, 1, 2))
            + s * (square + rng.normal(scale=0.2, size=(n, 4, 2))),
            side,
        )


def by_lstsq(P, side):
    """The same, the centre and the side as three unknowns of eight equations."""
    M = np.zeros((8, 3))
    M[::2, 0] = M[1::2, 1] = 1
    M[:, 2] = np.array([-1, -1, -1, 1, 1, -1, 1, 1]) / 2
    free = np.linalg.lstsq(M, P.reshape(-1, 8).T, rcond=None)[0]  # (3, n)
    free[2] = np.minimum(np.maximum(free[2], 2 * side / 3), 4 * side / 3)
    return free[2], ((P.reshape(-1, 8).T - M @ free) ** 2).sum(0) / free[2] ** 2


check_exercise(square_fit, square_fit_inputs, like=by_lstsq)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Take the mean of the four centres away, and only the side is left to be found. The best one is a
# projection on the square of side 1, whose corners `c` are given.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# It stands above the exercise. What is the sum of $\|c_k\|^2$ over four corners?
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# `D` is `P` minus the mean over its four centres, with the axis kept.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 7}
# [[mistake]]
# code = "not clipped"
# stage = "forward"
# replace = "np.clip((D * c).sum(axis=(1, 2)) / 2, side * 2 / 3, side * 4 / 3)"
# by = "(D * c).sum(axis=(1, 2)) / 2"
# says = "The side is free here. It is kept between 2/3 and 4/3 of a patch's side."
# [[mistake]]
# code = "wrong norm of the corners"
# stage = "forward"
# replace = "(D * c).sum(axis=(1, 2)) / 2,"
# by = "(D * c).sum(axis=(1, 2)) / 4,"
# says = "Four corners, each of squared length 1/2: their sum is 2, not 4."
# [[mistake]]
# code = "in pixels"
# stage = "forward"
# replace = ".sum(axis=(1, 2)) / s**2"
# by = ".sum(axis=(1, 2))"
# says = "The error is in squared pixels. Divide by the squared side: large squares may be off more."
# [[mistake]]
# code = "mean for sum"
# stage = "forward"
# replace = "(E * E).sum(axis=(1, 2))"
# by = "(E * E).sum(axis=2).mean(axis=1)"
# says = "The error is the sum over the four centres, not their mean."

# %% [markdown]
# By hand: a square of side 1, its south-eastern centre off by $\delta$. Then
# $s = 1 + \delta^\top c/2$ and $e = \big(\tfrac34\|\delta\|^2 - \tfrac12(\delta^\top c)^2\big)/s^2$.

# %%
square = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]]) / 2
delta = np.array([0.3, -0.2])
s, e = square_fit((square + delta * (square == 0.5).all(1, keepdims=True))[None], 1.0)
hand = 1 + delta @ square[3] / 2
by_hand = (0.75 * delta @ delta - (delta @ square[3]) ** 2 / 2) / hand**2
print(f"side {s[0]:.4f}, by hand {hand:.4f}; error {e[0]:.4f}, by hand {by_hand:.4f}")
assert np.isclose(s[0], hand) and np.isclose(e[0], by_hand)

# %% [markdown]
# Now four adjacent keys of an unseen telephone are searched for in a hundred images. One half are
# telephones too, the other half have their keys shuffled. All of them have the same nine digits;
# only the order tells. Of each of the four patches the best of the nine keys is taken.


# %%
HALF, FOURS = 50, ((0, 1, 3, 4), (1, 2, 4, 5), (3, 4, 6, 7), (4, 5, 7, 8))
PLACES = EDGE + STEP * np.stack(np.divmod(np.arange(9), 3), axis=1)  # of the keys (9, 2)
collection = np.concatenate([X_test[:HALF], unseen[:HALF]])  # telephones, then shuffled ones


def correlations(features):
    """Of each key of each image with every other: (100, 9, 100, 9)."""
    n = len(collection)
    F = features(cut(collection, np.repeat(np.arange(n), 9), np.tile(PLACES, (n, 1))))
    return np.corrcoef(F).reshape(n, 9, n, 9)


def matches(C, image, four):
    """The keys (images, 4) that correlate most with four of an image, and how much in all."""
    of_four = C[image, list(four)]  # (4, images, 9)
    return of_four.argmax(2).T, of_four.max(2).sum(0)


def verified(keys):
    """Which matches (n, 4) of keys lie in a square."""
    return square_fit(PLACES[keys] + SIDE / 2, SIDE)[1] < 1


# %%
def both_shares(C):
    """Of all fours of all telephones: how many matches are verified in telephones, in others."""
    good = np.array([[verified(matches(C, i, f)[0]) for f in FOURS] for i in range(HALF)])
    telephones_there = good[:, :, :HALF].sum() - 4 * HALF  # but not in the image itself
    return telephones_there / (4 * HALF * (HALF - 1)), good[:, :, HALF:].mean()


tables = {name: correlations(f) for name, f in judged.items()}
in_order = {name: both_shares(C) for name, C in tables.items()}
at_random = verified(rng_of(0).integers(9, size=(100_000, 4))).mean()
print("verified in      telephones   shuffled keys")
for name, (there, elsewhere) in in_order.items():
    print(f"{name:16}{there:11.1%}{elsewhere:16.1%}")
print(f"four keys at random: {at_random:.1%}")
there, elsewhere = in_order["context"]
print(f"of what is verified, {there / (there + elsewhere):.0%} is in telephones")
assert in_order["context"][0] > 3 * in_order["raw pixels"][0] and in_order["context"][1] < 0.03


# %% tags=["figure"]
def drawn(ax, image, keys, color, title):
    """An image with four patches, and a path through them in the order NW, NE, SE, SW."""
    figures.picture(ax, image.transpose(1, 2, 0).clip(0, 1), title)
    for row, column in PLACES[keys] - 0.5:
        y, x = row + np.array([0, 16, 16, 0, 0]), column + np.array([0, 0, 16, 16, 0])
        ax.plot(x, y, color=color, lw=1)
    path = PLACES[keys[[0, 1, 3, 2, 0]]] + (SIDE - 1) / 2
    ax.plot(*path.T[::-1], color=color, lw=1.5, marker="o", ms=3)


found, strength = matches(tables["context"], 0, FOURS[1])
error_of = square_fit(PLACES[found] + SIDE / 2, SIDE)[1]
ranked = [i for i in np.argsort(-strength) if i]
yes, no = ([i for i in ranked if (error_of[i] < 1) == truth][:4] for truth in (True, False))
page, axes = figures.figure(9, 4.1, columns=5, rows=2)
drawn(axes[0], collection[0], found[0], BLUE, "asked for")
axes[5].set_axis_off()
for ax, i in zip([*axes[1:5], *axes[6:]], [*yes, *no]):
    drawn(ax, collection[i], found[i], ORANGE if i in yes else RED, f"e = {error_of[i]:.2f}")
Picture(
    page,
    "Four adjacent keys framed on a telephone; above, images where the matches lie in a square, or "
    "nearly so; below, images where they lie in disorder and are refused.",
)

# %% [markdown]
# Most matches have a wrong digit among the four, and most of these are refused (one wrong key may
# pass, $e < 1$ is mild). That is the use of it: what is left is nearly always the thing itself. So the paper finds things in a heap of images.
# Draw many such fours, take for each the images that match most strongly, wherever the patches lie,
# and rank the fours by how many of these are verified. What recurs in the same order is a thing. (In
# the comparison below, ties count one half.)


# %%
def share_verified(C, image, four, top=10):
    """Of the strongest matches of four keys in other images, the share that is verified."""
    keys, strength = matches(C, image, four)
    strongest = [i for i in np.argsort(-strength) if i != image][:top]
    return verified(keys[strongest]).mean()


of_things, of_chance = (
    np.array([share_verified(tables["context"], i, f) for i in images_ for f in FOURS])
    for images_ in (range(HALF), range(HALF, 2 * HALF))
)
print(f"verified of the ten strongest: {of_things.mean():.1%} for fours of telephones", end=", ")
print(f"{of_chance.mean():.1%} for shuffled keys")
above = (of_things[:, None] > of_chance).mean() + (of_things[:, None] == of_chance).mean() / 2
print(f"a telephone's four ranks above a shuffled one's in {above:.0%} of all comparisons")
assert of_things.mean() > of_chance.mean() + 0.08 and above > 0.75

# %% [markdown]
# ## In the library
#
# `minigrad.data.patch_pairs` draws such pairs from photographs, with the same eight places, and
# `minigrad.data.cues` projects and drops colours. `minigrad.models.context_prediction` has the
# paper's network. `python -m examples.context` trains a small one on a folder of photographs.

# %%
eight = np.arange(8)
away = np.diff(corners(np.zeros((8, 2), int), eight, 1, np.zeros((8, 2, 2), int)), axis=1)[:, 0]
assert (away == patch_pairs.PLACES).all() and list(patch_pairs.NAMES) == NAMES
assert np.allclose(project(X_test[:2], AXIS), cues.project(X_test[:2]))
count = sum(np.prod(W) + np.prod(b) for W, b in shapes(PAPER).values())
print(f"the paper's network, conv2 with 256 maps and stride 1: {count:,} parameters")

# %% [markdown]
# ## What was learned
#
# - Where one patch lies beside another is a label that costs nothing, and telling it teaches a tower
#   what patches show.
# - Two towers with the same weights are one function called twice; the engine adds the gradients.
# - Normalised by the batch, without scale and shift, units cannot become the same for all samples.
# - A network takes the easiest clue there is: a fringe of the lens, a shade, a border that runs on.
#   Its accuracy then rises, and its features get worse.
# - Each remedy fits one clue and takes something of the image away. Look at the neighbours, and
#   train on noise: what is learned there is a cheat.
# - Four patches in the right order prove more than one that is alike.
#
# ## What broke when it was left out

# %%
print(f"normalisation: loss {stuck[-10:, 0].mean():.3f} instead of {held[-10:, 0].mean():.3f}")
print(f"a clean lens: same digit {digit['lens']:.0%} instead of {digit['no lens']:.0%}", end="")
print(f", with {told['lens']:.0%} of the places told instead of {told['no lens']:.0%}")
print(f"the projection: {on_noise['lens']:.0%} of the places of noise told, with it", end=" ")
print(f"{on_noise['lens, projection']:.0%}")
print(f"gap and jitter: borders tell {by_gap['flower', 0][0]:.0%}, with them", end=" ")
print(f"{by_gap['flower', JITTER][-1]:.0%}")
print("verification: every image has a best match; of the shuffled ones it lets through", end=" ")
print(f"{in_order['context'][1]:.1%}")

# %% [markdown]
# Next: who is near whom, when many images are asked at once? Lecture 10 searches, and counts
# nearness along the data.
