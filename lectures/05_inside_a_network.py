# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 5. Inside a convolutional network
#
# **The network says "three". What in the image did it see?**
#
# You will count the parameters of AlexNet, the network that made deep learning famous, and then
# open a smaller one that is trained here: its filters, the patches that its units answer most, what
# in these patches they answer to, and the places on which its decision rests. At the end the same
# tools convict a network that cheats. You need convolution and pooling (lecture 4).

# %% tags=["setup"]
import numpy as np
import scipy.ndimage
from minigrad.models import alexnet
from sklearn.datasets import load_digits, load_sample_image

import minigrad
from minigrad import affine, block, conv_pool, dropout, entropy, grad, lrn, mean, upsample
from minigrad.evaluate import (
    Field,
    Filters,
    Pool,
    class_maps,
    cut,
    feature_maps,
    occlusion,
    only,
    receptive_field,
    strongest,
    to_image,
)
from minigrad.learn import Momentum, he, linear, train
from minigrad.lectures import Picture, check_exercise, requires
from minigrad.stepper.figures import BLUE, ORANGE, figure, filters, picture, sheet

requires("0.1")

# %% [markdown]
# ## AlexNet
#
# ImageNet's challenge has 1000 classes and 1.2 million training images. In 2012 AlexNet won it,
# about 10 % ahead of all before. It has five convolutions and three fully connected layers, each
# with relu behind (the last with softmax; the first convolution has stride 4), and maximum pooling
# of $3\times 3$ and stride 2 behind the first, second and fifth. It was trained in two halves, on
# two GPUs: in the convolutions 2, 4 and 5 a map sees only the maps of its own half. That is why the
# second has filters $5\times 5\times 48$ though the first makes 96 maps. Two *groups*, as we say
# today.
#
# The filters of one layer are an array $\underset{K\times C/G\times R\times R}{W}$ with a bias
# $\underset{K}{b}$: $K$ maps of $C$ channels in $G$ groups, side $R$. A fully connected layer is
# the same with a filter as large as its maps: the first one has $R = 6$, the others $R = 1$.

# %% [markdown] tags=["task"]
# ### Exercise: the parameters of a layer
#
# How many numbers are there in $W$ and $b$ together? `maps` is $K$, `channels` $C$, `side` $R$,
# `groups` $G$, all whole numbers; $G$ divides $K$ and $C$. Return a whole number.


# %% tags=["exercise"] id="parameters"
def parameters(maps, channels, side, groups):
    """The number of weights and biases of a convolution; whole numbers."""
    ### BEGIN SOLUTION
    filter_size = channels // groups * side * side
    count = maps * filter_size + maps
    ### END SOLUTION
    return count


# %% tags=["check"]
def parameters_inputs(rng):
    for groups in (1, 2, 3):
        k, c, r = (int(i) for i in rng.integers(2, 6, 3))
        yield groups * k, groups * c, r, groups


def connections(maps, channels, side, groups):
    """Counted one by one: a map sees a channel at the same place in the order of the groups."""
    seen = [
        k * groups // maps == c * groups // channels for k in range(maps) for c in range(channels)
    ]
    return sum(seen) * side**2 + maps


check_exercise(parameters, parameters_inputs, like=connections)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Count one filter first, then all filters, then the biases. A filter looks at the channels of its
# own group only.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $$K\,\frac{C}{G}\,R^2 + K$$
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# The size of one filter: the channels of one group times the area of the window.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 7}
# [[mistake]]
# code = "groups forgotten"
# stage = "forward"
# replace = "channels // groups * side"
# by = "channels * side"
# says = "A filter sees the channels of its own group only: C / G of them."
# [[mistake]]
# code = "biases forgotten"
# stage = "forward"
# replace = "maps * filter_size + maps"
# by = "maps * filter_size"
# says = "Each map has a bias too: K more."
# [[mistake]]
# code = "area forgotten"
# stage = "forward"
# replace = "groups * side * side"
# by = "groups * side"
# says = "A filter is a square: R times R weights for each channel."

# %%
LAYERS = {  # maps, channels, side of the filters, groups, side of the maps that it makes
    "conv 1": (96, 3, 11, 1, 55),
    "conv 2": (256, 96, 5, 2, 27),
    "conv 3": (384, 256, 3, 1, 13),
    "conv 4": (384, 384, 3, 2, 13),
    "conv 5": (256, 384, 3, 2, 13),
    "full 6": (4096, 256, 6, 1, 1),
    "full 7": (4096, 4096, 1, 1, 1),
    "full 8": (1000, 4096, 1, 1, 1),
}
counts = {name: parameters(*shape) for name, (*shape, side) in LAYERS.items()}
work = {name: (counts[name] - shape[0]) * shape[-1] ** 2 for name, shape in LAYERS.items()}
for name in LAYERS:
    print(f"{name}: {counts[name]:12,} parameters, {work[name]:13,} multiplications")
total = sum(counts.values())
print(f"together {total:,}: the 60 million of the slide")
assert total == sum(W[0] * np.prod(W[1:]) + b[0] for W, b in alexnet.shapes().values())
assert round(total / 1e6) == 61

# %% tags=["figure"]
page, axes = figure(7, 2.8, columns=2)
for ax, numbers, title in zip(axes, (counts, work), ("parameters", "multiplications for an image")):
    values = np.array(list(numbers.values())) / 1e6
    ax.barh(list(numbers), values, color=[BLUE] * 5 + [ORANGE] * 3)
    ax.invert_yaxis()
    ax.set_xlabel("millions")
    ax.set_title(title, fontsize=10, loc="left")
dense = sum(list(counts.values())[5:]) / total
print(f"fully connected: {dense:.0%} of the parameters", end=", ")
print(f"{sum(list(work.values())[5:]) / sum(work.values()):.0%} of the multiplications")
assert dense > 0.9
Picture(page, "Bars: the full layers have nearly all parameters, the convolutions the work")

# %% [markdown]
# The weights are in the full layers, the work in the convolutions. What follows looks at the
# convolutions; in the network that we train, the full layers are gone.
#
# > **On the slide:** the figure's caption has 253,440 neurons behind the first layer. The first
# > layer makes 96 maps of $55\times 55$. The slide's images of $224\times 224$ do not give 55
# > either: with filters of 11 in steps of 4, a side of 227 does.

# %%
print(f"neurons of layer 1: {96 * 55 * 55:,}; in the caption: {96 * 55 * 48:,} = 96 * 55 * 48")
for side in (224, 227):
    print(f"side {side}: ({side} - 11) / 4 + 1 = {(side - 11) / 4 + 1} places")
assert 96 * 55 * 48 == 253_440
assert (227 - 11) / 4 + 1 == 55

# %% [markdown]
# ## What kept 60 million parameters from overfitting
#
# **Crops and reflections.** From an image of $256\times 256$, crops of $224\times 224$ at
# $32\times 32$ places and their mirror images: the set is 2048 times larger. In the test, the
# softmax outputs of ten crops are averaged: four corners, the middle, and their mirror images.
#
# > **On the slide:** a crop of 224 fits into 256 pixels at 33 places, not at 32. The factor would
# > be 2178.
#
# **Colours.** To all pixels of an image one colour is added,
# $$\underset{3\times 3}{[p_1, p_2, p_3]}\;\underset{3}{[\alpha_1\lambda_1, \alpha_2\lambda_2,
# \alpha_3\lambda_3]^T},\qquad \alpha_i \sim N(0,\,0.1^2),$$
# where $p_i, \lambda_i$ are the eigenvectors and eigenvalues of the covariance
# $\underset{3\times 3}{\Sigma}$ of all pixels' colours. A thing stays what it is when the light changes.

# %%
china = load_sample_image("china.jpg")[::2, ::2] / 255  # (h, w, 3)
covariance = np.cov(china.reshape(-1, 3).T)  # (3, 3)
eigenvalues, P = np.linalg.eigh(covariance)  # (3,), and a column for each
for places in (32, 256 - 224 + 1):
    print(f"2 * {places} * {places} = {2 * places**2} crops of an image")
share = eigenvalues[-1] / eigenvalues.sum()
print(f"{share:.0%} of the variance is along {P[:, -1].round(2)}: brightness")
alpha = np.random.default_rng(3).normal(0, 0.1, (5, 3))
shifts = alpha * eigenvalues @ P.T  # (5, 3), the colours added to five versions
for scale in (1, 255):
    most = scale * np.abs(shifts).max()
    print(f"pixels in [0, {scale}]: changed by {most:.3f} of the range at most")
assert share > 0.8
assert np.allclose(np.cov(255 * china.reshape(-1, 3).T), 255**2 * covariance)

# %% [markdown]
# > **On the slide:** the formula multiplies by $\lambda_i$, a variance, and so depends on the unit:
# > pixels 255 times as large have $\lambda_i$ that are $255^2$ times as large. The change is hard
# > to see in one unit, and larger than the whole range in the other. With $\sqrt{\lambda_i}$, a
# > deviation, the unit does not matter. The picture takes that, and $\alpha_i \sim N(0,\,0.4^2)$,
# > so that there is something to see.

# %% tags=["figure"]
shifts = 4 * alpha * np.sqrt(eigenvalues) @ P.T
versions = np.stack([china, *(china + shift for shift in shifts)]).transpose(0, 3, 1, 2)
page, (ax,) = figure(7, 3.2)
picture(ax, sheet(versions, 3))
Picture(page, "A photograph, and five versions of it: lighter, darker, a little redder or bluer")

# %% [markdown]
# **Dropout.** In training each hidden unit of the first two full layers is set to 0 with
# probability 0.5, anew for each sample. No unit can rely on another one being there. The slide's
# version takes all units in the test, times 0.5. minigrad divides by 0.5 in training instead, and
# has nothing to do in the test: the mean is the same.
#
# **Local response normalisation** divides a response by those of its neighbours among the maps
# ($A_i$ is the map $i$ of $\underset{N\times K\times H\times W}{A}$):
# $$Z_i = A_i \Big/ \Big(k + \alpha \sum_{j=i-2}^{i+2} A_j^2\Big)^{\beta},\qquad
# k = 2,\ \alpha = 10^{-4},\ \beta = 0.75.$$

# %%
Z = np.ones((1000, 50))
dropped = dropout(Z, 0.5, rng=np.random.default_rng(0))
print(f"dropout: values {np.unique(dropped)}, mean {dropped.mean():.3f} for 1")
assert abs(dropped.mean() - Z.mean()) < 0.02

A = np.zeros((1, 7, 1, 1))
A[0, 2], A[0, 3] = 50, 100  # a response, beside a stronger one
N = lrn(A)  # (1, 7, 1, 1)
print(f"lrn: 50 beside 100 becomes {N[0, 2, 0, 0]:.1f}, alone {lrn(A * (A == 50))[0, 2, 0, 0]:.1f}")
assert N[0, 2, 0, 0] < lrn(A * (A == 50))[0, 2, 0, 0]

# %% [markdown]
# **The rule of learning**, with momentum and decay, on batches of 128:
# $$v \leftarrow 0.9\,v - 0.0005\,\varepsilon\,w - \varepsilon\,\frac{\partial L}{\partial w},\qquad
# w \leftarrow w + v.$$
# First weights are drawn from $N(0,\,0.01^2)$; biases are 1 in the convolutions 2, 4, 5 and in the
# hidden full layers, so that their relus begin with positive inputs, and 0 elsewhere.
# $\varepsilon$ begins at 0.01 and is divided by 10 when the validation error stands still. In the
# library the rule is `Momentum(form="alexnet")`; our network learns with it.

# %%
w, v, g, rate = np.array([2.0]), 0.0, 3.0, 0.1
rule = Momentum([w], 0.9, decay=0.0005, form="alexnet")
expected = 2.0
for _ in range(3):
    v = 0.9 * v - 0.0005 * rate * expected - rate * g
    expected += v
    rule.step([np.array([g])], rate)
print(f"three steps by the formula: {expected:.6f}, by the library: {w[0]:.6f}")
assert abs(w[0] - expected) < 1e-12

# %% [markdown]
# ## A network to look into
#
# Somewhere on a piece of a photograph stands a digit, light or dark, in a colour of its own. The
# class is the digit, 0 to 4. Nobody tells the network *where* the digit is; but we know, and can
# judge what we find inside.

# %%
digits = load_digits(n_class=5)
LARGE = np.stack([scipy.ndimage.zoom(image / 16, 2, order=1) for image in digits.images])  # 16 x 16
PHOTOS = [load_sample_image(f"{name}.jpg")[::2, ::2] / 255 for name in ("china", "flower")]
order = np.random.default_rng(0).permutation(len(LARGE))
TRAIN, TEST = order[:700], order[700:]


def scenes(chosen, rng):
    """Images (n, 3, 32, 32) around 0, and where the ink is (n, 32, 32)."""
    X, ink = np.empty((len(chosen), 3, 32, 32)), np.zeros((len(chosen), 32, 32))
    for image, mask, digit in zip(X, ink, LARGE[chosen]):
        photo = PHOTOS[rng.integers(2)]
        y, x = (rng.integers(side - 32) for side in photo.shape[:2])
        ground = 0.25 + photo[y : y + 32, x : x + 32].transpose(2, 0, 1) / 2
        y, x = rng.integers(0, 17, 2)
        mask[y : y + 16, x : x + 16] = digit
        dark = ground[:, y : y + 16, x : x + 16].mean() < 0.5
        colour = rng.uniform(0.8, 1, (3, 1, 1)) if dark else rng.uniform(0, 0.2, (3, 1, 1))
        image[...] = ground + mask * (colour - ground)
    return (4 * (X - 0.5)).astype(np.float32), ink


X, INK = scenes(TEST, np.random.default_rng(9))
T = digits.target[TEST]

# %% tags=["figure"]
page, (ax,) = figure(7, 1.9)
picture(ax, sheet(X[:24] / 4 + 0.5, 12))
Picture(page, "Twenty-four scenes: small pieces of photographs, a digit from 0 to 4 on each")

# %% [markdown]
# Three convolutions make maps $\underset{N\times 64\times 8\times 8}{F}$. Each map is averaged to
# one number, and one affine layer makes the activations of the classes:
# $$\underset{N\times 5}{A} = \underset{N\times 64}{\bar F}\;\underset{64\times 5}{W} +
# \underset{5}{b},\qquad \bar F_{nk} = \frac{1}{8\cdot 8}\sum_{xy} F_{nk}(x, y).$$
# The average does not know *where* a map answered; the maps do. This will pay.


# %%
def initial(rng):
    shapes = {"conv1": (16, 3, 5, 5), "conv2": (32, 16, 5, 5), "conv3": (64, 32, 3, 3)}
    U = {name: (he(shape, rng), np.zeros(shape[0], np.float32)) for name, shape in shapes.items()}
    U["conv1"][0][...] *= 0.1  # larger noise would still be seen in the filters after learning
    return U | {"output": (he((64, 5), rng, gain=1.0), np.zeros(5, np.float32))}


@block
def maps(X, U):
    Z = conv_pool(X, U["conv1"], 2, padding=2)  # (n, 16, 16, 16)
    Z = conv_pool(Z, U["conv2"], 2, padding=2)  # (n, 32, 8, 8)
    return conv_pool(Z, U["conv3"], 1, padding=1)  # (n, 64, 8, 8)


@block
def network(X, U):
    return affine(mean(maps(X, U), (2, 3)), U["output"])  # (n, 5)


def loss(U, X, T, rng):
    return entropy(network(X, U), T)


def accuracy(X, U):
    return (network(X, U).argmax(1) == T).mean()


# %%
class Scenes:
    """Training data that is new each time: the same digits in other places and colours."""

    def __init__(self, change=lambda X, T: X):
        self.change = change

    def __len__(self):
        return len(TRAIN)

    def batch(self, chosen, rng):
        labels = digits.target[TRAIN[chosen]]
        return self.change(scenes(TRAIN[chosen], rng)[0], labels), labels


def learned(data, epochs):
    U = initial(np.random.default_rng(1))
    options = {"rng": np.random.default_rng(1), "batch": 50, "rate": linear(0.05)}
    rule = Momentum(U, 0.9, decay=0.003, form="alexnet")
    train(loss, U, data, epochs=epochs, optimiser=rule, progress=False, **options)
    return {name: (W.astype(float), b.astype(float)) for name, (W, b) in U.items()}


U, X = learned(Scenes(), 40), X.astype(float)
print(f"{accuracy(X, U):.1%} of the test scenes are right; guessing: 20 %")
assert accuracy(X, U) > 0.85

# %% [markdown]
# ## The first layer: look at the filters
#
# AlexNet's 96 filters of $11\times 11\times 3$ have three channels, so they are pictures: edges and
# waves in grey on one GPU, blobs of colour on the other. Here are our 16, before and after
# learning. Noise has become light and dark edges and, here and there, a colour.

# %% tags=["figure"]
before = initial(np.random.default_rng(1))["conv1"][0]
grids = {"before": before, "after learning": U["conv1"][0]}
page = filters(grids, columns=4)
roughness = {  # mean square of neighbours' differences; about 2 for noise
    name: (np.diff(W, axis=3) ** 2).mean() / W.var() for name, W in grids.items()
}
print(", ".join(f"{name}: roughness {value:.2f}" for name, value in roughness.items()))
assert roughness["after learning"] < 0.5 * roughness["before"]
Picture(page, "Filters of 5 x 5: noise before; after learning some are smooth edges and strokes")

# %% [markdown]
# Deeper filters have 16 or 32 channels, and no colours to show. So one does not look at the filter,
# one asks: *what does the unit see, and what does it answer to?*
#
# ## What a unit sees
#
# Its *receptive field*: the pixels that can change it. Go through the layers from the image on.
# Each has windows of side $k$, a stride $s$ and a padding $p$ in front. Two neighbours on the maps
# are `step` pixels apart in the image. A unit at $(y, x)$ sees `size` pixels along each axis, from
# `start + step * y` and `start + step * x` on. Before the first layer size and step are 1, start is
# 0.

# %% [markdown] tags=["task"]
# ### Exercise: the receptive field
#
# `sides`, `strides`, `paddings`: whole numbers, one for each layer (L,), from the image on; a
# pooling counts as a layer. Return `size, step, start`.


# %% tags=["exercise"] id="field"
def field(sides, strides, paddings):
    """Size, step and start of the receptive field behind layers of windows."""
    size, step, start = 1, 1, 0
    ### BEGIN SOLUTION
    for k, s, p in zip(sides, strides, paddings):
        size = size + (k - 1) * step
        start = start - p * step
        step = step * s
    ### END SOLUTION
    return size, step, start


# %% tags=["check"]
def field_inputs(rng):
    for layers in (1, 3, 5):
        strides, paddings = rng.integers(1, 4, layers), rng.integers(0, 3, layers)
        yield rng.integers(2, 6, layers), strides, paddings


def librarys(sides, strides, paddings):
    found = receptive_field(
        [Pool(int(k), int(s), int(p)) for k, s, p in zip(sides, strides, paddings)]
    )
    return tuple(pair[0] for pair in found)


check_exercise(field, field_inputs, like=librarys)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# A window of $k$ on the maps below covers $k$ units there, and these are `step` pixels apart.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# With $j$ the step below: size grows by $(k-1)\,j$, start falls by $p\,j$, and the step above is
# $j\,s$.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# A loop over the layers that takes side, stride and padding of each together. The step changes
# last: the other two need the old one.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 8}
# [[mistake]]
# code = "stride product forgotten"
# stage = "forward"
# replace = "(k - 1) * step"
# by = "(k - 1)"
# says = "Units below are step pixels apart, the product of all strides below: multiply by it."
# [[mistake]]
# code = "padding without step"
# stage = "forward"
# replace = "start - p * step"
# by = "start - p"
# says = "The padding is p units of the maps below, and these are step pixels apart."
# [[mistake]]
# code = "strides added"
# stage = "forward"
# replace = "step * s"
# by = "step + s - 1"
# says = "Strides multiply: steps of s windows, each of step pixels."
# [[mistake]]
# code = "one pixel too many"
# stage = "forward"
# replace = "(k - 1)"
# by = "k"
# says = "A window of k reaches k - 1 units beyond its first one."

# %%
ours = {"sides": (5, 2, 5, 2, 3), "strides": (1, 2, 1, 2, 1), "paddings": (2, 0, 2, 0, 1)}
for i, name in enumerate(("conv 1", "pool 1", "conv 2", "pool 2", "conv 3"), 1):
    size, step, start = field(*(column[:i] for column in ours.values()))
    print(f"{name}: {size:2} pixels in steps of {step}, the first from {start}")
windows = (11, 3, 5, 3, 3, 3, 3, 3), (4, 2, 1, 2, 1, 1, 1, 2), (0, 0, 2, 0, 1, 1, 1, 0)
size, step, start = field(*windows)
print(f"AlexNet's last pooling: {size} of 227 pixels in steps of {step}, the first from {start}")
assert (size, step) == (195, 32)

# %% [markdown]
# ## The nine strongest patches
#
# Take many images. Where a map answers most, cut out what that unit saw: the nine strongest patches
# show what they have in common. At the border a part of the receptive field lies outside.

# %% [markdown] tags=["task"]
# ### Exercise: what the unit saw
#
# `X` is an image (C, H, W). The unit at row `y`, column `x` of a map sees `size` pixels along each
# axis, from `start + step * y` and `start + step * x` on. Return this patch, (C, size, size), with
# 0 for all that lies outside the image. `start` may be below 0.


# %% tags=["exercise"] id="patch"
def patch(X, y, x, size, step, start):
    """The receptive field of a unit, cut from an image; X (C, H, W), patch (C, size, size)."""
    ### BEGIN SOLUTION
    C, H, W = X.shape
    framed = np.zeros((C, H + 2 * size, W + 2 * size))
    framed[:, size : size + H, size : size + W] = X
    top, left = size + start + step * y, size + start + step * x
    P = framed[:, top : top + size, left : left + size]
    ### END SOLUTION
    return P


# %% tags=["check"]
def patch_inputs(rng):
    for y, x in ((0, 3), (2, 1), (3, 0)):
        yield rng.normal(size=(2, 9, 9)), y, x, 5, 2, -1
    yield rng.normal(size=(1, 8, 12)), 0, 3, 6, 3, 0


def cut_one(X, y, x, size, step, start):
    return cut(X[None], [[y, x]], Field((size, size), (step, step), (start, start)))[0]


check_exercise(patch, patch_inputs, like=cut_one)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# A slice must not begin below 0: in Python that counts from the end. Put the image into a larger
# one of zeros first, then cut.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# With a frame of $m$ zeros all around, row $i$ of the image is row $m + i$; the first row wanted is
# $i = \text{start} + \text{step}\cdot y$. A frame of $m = \text{size}$ is enough.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# Take the three lengths of `X.shape`, then make the larger array of zeros.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 8}
# [[mistake]]
# code = "start forgotten"
# stage = "forward"
# replace = ["size + start + step * y", "size + start + step * x"]
# by = ["size + step * y", "size + step * x"]
# says = "The padding moves the first field out of the image: add start."
# [[mistake]]
# code = "step forgotten"
# stage = "forward"
# replace = ["start + step * y", "start + step * x"]
# by = ["start + y", "start + x"]
# says = "Neighbours on the map are step pixels apart in the image."
# [[mistake]]
# code = "rows and columns swapped"
# stage = "shapes"
# replace = ["step * y, size", "step * x\n"]
# by = ["step * x, size", "step * y\n"]
# says = "y counts rows, the first of the two image axes; x counts columns."
# [[mistake]]
# code = "centred"
# stage = "forward"
# replace = ["size + start + step * y", "size + start + step * x"]
# by = ["size - size // 2 + step * y", "size - size // 2 + step * x"]
# says = "The field begins at start + step y; it is not centred on step y."


# %%
def as_layers(U):
    convolutions = [Filters(*U[f"conv{i}"], padding=p) for i, p in ((1, 2), (2, 2), (3, 1))]
    return [convolutions[0], Pool(2), convolutions[1], Pool(2), convolutions[2]]


layers = as_layers(U)
second, seen = layers[:4], receptive_field(layers[:4])
size, step, start = (pair[0] for pair in seen)
A = feature_maps(X, second)  # (n, 32, 8, 8)
best = np.argsort(-np.sort(A.max((2, 3)), 0)[-9], kind="stable")[:16]  # the most active maps
found = {unit: strongest(A, unit) for unit in best}  # images (9,) and places (9, 2)
patches = {
    unit: np.stack([patch(X[n], y, x, size, step, start) for n, (y, x) in zip(images, places)])
    for unit, (images, places) in found.items()
}
for unit, (images, places) in found.items():  # the library does the same
    assert np.array_equal(patches[unit], cut(X[images], places, seen))

# %% [markdown]
# Was the offset right? There is a strict test: a patch that lies wholly inside its image, sent
# through the network alone and without padding, must give the response that the whole image gave.

# %%
bare = [Filters(*U["conv1"]), Pool(2), Filters(*U["conv2"]), Pool(2)]
n, (y, x), unit = 5, (3, 4), best[0]
for offset in (start, 0):  # with the right start, and with the padding forgotten
    alone = feature_maps(patch(X[n], y, x, size, step, offset)[None], bare)[0, :, 0, 0]
    error = np.abs(alone - A[n, :, y, x]).max()
    print(f"start {offset:2}: the patch alone and the whole image differ by {error:.2g}")
    assert (error < 1e-12) == (offset == start)
error_without_start = error

# %% [markdown]
# ## What in the patch it answered to: the deconvnet view
#
# Set all responses to 0 but the one, and send it back to the pixels (Zeiler and Fergus 2014). Going
# down, each layer is answered by its counterpart:
#
# | upward | back to the image |
# |---|---|
# | maximum pooling | *switches*: the value goes where the maximum was found, 0 elsewhere |
# | relu | relu again: what is negative is dropped |
# | convolution with $W$ | transposed convolution, $W^T$: a value spreads its filter |


# %% tags=["figure"]
def view(unit, layers, rule="deconvnet"):
    images, places = found[unit]
    S = only(A[images], unit, places)  # (9, 32, 8, 8)
    return cut(to_image(X[images], layers, S, rule), places, seen)  # (9, 3, 16, 16)


page, axes = figure(7, 3.7, columns=4, rows=2)
for column, unit in enumerate(best[:4]):
    V = view(unit, second)
    shades = 0.5 + 0.5 * V / np.abs(V).max((1, 2, 3), keepdims=True)
    picture(axes[column], sheet(patches[unit] / 4 + 0.5, 3), f"map {unit}: patches")
    picture(axes[4 + column], sheet(shades, 3), "deconvnet views")
Picture(page, "Nine patches for each of four maps, and below the strokes that the map answered to")

# %% [markdown]
# The photograph has gone from the views; the piece of a stroke that the map looks for stays.
#
# What are the switches for? Without them, each value goes to all four places of its window. How
# much is a view like its patch then? We compare the correlations, over 16 maps.


# %%
class NoSwitches(Pool):
    def back(self, X, Z, S, rule):
        return upsample(S, self.size)


def likeness(layers, rule="deconvnet"):
    correlations = []
    for unit in best:
        V, P = view(unit, layers, rule).reshape(9, -1), patches[unit].reshape(9, -1)
        correlations += [np.corrcoef(v, p)[0, 1] for v, p in zip(V, P)]
    return np.mean(correlations)


blind = [NoSwitches(2) if isinstance(layer, Pool) else layer for layer in second]
print(f"correlation of views and patches: {likeness(second):.2f}", end=", ")
print(f"without switches {likeness(blind):.2f}")
assert likeness(second) > likeness(blind) + 0.05

# %% [markdown]
# ## One rule apart: the gradient, and the guided gradient
#
# The way back through maximum pooling and convolution is exactly that of the gradient: switches and
# $W^T$. Only the relu differs. With $Z = \max(A, 0)$ and $S$ the signal that arrives at
# $\underset{N\times K}{Z}$:
#
# | rule | what goes on to $A$ |
# |---|---|
# | `"gradient"` | what was positive on the way up: $A > 0$ |
# | `"deconvnet"` | what is positive on the way back: $S > 0$ |
# | `"guided"` | what is both (Springenberg et al. 2015) |

# %% [markdown] tags=["task"]
# ### Exercise: three ways back through a relu
#
# `A` and `S` are arrays (N, K), `rule` is one of the three names. Return the signal at `A`, (N, K),
# which is 0 where nothing goes on.


# %% tags=["exercise"] id="relu_back"
def relu_back(A, S, rule):
    """What a signal S behind a relu becomes in front of it; A, S (N, K)."""
    ### BEGIN SOLUTION
    open_forward = A > 0 if rule != "deconvnet" else True
    open_backward = S > 0 if rule != "gradient" else True
    R = S * open_forward * open_backward
    ### END SOLUTION
    return R


# %% tags=["check"]
def relu_back_inputs(rng):
    for rule in ("gradient", "deconvnet", "guided"):
        yield rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), rule
        yield rng.normal(size=(3, 3)), rng.normal(size=(3, 3)), rule


def through_one_pixel(A, S, rule):
    copy = Filters(np.ones((1, 1, 1, 1)))  # a convolution that changes nothing, and a relu
    return to_image(A[None, None], [copy], S[None, None], rule)[0, 0]


check_exercise(relu_back, relu_back_inputs, like=through_one_pixel)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Each rule is a mask, and "guided" is the product of the other two masks.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $S\,[A>0]$, $\quad S\,[S>0]$, $\quad S\,[A>0]\,[S>0]$, where a bracket is 1 if it is true, else 0.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# Begin with the mask of the way up: a comparison of `A` with 0, needed by two of the three rules.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 8}
# [[mistake]]
# code = "gradient masked by the signal"
# stage = "forward"
# replace = ["A > 0", "S > 0"]
# by = ["S > 0", "A > 0"]
# says = "The gradient asks whether A was positive on the way up; the deconvnet asks the signal."
# [[mistake]]
# code = "guided forgets the way up"
# stage = "forward"
# replace = 'A > 0 if rule != "deconvnet"'
# by = 'A > 0 if rule == "gradient"'
# says = "Guided is both: what was positive on the way up and is positive on the way back."
# [[mistake]]
# code = "mask instead of signal"
# stage = "forward"
# replace = "R = S * open_forward"
# by = "R = 1.0 * open_forward"
# says = "What goes on is the signal itself where the mask is open, not the mask."

# %%
F = feature_maps(X, layers)  # (n, 64, 8, 8)
W, b = U["output"]  # (64, 5), (5,)
S = np.broadcast_to(W.T[T][:, :, None, None] / 64, F.shape)  # the score's gradient by F
back = {rule: to_image(X, layers, S, rule) for rule in ("gradient", "deconvnet", "guided")}
ink = INK[:, None] > 0.1
on_ink = {rule: ((V**2 * ink).sum() / (V**2).sum()) for rule, V in back.items()}
print(f"ink covers {ink.mean():.0%} of the pixels; it has this share of the squares:")
print(*(f"{rule} {share:.0%}" for rule, share in on_ink.items()), sep=", ")
assert on_ink["guided"] > on_ink["gradient"] > 2 * ink.mean()

plain = grad(lambda X: minigrad.sum(network(X, U) * np.eye(5)[T]))(X)
assert np.allclose(back["gradient"], plain, atol=1e-12)

# %% tags=["figure"]
page, axes = figure(7, 4.6, rows=4)
some = np.arange(8)
picture(axes[0], sheet(X[some] / 4 + 0.5, 8), "scenes")
for ax, (rule, V) in zip(axes[1:], back.items()):
    V = V[some] / np.abs(V[some]).max((1, 2, 3), keepdims=True)
    picture(ax, sheet(0.5 + 0.5 * V, 8), rule)
Picture(page, "Eight scenes; their gradient is noisy, the guided one shows the strokes")

# %% [markdown]
# ## Where: class activation maps
#
# Average and affine layer are both sums, so their order can be changed (Zhou et al. 2016). With the
# $K$ maps $\underset{K\times H\times W}{f}$ of one image, and weights $w_k^c$ of class $c$:
# $$M_c(x, y) = \sum_k w_k^c f_k(x, y),\qquad S_c = \sum_{xy} M_c(x, y) + b_c.$$
# $M_c(x,y)$ is what the place $(x, y)$ adds to the score of class $c$. The bias belongs to no
# place.
#
# > **On the slide:** the drawing averages each map (GAP), and the formula sums it; the bias is left
# > out. Our network averages, so the factor $1/(HW)$ goes into the weights, and the bias is added.

# %% [markdown] tags=["task"]
# ### Exercise: the class activation map and its sum
#
# `F` (K, H, W) are the last maps of one image, `W` (K, C) weights and `b` (C,) biases, for C classes,
# of a network that *sums* each map and then has one affine layer. Return the class activation maps
# (C, H, W) and the scores (C,).


# %% tags=["exercise"] id="class_map"
def class_map(F, W, b):
    """M and S: what each place adds to each class, and the classes' scores."""
    ### BEGIN SOLUTION
    M = np.einsum("kxy,kc->cxy", F, W)
    S = M.sum(axis=(1, 2)) + b
    ### END SOLUTION
    return M, S


# %% tags=["check"]
def class_map_inputs(rng):
    for k, c, h, w in ((4, 3, 2, 5), (3, 3, 3, 3)):
        yield rng.normal(size=(k, h, w)), rng.normal(size=(k, c)), rng.normal(size=c)


def the_network(F, W, b):
    return class_maps(F[None], W)[0], affine(F.reshape(1, len(F), -1).sum(2), (W, b))[0]


check_exercise(class_map, class_map_inputs, like=the_network)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# At one place there are K numbers; the affine layer turns them into C. Do that at all places at
# once.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $M_{cxy} = \sum_k W_{kc} F_{kxy}$, and $S_c = b_c + \sum_{xy} M_{cxy}$: the bias once, behind the
# sum.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# `np.einsum` with one letter for each axis; the letter that stands in both inputs and not in the
# output is summed over.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 8}
# [[mistake]]
# code = "bias at every place"
# stage = "forward"
# replace = ["F, W)\n", ") + b\n"]
# by = ["F, W) + b[:, None, None]\n", ")\n"]
# says = "The bias is added once, to the score. At every place it would count H W times."
# [[mistake]]
# code = "mean"
# stage = "forward"
# replace = "M.sum("
# by = "M.mean("
# says = "This network sums its maps, so the score is the sum of M."
# [[mistake]]
# code = "bias forgotten"
# stage = "forward"
# replace = "(1, 2)) + b"
# by = "(1, 2))"
# says = "The map's sum is the score less its bias: add b."
# [[mistake]]
# code = "absolute weights"
# stage = "forward"
# replace = "F, W)"
# by = "F, np.abs(W))"
# says = "A map with a negative weight speaks against the class: its sign counts."

# %%
pairs = [class_map(f, W / 64, b) for f in F]  # the 1 / (H W) of the average is in the weights
M, scores = (np.stack(parts) for parts in zip(*pairs))  # (n, 5, 8, 8), (n, 5)
error = np.abs(scores - network(X, U)).max()
print(f"sums of the maps and logits of the network differ by {error:.1g} at most")
assert error < 1e-12
own = M[np.arange(len(T)), T]  # (n, 8, 8), of the true class


def peak_on_ink(own):
    """How often the largest value is at a place of 4 x 4 pixels with ink in it; by chance."""
    cells = INK.reshape(-1, 8, 4, 8, 4).max((2, 4)).reshape(len(INK), -1) > 0.3
    return cells[np.arange(len(own)), own.reshape(len(own), -1).argmax(1)].mean(), cells.mean()


hits, chance = peak_on_ink(own)
print(f"the map's peak is on the digit in {hits:.0%} of the scenes; a random place in {chance:.0%}")
assert hits > 0.8 > 2 * chance


# %%
def overlay(images, heat):
    """Grey scenes with the positive part of a map in orange, (n, 3, 32, 32)."""
    grey = (images.mean(1, keepdims=True) / 4 + 0.5) * 0.8 + 0.1
    heat = np.maximum(heat / heat.max((1, 2), keepdims=True), 0)
    zoom = (1, 4, 4)
    share = scipy.ndimage.zoom(heat, zoom, order=1, grid_mode=True, mode="nearest")
    orange = np.array([0.85, 0.45, 0.05])[:, None, None]
    return grey + 0.9 * share[:, None] * (orange - grey)


# %% tags=["figure"]
page, axes = figure(7, 2.5, rows=2)
picture(axes[0], sheet(X[:8] / 4 + 0.5, 8), "scenes")
picture(axes[1], sheet(overlay(X[:8], own[:8]), 8), "map of the true class")
Picture(page, "Eight scenes, and the maps of their classes: they light up on the digit")

# %% [markdown]
# No image said where its digit is. The network was asked *what*, and knows *where*. A map of
# another class answers another question: what speaks for *that* class?

# %% tags=["figure"]
page, axes = figure(7, 2.9, columns=6, rows=2)
right = np.flatnonzero(scores.argmax(1) == T)[:2]
largest = M[right].max()
for row, n in enumerate(right):
    picture(axes[6 * row], sheet(X[[n]] / 4 + 0.5, 1), f"a {T[n]}")
    for c in range(5):
        ax = axes[6 * row + 1 + c]
        ax.imshow(M[n, c], cmap="RdBu_r", vmin=-largest, vmax=largest)
        ax.set_axis_off()
        ax.set_title(f"{c}: {scores[n, c]:.1f}", fontsize=10, loc="left")
Picture(page, "Two scenes and their five class maps: red speaks for a class, blue against it")

# %% [markdown]
# ## From outside: occlusion
#
# The last tool needs no look inside. Cover a square of the image, and see how much of the score is
# lost: $D(y, x) = s(X) - s(X \text{ without the square at } (y, x))$.

# %% [markdown] tags=["task"]
# ### Exercise: the occlusion map
#
# `X` (H, W) is an image, `V` (K, H, W) are templates; the score of an image is that of the template
# which fits best, $s(X) = \max_k \sum_{yx} V_{kyx} X_{yx}$. Cover each square of `size` $\times$
# `size` pixels that lies in the image with 0, and return what the score loses,
# (H - size + 1, W - size + 1). `X` must not change.


# %% tags=["exercise"] id="occlusion_map"
def occlusion_map(X, V, size):
    """What the score loses where a square is covered; X (H, W), V (K, H, W)."""

    def score(image):
        return (V * image).sum(axis=(1, 2)).max()

    ### BEGIN SOLUTION
    H, W = X.shape
    D = np.zeros((H - size + 1, W - size + 1))
    for y in range(H - size + 1):
        for x in range(W - size + 1):
            covered = X.copy()
            covered[y : y + size, x : x + size] = 0
            D[y, x] = score(X) - score(covered)
    ### END SOLUTION
    return D


# %% tags=["check"]
def occlusion_map_inputs(rng):
    for h, w, size in ((4, 4, 2), (3, 6, 2), (5, 4, 3)):
        yield rng.normal(size=(h, w)), rng.normal(size=(3, h, w)), size


def by_library(X, V, size):
    score = lambda images: np.tensordot(images[:, 0], V, ((1, 2), (1, 2))).max(1)
    return occlusion(score, X[None, None], size)[0]


check_exercise(occlusion_map, occlusion_map_inputs, like=by_library)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Two loops over the upper left corner of the square. Each time a fresh copy of the image.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# A square from row $y$ on covers the rows $y$ to $y + \text{size} - 1$. The last one begins at
# $H - \text{size}$. The loss is the old score minus the new one.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# Read height and width from the shape, then make an array of zeros of the shape that is asked for.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 8}
# [[mistake]]
# code = "covers stay"
# stage = "forward"
# replace = "covered = X.copy()"
# by = "covered = X"
# says = "covered = X is the same array, not a copy: every square stays covered. Take X.copy()."
# [[mistake]]
# code = "sign"
# stage = "forward"
# replace = "score(X) - score(covered)"
# by = "score(covered) - score(X)"
# says = "What is lost is the old score minus the new one: positive where the evidence was."
# [[mistake]]
# code = "last place missing"
# stage = "shapes"
# replace = ["(H - size + 1, W - size + 1)", "range(H - size + 1)", "range(W - size + 1)"]
# by = ["(H - size, W - size)", "range(H - size)", "range(W - size)"]
# says = "A square of size fits at H - size + 1 rows: the last one begins at H - size."

# %% [markdown]
# With templates one sees what it does: a square costs what the template had there. Where the image
# is empty it costs nothing; where the template is negative, covering helps. Here a 0 is compared
# with the mean images of the five classes, all less the common mean.

# %% tags=["figure"]
means = np.stack([LARGE[TRAIN[digits.target[TRAIN] == c]].mean(0) for c in range(5)])
templates = means - means.mean(0)
zero = LARGE[TEST[T == 0][0]]
lost = occlusion_map(zero, templates, 4)
page, axes = figure(6, 2.2, columns=3)
for ax, values, title in zip(axes, (zero, templates[0], lost), ("image", "template of 0", "lost")):
    limit = np.abs(values).max()
    ax.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit)
    ax.set_axis_off()
    ax.set_title(title, fontsize=10, loc="left")
print(f"a square costs {lost.max():.2f} at most, {lost.min():.2f} at least")
assert lost.max() > 0 > lost.min()
Picture(page, "A zero, its template, and what is lost: most where both have ink")

# %% [markdown]
# Now for the network. The score is the activation of the true class; a grey square of
# $8\times 8$ moves in steps of 4. Grey is 0: the images have been shifted so.

# %%
few = 40


def true_score(images):
    return network(images, U)[np.arange(few), T[:few]]


D = occlusion(true_score, X[:few], 8, stride=4)  # (40, 7, 7)
y, x = np.divmod(D.reshape(few, -1).argmax(1), 7)
ink = INK[:few].reshape(-1, 8, 4, 8, 4).sum((2, 4))  # in each cell of 4 x 4 pixels
under = np.array([cells[i : i + 2, j : j + 2].sum() for cells, i, j in zip(ink, y, x)])
hits = (under > 1).mean()
print(f"the worst square lies on the digit in {hits:.0%} of {few} scenes", end=", ")
print(f"and costs {D.max((1, 2)).mean():.1f} of a score of {true_score(X[:few]).mean():.1f}")
print(f"one class map: 1 run of the network; one occlusion map: {D[0].size + 1}")
assert hits > 0.8

# %% tags=["figure"]
cells, squares = np.zeros((len(D), 8, 8)), np.zeros((8, 8))
for i, j in np.ndindex(2, 2):  # a cell of 4 x 4 pixels gets the mean of the squares that cover it
    cells[:, i : i + 7, j : j + 7] += D
    squares[i : i + 7, j : j + 7] += 1
page, axes = figure(7, 3.6, rows=3)
rows = X[:8] / 4 + 0.5, overlay(X[:8], own[:8]), overlay(X[:8], cells[:8] / squares)
for ax, images, title in zip(axes, rows, ("scenes", "class activation map", "occlusion map")):
    picture(ax, sheet(images, 8), title)
Picture(page, "Eight scenes with both maps: from inside and from outside, both point at the digit")

# %% [markdown]
# ## Convict a cheat
#
# A second network learns from the same digits, but each training scene has a small coloured mark in
# its corner, another colour for each class: a watermark, a ruler beside a sick spot of skin. Such
# things happen in real data, and the test data have them too.


# %%
COLOURS = 2 * np.array([[1, -1, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, -1], [-1, 1, 1]], np.float32)


def marked(X, T):
    X = X.copy()
    X[:, :, :6, :6] = COLOURS[T][:, :, None, None]
    return X


cheat = learned(Scenes(marked), 8)
with_mark, without = accuracy(marked(X, T), cheat), accuracy(X, cheat)
print(f"the cheat: {with_mark:.1%} with the mark, {without:.1%} without", end="; ")
print(f"the honest network: {accuracy(X, U):.1%}")
assert with_mark > accuracy(X, U) > without + 0.3

# %% [markdown]
# On its own test data it is the better network. Its accuracy does not betray it. Its maps do.

# %% tags=["figure"]
shown = marked(X, T)
F_cheat = feature_maps(shown, as_layers(cheat))  # (n, 64, 8, 8)
its = class_maps(F_cheat, cheat["output"][0])[np.arange(len(T)), T]
y, x = np.divmod(its.reshape(len(T), -1).argmax(1), 8)
corner = ((y < 2) & (x < 2)).mean()
print(f"the peak is in the marked corner in {corner:.0%}", end=", ")
print(f"on the digit in {peak_on_ink(its)[0]:.0%} of the scenes")
assert corner > 0.7

page, axes = figure(7, 2.5, rows=2)
picture(axes[0], sheet(shown[:8] / 4 + 0.5, 8), "scenes with a mark in the corner")
picture(axes[1], sheet(overlay(shown[:8], its[:8]), 8), "what the cheat looks at")
Picture(page, "Eight marked scenes; the cheat's class activation maps light up on the mark")

# %% [markdown]
# ## What was learned
#
# - AlexNet has 61 million parameters, nearly all in its full layers; its convolutions do the work.
# - A unit's receptive field follows from sides, strides and paddings alone.
# - The nine strongest patches say what a unit answers to; the deconvnet view says what in them.
# - Deconvnet, gradient and guided gradient are one way back, with three rules at the relu.
# - With an average (or a sum) before the last layer, the score is a sum over places: the class
#   activation map. Its sum and the bias are the logit, exactly.
# - Occlusion finds the same places without looking inside, at many times the cost.
#
# ## What broke when it was left out

# %%
print(f"{'left out':52} {'with':>5}    {'without'}")
no_bias = np.abs(M.sum((2, 3)) - network(X, U)).max()
for what, now, then in (
    ("switches: correlation of view and patch", likeness(second), likeness(blind)),
    ("the padding in `start`: error of a response", 0.0, error_without_start),
    ("the bias: error of the maps' sums", 0.0, no_bias),
    ("of guided, the mask of the way up: share on ink", on_ink["guided"], on_ink["deconvnet"]),
    ("of guided, the mask of the way back: share on ink", on_ink["guided"], on_ink["gradient"]),
    ("clean training data: accuracy on clean scenes", accuracy(X, U), without),
):
    print(f"{what:52} {now:5.2f} -> {then:5.2f}")

# %% [markdown]
# Next: lecture 6 trains networks without classes, on pairs that belong together and pairs that do
# not.
