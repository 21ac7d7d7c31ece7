# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 5. Inside a convolutional network
#
# **The network says "three". What in the image did it see?**
#
# You will count the parameters of AlexNet, the network that made deep learning famous, and then open
# a smaller one that is trained here: its filters, the patches that its units answer most, what in
# these patches they answer to, and the places on which its decision rests. At the end the same tools
# convict a network that cheats. You need convolution and pooling (lecture 4).

# %% tags=["setup"]
import numpy as np
import scipy.ndimage
from sklearn.datasets import load_digits, load_sample_image

from minigrad import affine, block, conv_pool, dropout, entropy, lrn, mean, softmax, upsample
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
from minigrad.models import alexnet
from minigrad.stepper.figures import BLUE, GREY, ORANGE, bars, figure, filters, picture, sheet

requires("0.1")

# %% [markdown]
# ## AlexNet
#
# ImageNet's challenge has 1000 classes and 1.2 million training images. In 2012 AlexNet won it, about
# 10 % ahead of all before. It has five convolutions and three fully connected layers, each with relu
# behind (the last with softmax), and maximum pooling of $3\times 3$ and stride 2 behind the first,
# second and fifth. It was trained in two halves, on two GPUs: in the convolutions 2, 4 and 5 a map
# sees only the maps of its own half. That is why the second has filters $5\times 5\times 48$ though
# the first makes 96 maps. Two *groups*, as we say today.
#
# The filters of one layer are an array $\underset{K\times C/G\times R\times R}{W}$ with a bias
# $\underset{K}{b}$: $K$ maps of $C$ channels in $G$ groups, side $R$. A fully connected layer is the
# same with a filter as large as its maps: the first one has $R = 6$, the others $R = 1$.

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
    seen = [k * groups // maps == c * groups // channels for k in range(maps) for c in range(channels)]
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
# points = {signature = 1, shapes = 1, forward = 3}
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
Picture(page, "Bars: nearly all parameters are in the full layers, nearly all work in the convolutions")

# %% [markdown]
# The weights are in the full layers, the work in the convolutions. What follows looks at the
# convolutions; in the network that we train, the full layers are gone.
#
# > **On the slide:** the figure's caption has 253,440 neurons behind the first layer. The first layer
# > makes 96 maps of $55\times 55$. The slide's images of $224\times 224$ do not give 55 either: with
# > filters of 11 in steps of 4, a side of 227 does.

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
# $32\times 32$ places and their mirror images: the set is 2048 times larger.
#
# **Colours.** To all pixels of an image one colour is added,
# $$\underset{3\times 3}{[p_1, p_2, p_3]}\;\underset{3}{[\alpha_1\lambda_1, \alpha_2\lambda_2,
# \alpha_3\lambda_3]^T},\qquad \alpha_i \sim N(0,\,0.1^2),$$
# where $p_i, \lambda_i$ are the eigenvectors and eigenvalues of the covariance
# ($\underset{3\times 3}{C}$) of all pixels' colours. A thing stays what it is when the light changes.

# %%
china = load_sample_image("china.jpg")[::2, ::2] / 255  # (h, w, 3)
C = np.cov(china.reshape(-1, 3).T)  # (3, 3)
eigenvalues, P = np.linalg.eigh(C)  # (3,), and a column for each
print(f"2 * 32 * 32 = {2 * 32 * 32} crops of an image")
share = eigenvalues[-1] / eigenvalues.sum()
print(f"{share:.0%} of the variance is along {P[:, -1].round(2)}: brightness")
alpha = np.random.default_rng(3).normal(0, 0.1, (5, 3))
shifts = alpha * eigenvalues @ P.T  # (5, 3), the colours added to five versions
for scale in (1, 255):
    most = scale * np.abs(shifts).max()
    print(f"pixels in [0, {scale}]: changed by {most:.3f} of the range at most")
assert share > 0.8
assert np.allclose(np.cov(255 * china.reshape(-1, 3).T), 255**2 * C)

# %% [markdown]
# > **On the slide:** the formula multiplies by $\lambda_i$, a variance, and so depends on the unit:
# > pixels 255 times as large have $\lambda_i$ that are $255^2$ times as large. The change is hard to
# > see in one unit, and larger than the whole range in the other. With $\sqrt{\lambda_i}$, a
# > deviation, the unit does not matter. The picture takes that, and $\alpha_i \sim N(0,\,0.4^2)$, so
# > that there is something to see.

# %% tags=["figure"]
shifts = 4 * alpha * np.sqrt(eigenvalues) @ P.T
versions = np.stack([china, *(china + shift for shift in shifts)]).transpose(0, 3, 1, 2)
page, (ax,) = figure(7, 3.2)
picture(ax, sheet(versions, 3))
Picture(page, "A photograph, and five versions of it: lighter, darker, a little redder or bluer")

# %% [markdown]
# **Dropout.** In training each hidden unit of the first two full layers is set to 0 with probability
# 0.5, anew for each sample. No unit can rely on another one being there. The slide's version takes
# all units in the test, times 0.5. minigrad divides by 0.5 in training instead, and has nothing to do
# in the test: the mean is the same.
#
# **Local response normalisation** divides a response by those of its neighbours among the maps:
# $$\underset{N\times K\times H\times W}{Z}:\quad
# Z_i = A_i \Big/ \Big(k + \alpha \sum_{j=i-2}^{i+2} A_j^2\Big)^{\beta},\qquad
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
# hidden full layers, so that their relus begin with positive inputs, and 0 elsewhere. $\varepsilon$
# begins at 0.01 and is divided by 10 when the validation error stands still. In the library the rule
# is `Momentum(form="alexnet")`; our network learns with it.

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
# Somewhere on a piece of a photograph stands a digit, light or dark, in a colour of its own. The class
# is the digit, 0 to 4. Nobody tells the network *where* the digit is; but we know, and can judge what
# we find inside.

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
# Three convolutions make maps $\underset{N\times 64\times 8\times 8}{F}$. Each map is averaged to one
# number, and one affine layer makes the activations of the classes:
# $$\underset{N\times K}{A} = \underset{N\times 64}{\bar F}\;\underset{64\times K}{W} +
# \underset{K}{b},\qquad \bar F_{nk} = \frac{1}{64}\sum_{xy} F_{nk}(x, y).$$
# The average does not know *where* a map answered; the maps do. This will pay.


# %%
def initial(rng):
    shapes = {"conv1": (16, 3, 5, 5), "conv2": (32, 16, 5, 5), "conv3": (64, 32, 3, 3)}
    U = {name: (he(shape, rng), np.zeros(shape[0], np.float32)) for name, shape in shapes.items()}
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
    rule = Momentum(U, 0.9, decay=0.0005, form="alexnet")
    train(loss, U, data, epochs=epochs, optimiser=rule, progress=False, **options)
    return {name: (W.astype(float), b.astype(float)) for name, (W, b) in U.items()}


U, X = learned(Scenes(), 40), X.astype(float)
print(f"{accuracy(X, U):.1%} of the test scenes are right; guessing: 20 %")
assert accuracy(X, U) > 0.85

# %% [markdown]
# ## The first layer: look at the filters
#
# AlexNet's 96 filters of $11\times 11\times 3$ have three channels, so they are pictures: edges and
# waves in grey on one GPU, blobs of colour on the other. Here are our 16, before and after learning.

# %% tags=["figure"]
before = initial(np.random.default_rng(1))["conv1"][0]
page = filters({"before": before, "after learning": U["conv1"][0]}, columns=4)
Picture(page, "Filters of 5 x 5: noise before; after learning some are smooth edges and strokes")

# %% [markdown]
# Deeper filters have 16 or 32 channels, and no colours to show. So one does not look at the filter,
# one asks: *what does the unit see, and what does it answer to?*
#
# ## What a unit sees
#
# Its *receptive field*: the pixels that can change it. Go through the layers from the image on. Each
# has windows of side $k$, a stride $s$ and a padding $p$ in front. Two neighbours on the maps are
# `step` pixels apart in the image. A unit at $(y, x)$ sees `size` pixels along each axis, from
# `start + step * y` and `start + step * x` on. Before the first layer size and step are 1, start is 0.

# %% [markdown] tags=["task"]
# ### Exercise: the receptive field
#
# `sides`, `strides`, `paddings`: whole numbers, one for each layer (L,), from the image on; a pooling
# counts as a layer. Return `size, step, start`.


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
    found = receptive_field([Pool(int(k), int(s), int(p)) for k, s, p in zip(sides, strides, paddings)])
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
# With $j$ the step below: size grows by $(k-1)\,j$, start falls by $p\,j$, and the step above is $j\,s$.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# A loop over the layers that takes side, stride and padding of each together. The step changes last:
# the other two need the old one.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 4}
# [[mistake]]
# code = "stride product forgotten"
# stage = "forward"
# replace = "(k - 1) * step"
# by = "(k - 1)"
# says = "Units below are step pixels apart, step being the product of all strides below: multiply by it."
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
print(f"AlexNet's last pooling: {field(*windows)[0]} of 227 pixels, in steps of {field(*windows)[1]}")
assert field(*windows)[:2] == (195, 32)

# %% [markdown]
# ## The nine strongest patches
#
# Take many images. Where a map answers most, cut out what that unit saw: the nine strongest patches
# show what they have in common. At the border a part of the receptive field lies outside.

# %% [markdown] tags=["task"]
# ### Exercise: what the unit saw
#
# `X` is an image (C, H, W). The unit at row `y`, column `x` of a map sees `size` pixels along each
# axis, from `start + step * y` and `start + step * x` on. Return this patch, (C, size, size), with 0
# for all that lies outside the image. `start` may be below 0.


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
# A slice must not begin below 0: in Python that counts from the end. Put the image into a larger one
# of zeros first, then cut.
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
# points = {signature = 1, shapes = 2, forward = 4}
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
# stage = "forward"
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
layers = [
    Filters(*U["conv1"], padding=2),
    Pool(2),
    Filters(*U["conv2"], padding=2),
    Pool(2),
    Filters(*U["conv3"], padding=1),
]
second, seen = layers[:4], receptive_field(layers[:4])
size, step, start = (pair[0] for pair in seen)
A = feature_maps(X, second)  # (n, 32, 8, 8)
best = np.argsort(-np.sort(A.max((2, 3)), 0)[-9], kind="stable")[:4]  # the four most active maps
found = {unit: strongest(A, unit) for unit in best}  # images (9,) and places (9, 2)
patches = {
    unit: np.stack([patch(X[n], y, x, size, step, start) for n, (y, x) in zip(images, places)])
    for unit, (images, places) in found.items()
}
for unit, (images, places) in found.items():
    assert np.array_equal(patches[unit], cut(X[images], places, seen))

# %% [markdown]
# Was the offset right? There is a strict test: a patch that lies wholly inside its image, sent through
# the network alone and without padding, must give the response that the whole image gave.

# %%
bare = [Filters(*U["conv1"]), Pool(2), Filters(*U["conv2"]), Pool(2)]
n, (y, x), unit = 5, (3, 4), best[0]
for offset in (start, 0):  # with the right start, and with the padding forgotten
    alone = feature_maps(patch(X[n], y, x, size, step, offset)[None], bare)[0, :, 0, 0]
    error = np.abs(alone - A[n, :, y, x]).max()
    print(f"start {offset:2}: the patch alone and the whole image differ by {error:.2g}")
    assert (error < 1e-12) == (offset == start)

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
for column, unit in enumerate(best):
    V = view(unit, second)
    shades = 0.5 + 0.5 * V / np.abs(V).max((1, 2, 3), keepdims=True)
    picture(axes[column], sheet(patches[unit] / 4 + 0.5, 3), f"map {unit}: patches")
    picture(axes[4 + column], sheet(shades, 3), "deconvnet views")
Picture(page, "Nine patches for each of four maps, and below the strokes that the map answered to")

# %% [markdown]
# The photograph has gone from the views; the part of the stroke that the map looks for stays. How much
# of a view lies on the ink? We compare with views without switches, where a pooling's value goes to
# all four places alike.


# %%
class NoSwitches(Pool):
    def back(self, X, Z, S, rule):
        return upsample(S, self.size)


blind = [NoSwitches(2) if isinstance(layer, Pool) else layer for layer in second]


def on_ink(layers, rule="deconvnet"):
    shares = []
    for unit, (images, places) in found.items():
        ink = cut(INK[images, None], places, seen) > 0.3  # (9, 1, 16, 16)
        energy = view(unit, layers, rule) ** 2
        shares.append((energy * ink).sum() / energy.sum())
    return np.mean(shares)


area = np.mean([(cut(INK[i, None], p, seen) > 0.3).mean() for i, p in found.values()])
with_switches, without = on_ink(second), on_ink(blind)
print(f"ink: {area:.0%} of the patches, {with_switches:.0%} of the views", end=", ")
print(f"{without:.0%} of those without switches")
