# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 4. Convolution
#
# **What does a network gain when it knows which pixels are neighbours?**
#
# The two-layer network of the first lectures reads an image as a row of numbers. It would not
# notice if somebody exchanged the pixels, in all images alike. That is more freedom than needed:
# in an image, neighbours belong together, and a pattern may stand anywhere. Here we build the layer
# that has both facts built in, first for signals, then for images, as one matrix product with a
# `back`. At the end a network of such layers is compared with the two-layer network. You need
# `node`, `block` and `back` of lecture 3.

# %% tags=["setup"]
import numpy as np
import scipy.linalg
import scipy.signal
from minigrad.models import lenet
from sklearn.datasets import load_sample_image

import minigrad
from minigrad import affine, block, conv, conv_pool, entropy, flatten, maxpool, node, pad, relu
from minigrad.data import digits
from minigrad.learn import Momentum, he, linear, train
from minigrad.lectures import Picture, check_exercise, requires
from minigrad.stepper import figures
from minigrad.stepper.interactive import convolution_page

requires("0.1")

# %% [markdown]
# ## Digits, as they are and shuffled
#
# The slides use MNIST: 60,000 digits of 28 x 28 pixels to learn from, 10,000 to test. Here are the
# digits that scikit-learn carries: 1797 of 8 x 8 pixels. The first half is to learn from, the
# second half to test. Beside them stand the same digits with their pixels in another order, *one*
# order for all images.

# %%
X, T = digits(8)  # (1797, 1, 8, 8) in [0, 1], (1797,)
half = len(X) // 2


def shuffled(X, places):
    """X with its pixels in another order, all images alike."""
    return X.reshape(len(X), -1)[:, places].reshape(X.shape)


places = np.random.default_rng(0).permutation(64)
print(f"{half} digits to learn from, {len(X) - half} to test")

# %% tags=["figure"]
page, (top, bottom) = figures.figure(7, 1.9, rows=2)
figures.picture(top, figures.sheet(X[:10, 0], 10), "as they are", 0, 1)
figures.picture(bottom, figures.sheet(shuffled(X, places)[:10, 0], 10), "shuffled alike", 0, 1)
Picture(page, "Ten digits; below, the same ten with shuffled pixels, in which no shape is left.")

# %% [markdown]
# You cannot read the second row. The two-layer network can, as well as the first: if the columns of
# $\underset{N\times D}{X}$ and the rows of $\underset{D\times H}{W_1}$ are exchanged alike, then
# $X W_1$ stays what it was, and the gradient of $W_1$ has its rows exchanged alike. Begin with
# exchanged rows, and the *whole training* is the same.


# %%
@block
def two_layer(X, U):
    """Logits (N, 10) of images X (N, 1, 8, 8)."""
    U1, U2 = U
    return affine(relu(affine(flatten(X), U1)), U2)


def two_layer_start(rng, hidden=100):
    """First parameters: He's weights, biases 0."""
    U1 = he((64, hidden), rng), np.zeros(hidden, np.float32)
    return U1, (he((hidden, 10), rng, gain=1.0), np.zeros(10, np.float32))


def learn(network, U, X, T, seed, epochs=20):
    """Change U in place, by stochastic gradient descent with momentum."""
    options = {"epochs": epochs, "batch": 50, "rate": linear(0.05), "progress": False}
    loss = lambda U, X, T, rng: entropy(network(X, U), T)
    rng = np.random.default_rng(seed)
    train(loss, U, (X, T), rng=rng, optimiser=Momentum(U, 0.9), **options)


def error(network, U, X, T):
    """Wrong answers in percent."""
    return 100 * (network(X, U).argmax(1) != T).mean()


# %%
U = minigrad.tree.map_leaves(np.float64, two_layer_start(np.random.default_rng(0)))
(W1, b1), (W2, b2) = U
V = (W1[places], b1.copy()), (W2.copy(), b2.copy())
S = shuffled(X, places)
learn(two_layer, U, X[:half], T[:half], seed=0)
learn(two_layer, V, S[:half], T[:half], seed=0)
as_is, other = two_layer(X[half:], U), two_layer(S[half:], V)
print(f"test error {error(two_layer, U, X[half:], T[half:]):.2f} % as they are")
print(f"test error {error(two_layer, V, S[half:], T[half:]):.2f} % shuffled")
print(f"logits up to {abs(as_is).max():.1f}, apart by at most {abs(as_is - other).max():.0e}")
assert abs(as_is - other).max() < 1e-6

# %% [markdown]
# So this network "learns more than actually required": the digits in any order of their pixels. The
# rest of this lecture takes that freedom away.

# %% [markdown]
# ## A system that is linear and time-invariant
#
# Begin in one dimension. A signal is $x[n]$, $n\in\mathbb{Z}$. A translation delays it,
# $t_k(x)[n] = x[n-k]$. The unit impulse is $\delta[n] = 1[n = 0]$. Each signal is a sum of delayed
# impulses, $x[n] = \sum_k x[k]\,\delta[n-k]$. A system $f$ makes a signal of a signal. It may be
#
# - *linear*: $f\left(\sum_i a_i x_i\right) = \sum_i a_i f(x_i)$;
# - *time-invariant*, or *translation equivariant*: $f(t_k(x)) = t_k(f(x))$.
#
# If it is both (LTI), then a single measurement tells all about it, the impulse response
# $h = f(\delta)$:
#
# $$f(x)[n] = f\Big(\sum_k x[k]\,t_k(\delta)\Big)[n] = \sum_k x[k]\,t_k(f(\delta))[n]
# = \sum_k x[k]\,h[n-k] = (x * h)[n]$$
#
# The second equality needs linearity *and* time invariance; the result is called **convolution**.

# %% [markdown] tags=["task"]
# ### Exercise: a response from the impulse response
#
# Write `convolve(x, h)`: a system has the impulse response `h`; what is its response $x * h$ to the
# signal `x`? The arrays `x` (N,) and `h` (M,) hold $x[0], \dots, x[N-1]$ and $h[0], \dots, h[M-1]$;
# both signals are 0 elsewhere. Return all places where the response can differ from 0, an array
# (N + M - 1,). Use no function of NumPy that convolves or correlates.


# %% tags=["exercise"] id="convolve"
def convolve(x, h):
    """The response of an LTI system to x (N,), by its impulse response h (M,): (N + M - 1,)."""
    ### BEGIN SOLUTION
    y = np.zeros(len(x) + len(h) - 1)
    for k in range(len(x)):
        y[k : k + len(h)] += x[k] * h
    ### END SOLUTION
    return y


# %% tags=["check"]
def convolve_inputs(rng):
    yield rng.normal(size=5), rng.normal(size=3)
    yield rng.normal(size=4), rng.normal(size=4)
    yield rng.normal(size=2), rng.normal(size=6)


check_exercise(convolve, convolve_inputs, like=np.convolve)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# The system answers to the single impulse $x[k]\,\delta[n-k]$ with $h$, made $x[k]$ times as large
# and delayed by $k$. Answers to several impulses add up.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $y[n] = \sum_k x[k]\,h[n-k]$. For one $k$, the entries from $n = k$ to $n = k + M - 1$ change.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# Begin with N + M - 1 zeros. Then loop over the entries of `x`, and add to a slice.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 7}
# hint = "Try x = [1, 0, 0]: the response is h itself, followed by zeros."
# [[mistake]]
# code = "correlation"
# stage = "forward"
# replace = "x[k] * h"
# by = "x[k] * h[::-1]"
# says = """\
# This is a correlation: the response to the unit impulse comes out backwards. It must be h."""
# [[mistake]]
# code = "overlaps overwritten"
# stage = "forward"
# replace = "+= x[k] * h"
# by = "= x[k] * h"
# says = "Responses to different impulses overlap, and there they add up: += instead of =."
# [[mistake]]
# code = "tail cut off"
# stage = "shapes"
# replace = "    return y"
# by = "    return y[: len(x)]"
# says = "The response lasts longer than x: the last impulse has a response of len(h) entries, too."

# %% [markdown]
# Three systems, as black boxes. Each is asked for its impulse response; then `convolve` predicts
# what it makes of another signal.


# %%
def echo(x):
    y = 0.6 * x
    y[2:] += 0.3 * x[:-2]
    y[5:] += 0.1 * x[:-5]
    return y


def fade(x):
    return x * 0.9 ** np.arange(len(x))


def clip(x):
    return np.clip(x, -1, 1)


def delayed(x, k):
    return np.concatenate([np.zeros(k), x[:-k]])


# %%
n = 40
x, z = np.random.default_rng(1).normal(size=(2, n))
delta = np.zeros(n)
delta[0] = 1
found_by = {}
for f in (echo, fade, clip):
    linear_by = abs(f(x + z) - (f(x) + f(z))).max()
    invariant_by = abs(f(delayed(x, 3)) - delayed(f(x), 3)).max()
    predicted_by = abs(f(x) - convolve(x, f(delta))[:n]).max()
    found_by[f.__name__] = linear_by, invariant_by, predicted_by
    print(
        f"{f.__name__}: sum off by {linear_by:.2f}, delay by {invariant_by:.2f}, "
        f"prediction by {predicted_by:.2f}"
    )
assert max(found_by["echo"]) < 1e-12
assert found_by["fade"][0] < 1e-12 < 0.1 < min(found_by["fade"][1:])
assert found_by["clip"][1] < 1e-12 < 0.1 < min(found_by["clip"][::2])

# %% [markdown]
# Only `echo` is LTI, and only `echo` is known from its response to an impulse. Below, each entry of
# $x$ has a colour: its own response, delayed to its place. The bars stand on each other: a sum.

# %% tags=["figure"]
signal, h = np.array([2.0, 1.0, 0.0, 3.0, 1.5]), np.array([1.0, 0.7, 0.4, 0.2])
colors = [figures.BLUE, figures.ORANGE, figures.GREY, figures.GREEN, figures.VIOLET]
page, axes = figures.figure(7, 2.4, columns=3)
axes[0].bar(range(len(signal)), signal, color=colors)
axes[1].bar(range(len(h)), h, color=figures.INK)
base = np.zeros(len(signal) + len(h) - 1)
for k, color in enumerate(colors):
    part = convolve(signal * (np.arange(len(signal)) == k), h)
    axes[2].bar(range(len(part)), part, bottom=base, color=color)
    base += part
assert np.allclose(base, convolve(signal, h))
for ax, title in zip(axes, ("x[n]", "h[n], the impulse response", "(x * h)[n], in parts")):
    ax.set_title(title, fontsize=10, loc="left")
    ax.set_xlabel("n")
    ax.set_xticks(range(0, 8, 2))
    ax.set_xlim(-0.7, 7.7)
axes[2].set_ylim(0, 4.1)
Picture(page, "A signal, an impulse response, and their convolution as a stack of responses.")

# %% [markdown]
# ## The matrix of a convolution
#
# A linear map has a matrix, and its columns are what it makes of unit vectors. Here these are
# delayed impulses, so column $k$ is $t_k(h)$. Entry $(n, k)$ is $h[n-k]$: the same number all along
# a diagonal (a *Toeplitz* matrix), and 0 outside of a band.
#
# $$\underset{N+M-1}{y} = \underset{(N+M-1)\times N}{T_h}\;\underset{N}{x},\qquad
# T_h[n,k] = h[n-k]$$

# %%
n, h = 16, np.array([0.5, 1.0, -0.7])
T_h = np.stack([convolve(impulse, h) for impulse in np.eye(n)], axis=1)
assert np.array_equal(T_h, scipy.linalg.toeplitz([*h, *np.zeros(n - 1)], [h[0], *np.zeros(n - 1)]))
x, g = (rng := np.random.default_rng(2)).normal(size=n), rng.normal(size=n + 2)
print(f"T_h x and x * h: apart by {abs(T_h @ x - convolve(x, h)).max():.0e}")
assert np.allclose(T_h @ x, convolve(x, h))
backward = abs(T_h.T @ g - np.correlate(g, h, "valid")).max()
print(f"T_h' g and the correlation of g with h: apart by {backward:.0e}")
assert backward < 1e-12

# %% tags=["figure"]
band = T_h != 0
full = rng.normal(size=T_h.shape)
shown = {
    f"fully connected:\n{full.size} numbers": full,
    f"local receptive fields:\n{band.sum()} numbers": np.where(band, full, 0),
    f"and shared weights:\n{len(h)} numbers": T_h,
}
page, axes = figures.figure(7, 3, columns=3)
for ax, (title, M) in zip(axes, shown.items()):
    ax.imshow(M, cmap="RdBu", vmin=-2, vmax=2, interpolation="nearest")
    ax.set_title(title, fontsize=10, loc="left")
    ax.set_xticks([0, 15])
    ax.set_yticks([0, 17])
    ax.set_xlabel("input k")
axes[0].set_ylabel("output n")
Picture(page, "Three matrices: dense; a band of different numbers; a band, equal along diagonals.")

# %% [markdown]
# From left to right, that is all that convolution does to a fully connected layer: sparse
# connections, each output with its *local receptive field*; one set of weights for all places; and
# so *translation equivariance*, and few parameters. The last line printed is about `back`: if
# $y = T_h x$, then $dx = T_h^\top dy$, and that is a correlation.
#
# ## Images, and a name
#
# In a layer, `X` (n, c, h, w) holds n images of c channels of h x w pixels (h is a height from here
# on), and `W` (k, c, r, s) k filters, each with a window of r x s for every channel. `Z`
# (n, k, h', w') has k maps of each image, one for each filter:
#
# $$\underset{h'\times w'}{Z_k} = b_k + \sum_c \underset{r\times s}{W_{kc}} \star
# \underset{h\times w}{X_c},\qquad
# (W \star X)[i,j] = \sum_{y=0}^{r-1}\sum_{x=0}^{s-1} W[y,x]\;X[i+y,j+x]$$
#
# Compare the signs: $i + y$ here, $n - k$ above. The filter is not turned round. Strictly this is
# **cross-correlation**; everyone calls it convolution, and from here on so do we. For filters
# that are learned it makes no difference: they are learned turned round.

# %%
rng = np.random.default_rng(3)
image, W = rng.normal(size=(6, 7)), rng.normal(size=(3, 3))
Z = conv(image[None, None], (W[None, None], None))[0, 0]
assert np.allclose(Z, scipy.signal.correlate2d(image, W, "valid"))
assert np.allclose(Z, scipy.signal.convolve2d(image, W[::-1, ::-1], "valid"))
turned = abs(Z - scipy.signal.convolve2d(image, W, "valid")).max()
print(f"image {image.shape}, filter {W.shape}, output {Z.shape}")
print(f"with a filter that is not turned for convolve2d: off by {turned:.1f}")

# %% [markdown]
# ## Feature maps
#
# A filter sees a window of all channels, and makes one map; its weights are shared among all
# places. Another filter makes another map. Below, five filters look at a photograph.

# %%
china = load_sample_image("china.jpg").transpose(2, 0, 1)[None] / 255.0  # (1, 3, 427, 640)
photograph = minigrad.avgpool(china, 2)  # (1, 3, 213, 320)
r = np.arange(-3, 4)
bell = np.exp(-(r**2) / 4)
bell, wide = bell / bell.sum(), np.ones(7) / 7
planes = {
    "blur": np.outer(wide, wide),
    "change along a row": np.outer(bell, r * bell),
    "change along a column": np.outer(r * bell, bell),
    "spots": np.outer(bell, bell) - np.outer(wide, wide),
}
grey = [F[None].repeat(3, 0) / 3 for F in planes.values()]  # the same in each channel
W = np.stack([*grey, np.zeros((3, 7, 7))])  # (5, 3, 7, 7)
W[4, :, 3, 3] = 1, 0, -1  # a single pixel: red minus blue
Z = conv(photograph, (W, np.zeros(5)))
print(f"images {photograph.shape}, filters {W.shape}, feature maps {Z.shape}")

# %% tags=["figure"]
names = [*planes, "red minus blue, 1 x 1"]
page, axes = figures.figure(7, 3.6, columns=3, rows=2)
figures.picture(axes[0], photograph[0].transpose(1, 2, 0), "input, 3 channels")
for ax, name, F, A in zip(axes[1:], names, W, Z[0]):
    scale = 1 if name == "blur" else np.quantile(abs(A), 0.99)
    figures.picture(ax, A, name, 0 if name == "blur" else -scale, scale)
    inset = ax.inset_axes((0.01, 0.02, 0.26, 0.34))
    F = F[0]
    inset.imshow(F, cmap="RdBu", vmin=-abs(F).max(), vmax=abs(F).max())
    inset.set(xticks=[], yticks=[])
Picture(
    page,
    "A palace by a lake, and five feature maps of it: blurred, edges of two directions, "
    "small spots, and what is rather red than blue; each with its filter.",
)

# %% [markdown]
# The last filter has one pixel. At every place it takes a weighted sum of the channels there, and
# nothing else: a 1 x 1 convolution is a **matrix multiplication**, the same for each pixel,
# $\underset{nhw\times k}{Z} = \underset{nhw\times c}{X}\,\underset{c\times k}{W^\top}$.

# %%
M = np.array([[1.0, 0.0, -1.0], [0.3, 0.6, 0.1]])  # (k, c)
maps = conv(photograph, (M[:, :, None, None], None))
pixels = photograph.transpose(0, 2, 3, 1).reshape(-1, 3)
product = (pixels @ M.T).reshape(1, *photograph.shape[2:], 2).transpose(0, 3, 1, 2)
print(f"pixels {pixels.shape} @ {M.T.shape}, off by {abs(maps - product).max():.0e}")
assert np.allclose(maps, product)

# %% [markdown]
# ## Shift in, shift out, and the border
#
# $f(t_k(x)) = t_k(f(x))$, in numbers. The photograph is moved by 20 pixels to the right; what
# leaves it comes in at the left. The window of 7 x 7 is put on every pixel, so it sticks out of the
# image by 3, and something must stand there.

# %%
filters = W[1:2], None
shift = lambda X, k: np.roll(X, k, axis=3)
zeros = lambda X: conv(X, filters, padding=3)
around = lambda X: conv(np.pad(X, ((0, 0), (0, 0), (3, 3), (3, 3)), mode="wrap"), filters)
for name, f in {"the image again": around, "zeros": zeros}.items():
    off = abs(f(shift(photograph, 20)) - shift(f(photograph), 20)).max(axis=(0, 1, 2))  # (w',)
    broken = np.flatnonzero(off > 1e-12)
    print(f"outside: {name}; off by {off.max():.2g}, in {len(broken)} columns: {broken}")
    inside = np.delete(off, [*range(3), *range(-3, 0), *range(17, 23)])
    assert inside.max() < 1e-12
    assert (len(broken) == 0) == (f is around)

# %% tags=["figure"]
moved = shift(photograph, 20)
rows = {"x": photograph, "shifted x": moved}
page, axes = figures.figure(7, 3.6, columns=3, rows=2)
for (left, right), (name, A) in zip((axes[:2], axes[3:5]), rows.items()):
    figures.picture(left, A[0].mean(0), name, 0, 1)
    figures.picture(right, zeros(A)[0, 0], f"f({name})", -0.15, 0.15)
figures.picture(axes[2], shift(zeros(photograph), 20)[0, 0], "f(x), shifted", -0.15, 0.15)
apart = zeros(moved) - shift(zeros(photograph), 20)
figures.picture(axes[5], abs(apart[0, 0]), "apart by", 0, 0.15)
Picture(
    page,
    "The map of the shifted image is the shifted map, but for thin stripes at the border "
    "of the image and where that border has moved to.",
)

# %% [markdown]
# If the image goes on round the border, equality holds everywhere. With zeros it breaks where a
# window touches the border, before the shift or after it. In a deep network these stripes widen
# from layer to layer.
#
# With a **stride** of 2 the window stands on every second pixel only. A shift by 2 comes out as a
# shift by one place. For a shift by 1, *no* shift of the output fits, and pooling is no better.

# %%
strided = lambda X: conv(
    np.pad(X, ((0, 0), (0, 0), (3, 3), (3, 3)), mode="wrap"), filters, stride=2
)
pooled = lambda X: maxpool(around(X)[:, :, :212], 2)
best_of = {}
for name, f in {"stride 2": strided, "maxima of 2 x 2": pooled}.items():
    best = {}
    for k in (1, 2):
        A, B = f(photograph), f(shift(photograph, k))
        best[k] = min(abs(B - shift(A, m)).mean() for m in range(-2, 3)) / abs(A).mean()
        print(f"{name}, shift by {k}: the best shift of the output is off by {100 * best[k]:.0f} %")
    best_of[name] = best[1]
    assert best[2] < 1e-12 and best[1] > 0.05

# %% [markdown] tags=["task"]
# ### Exercise: how many places
#
# How many outputs are there along one side? A side of `h` pixels gets `padding` zeros at both ends,
# a window of `r` pixels begins at the first one and moves by `stride`, as long as it fits. Write
# `output_size(h, r, stride, padding)`: all arguments are whole numbers, and so is the result.


# %% tags=["exercise"] id="output_size"
def output_size(h, r, stride, padding):
    """The number of places of a window of r on h pixels, padded at both ends."""
    ### BEGIN SOLUTION
    size = (h + 2 * padding - r) // stride + 1
    ### END SOLUTION
    return size


# %% tags=["check"]
def output_size_inputs(rng):
    yield 32, 5, 1, 0
    yield 7, 3, 2, 1
    yield 8, 3, 2, 0
    yield 10, 4, 4, 1
    yield int(rng.integers(9, 20)), int(rng.integers(2, 9)), 3, int(rng.integers(0, 3))


def of_conv(h, r, stride, padding):
    """The height of what the library's convolution returns."""
    column, window = np.zeros((1, 1, h, 1)), np.zeros((1, 1, r, 1))
    return conv(column, (window, None), stride=stride, padding=(padding, 0)).shape[2]


check_exercise(output_size, output_size_inputs, like=of_conv)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# The window begins at 0, stride, 2 stride, ... What is the greatest place where it can begin?
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# The padded side has $h + 2p$ pixels, so the last possible beginning is $h + 2p - r$. Count the
# multiples of the stride from 0 up to there; 0 counts, too.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# One line: the last beginning, divided by the stride and rounded down (`//`), plus one.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 6}
# [[mistake]]
# code = "padding at one end"
# stage = "forward"
# replace = "2 * padding"
# by = "padding"
# says = "There is padding at both ends of the side: it counts twice."
# [[mistake]]
# code = "first place missing"
# stage = "forward"
# replace = "// stride + 1"
# by = "// stride"
# says = "A window as large as the side has one place, not none: add 1."
# [[mistake]]
# code = "rounded up"
# stage = "forward"
# replace = "(h + 2 * padding - r) // stride + 1"
# by = "-(-(h + 2 * padding - r) // stride) + 1"
# says = "Rounded up: the last window would stick out. A window that does not fit has no place."

# %% [markdown]
# ## im2col: a convolution as one product
#
# Copy what the window sees at each place into a row of a matrix. Then a convolution is an affine
# layer of these rows, and fast products do the work:
#
# $$\underset{nh'w'\times k}{A} = \underset{nh'w'\times crs}{C}\;
# \underset{crs\times k}{W^\top} + b$$

# %% tags=["figure"]
small = np.arange(20.0).reshape(4, 5)
rows = np.add.outer([0, 1, 2, 5, 6, 7], [0, 1, 2, 5, 6, 7, 10, 11, 12])  # corners and offsets
page, axes = figures.figure(7, 2.5, columns=2)
for ax, M, title in zip(
    axes, (small, rows), ("X, and the window at (1, 1)", "C, a row each place")
):
    ax.imshow(M, cmap="Blues", vmin=0, vmax=45, interpolation="nearest")
    for (i, j), value in np.ndenumerate(M):
        ax.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=9)
    ax.set_title(title, fontsize=10, loc="left")
    ax.set_axis_off()
frame = {"fill": False, "edgecolor": figures.ORANGE, "linewidth": 3, "clip_on": False}
box = type(axes[0].patch)
axes[0].add_patch(box((0.5, 0.5), 3, 3, **frame))
axes[1].add_patch(box((-0.5, 3.5), 9, 1, **frame))
Picture(
    page,
    "An image of 4 x 5 numbers with a window of 3 x 3, and the matrix of 6 rows of 9 "
    "numbers; the framed row holds what the window sees.",
)

# %% [markdown] tags=["task"]
# ### Exercise: im2col
#
# Write `im2col(X, r, s, stride)`. `X` (n, c, h, w); return `C` (n h' w', c r s). Its rows are the
# windows of the first image, row of places by row of places, then those of the second, and so on. A
# row has the order of `W[k].ravel()`: channel first, then the row in the window, then the column.


# %% tags=["exercise"] id="im2col"
def im2col(X, r, s, stride):
    """What a window of r x s sees, a row for each image and place; X (n, c, h, w)."""
    n, c, h, w = X.shape
    ### BEGIN SOLUTION
    windows = []
    for top in range(0, h - r + 1, stride):
        for left in range(0, w - s + 1, stride):
            windows.append(X[:, :, top : top + r, left : left + s].reshape(n, -1))
    C = np.stack(windows, axis=1).reshape(-1, c * r * s)
    ### END SOLUTION
    return C


# %% tags=["check"]
def im2col_inputs(rng):
    yield rng.normal(size=(2, 2, 4, 4)), 3, 3, 1
    yield rng.normal(size=(3, 2, 5, 6)), 2, 3, 2
    yield rng.normal(size=(2, 3, 5, 4)), 2, 2, 1


def one_hot_filters(X, r, s, stride):
    """The same numbers as a convolution: filter number k picks entry k of the window."""
    d = X.shape[1] * r * s
    picked = conv(X, (np.eye(d).reshape(d, -1, r, s), None), stride=stride)
    return np.moveaxis(picked, 1, 3).reshape(-1, d)


check_exercise(im2col, im2col_inputs, like=one_hot_filters)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Loop over places, not over pixels. At one place, cut the window out of all images and channels at
# once.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# At place $(i, j)$ the window begins at row $i\cdot\text{stride}$, column $j\cdot\text{stride}$.
# One place gives an array (n, c r s). Put the places along a *new* axis 1: (n, h' w', c r s).
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# An empty list for the windows; then a loop over the first rows of windows, from 0 to h - r, in
# steps of the stride.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 7}
# hint = """\
# Print im2col of np.arange(16).reshape(1, 1, 4, 4) with a window of 2 x 2, and find the \
# rows in the image."""
# [[mistake]]
# code = "stride left out"
# stage = "shapes"
# replace = ["range(0, h - r + 1, stride)", "range(0, w - s + 1, stride)"]
# by = ["range(0, h - r + 1)", "range(0, w - s + 1)"]
# says = "The window moves by stride pixels from place to place: so many rows are too many."
# [[mistake]]
# code = "last place missing"
# stage = "shapes"
# replace = ["range(0, h - r + 1, stride)", "range(0, w - s + 1, stride)"]
# by = ["range(0, h - r, stride)", "range(0, w - s, stride)"]
# says = "A window may begin at row h - r, the last one where it fits. range leaves its end out."
# [[mistake]]
# code = "places before images"
# stage = "forward"
# replace = "axis=1"
# by = "axis=0"
# says = """\
# Rows are in the order place, image. All places of the first image come first: stack places \
# along axis 1."""
# [[mistake]]
# code = "channels last"
# stage = "forward"
# replace = ".reshape(n, -1)"
# by = ".transpose(0, 2, 3, 1).reshape(n, -1)"
# says = "A row has channel first, then the place in the window, as W[k].ravel() has."

# %%
rng = np.random.default_rng(4)
x, W, b = rng.normal(size=(2, 3, 8, 8)), rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)
A = im2col(x, 3, 3, 1) @ W.reshape(4, -1).T + b  # (n h' w', k)
Z = A.reshape(2, 6, 6, 4).transpose(0, 3, 1, 2)  # (n, k, h', w')
print(f"one product and the library's conv: apart by {abs(Z - conv(x, (W, b))).max():.0e}")
assert np.allclose(Z, conv(x, (W, b)))

# %% [markdown]
# Move the window over a digit:

# %%
convolution_page(X[0, 0], planes["change along a row"][2:5, 2:5], stride=1, padding=1)

# %% [markdown]
# ## col2im: the way back
#
# The way back gets $dC$ and needs $dX$. im2col is linear in $X$, so it has a matrix, with a single
# 1 in each row. Back means the transposed matrix, as for $T_h$ above. Wherever forward *copied* a
# pixel into several rows, back *adds up* what these rows get.

# %% [markdown] tags=["task"]
# ### Exercise: col2im
#
# Write `col2im(C, shape, r, s, stride)`: every row of `C` (n h' w', c r s), in im2col's order, is
# added to the place in the images where its window was. `shape` is (n, c, h, w), that of the images
# you return.


# %% tags=["exercise"] id="col2im"
def col2im(C, shape, r, s, stride):
    """Each row of C, added to where im2col took it from; an array of that shape (n, c, h, w)."""
    n, c, h, w = shape
    ### BEGIN SOLUTION
    corners = [(i, j) for i in range(0, h - r + 1, stride) for j in range(0, w - s + 1, stride)]
    cells = C.reshape(n, len(corners), c, r, s)
    X = np.zeros(shape)
    for place, (i, j) in enumerate(corners):
        X[:, :, i : i + r, j : j + s] += cells[:, place]
    ### END SOLUTION
    return X


# %% tags=["check"]
def col2im_inputs(rng):
    yield rng.normal(size=(8, 18)), (2, 2, 4, 4), 3, 3, 1
    yield rng.normal(size=(12, 12)), (3, 2, 5, 5), 2, 3, 2
    yield rng.normal(size=(12, 4)), (2, 1, 3, 4), 2, 2, 1


def pulled_back(C, shape, r, s, stride):
    """The gradient of <one_hot_filters(X), C> in X, by the library."""

    def product(X):
        d = C.shape[1]
        Z = conv(X, (np.eye(d).reshape(d, -1, r, s), None), stride=stride)
        return minigrad.sum(Z * np.moveaxis(C.reshape(len(X), *Z.shape[2:], d), 3, 1))

    return minigrad.grad(product)(np.zeros(shape))


check_exercise(col2im, col2im_inputs, like=pulled_back)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Walk over the same places as im2col, but write into the image what it read from there.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# Write the rows as (n, h' w', c, r, s). For each place,
# `X[all images, all channels, window] += rows of this place`.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# A list of the top left corners (i, j) of all windows, in the order of im2col; you also need zeros
# of the given shape.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 7}
# hint = "Let C be all ones: each pixel must come out as the number of windows that see it."
# [[mistake]]
# code = "overlaps overwritten"
# stage = "forward"
# replace = "+= cells[:, place]"
# by = "= cells[:, place]"
# says = "Where windows overlap, all of them count: = keeps the last window only, += adds up."
# [[mistake]]
# code = "mean over windows"
# stage = "forward"
# replace = "X[:, :, i : i + r, j : j + s] += cells[:, place]"
# by = "X[:, :, i : i + r, j : j + s] += cells[:, place] / (r * s)"
# says = """\
# No mean over the windows that see a pixel: col2im is the transpose of im2col, not its \
# inverse."""
# [[mistake]]
# code = "channels last"
# stage = "forward"
# replace = "C.reshape(n, len(corners), c, r, s)"
# by = "C.reshape(n, len(corners), r, s, c).transpose(0, 1, 4, 2, 3)"
# says = "A row holds channel first, then the place in the window: reshape it to (c, r, s)."
# [[mistake]]
# code = "places before images"
# stage = "forward"
# replace = "cells = C.reshape(n, len(corners), c, r, s)"
# by = "cells = C.reshape(len(corners), n, c, r, s).swapaxes(0, 1)"
# says = "All places of the first image come first: reshape to (n, h' w', c, r, s)."

# %% [markdown]
# How does one test such a pair without differences? By the **adjoint test**. For a matrix,
# $\langle Mx, y\rangle = \langle x, M^\top y\rangle$ for all $x$ and $y$, and only the transpose
# does this:
#
# $$\langle \text{im2col}\,x,\; y\rangle = \langle x,\; \text{col2im}\,y\rangle$$
#
# Random $x$ and $y$, two sums, no formula. The last line is a tempting col2im: `+=` with an array
# of indices, in which pixels come several times.


# %%
for stride in (1, 2, 3):
    C = im2col(x, 3, 3, stride)
    y = rng.normal(size=C.shape)
    left, right = np.vdot(C, y), np.vdot(x, col2im(y, x.shape, 3, 3, stride))
    print(f"stride {stride}: {left:.6f} and {right:.6f}")
    assert np.isclose(left, right)
seen = im2col(np.arange(x.size).reshape(x.shape), 3, 3, 1).astype(int)  # which pixels of x
y, wrong = rng.normal(size=seen.shape), np.zeros(x.size)
wrong[seen] += y  # NumPy takes a repeated index once: the last entry of y wins
left, right = np.vdot(im2col(x, 3, 3, 1), y), np.vdot(x, wrong)
print(f"each pixel once: {left:.6f} and {right:.6f}")
assert not np.isclose(left, right)

# %% [markdown]
# Transpose does not mean inverse: `col2im(im2col(X))` is not `X`. Each pixel comes back once for
# every window that saw it. The figure counts them; a 0 is a pixel that no window ever sees, as the
# floor in the output size leaves it out.

# %% tags=["figure"]
page, axes = figures.figure(7, 2.6, columns=3)
for ax, stride in zip(axes, (1, 2, 3)):
    back_again = lambda X, stride=stride: col2im(im2col(X, 3, 3, stride), X.shape, 3, 3, stride)
    counts = back_again(np.ones((1, 1, 8, 8)))
    assert np.allclose(back_again(x), counts * x)
    ax.imshow(counts[0, 0], cmap="Blues", vmin=0, vmax=14, interpolation="nearest")
    for (i, j), value in np.ndenumerate(counts[0, 0]):
        ax.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=8)
    ax.set_title(f"3 x 3, stride {stride}", fontsize=10, loc="left")
    ax.set_axis_off()
Picture(
    page,
    "How many windows see each pixel of 8 x 8: up to nine with stride 1, one, two or four "
    "with stride 2, one or none with stride 3.",
)

# %% [markdown]
# ## The layer
#
# A convolution is linear in $X$ and in $W$, so each product $W X$ of the forward gives one product
# to $dW$ and one to $dX$. With a stride $t$, output $(i, j)$ sees the window at $(ti, tj)$. Over
# images $n$:
#
# $$\underset{r\times s}{dW_{kc}}[y,x] = \sum_n\sum_{i,j} \underset{h'\times w'}{dZ_{nk}}[i,j]\;
# \underset{h\times w}{X_{nc}}[ti+y,\,tj+x],\qquad db_k = \sum_n\sum_{i,j} dZ_{nk}[i,j]$$
#
# and each $dX_{nc}[ti+y,\,tj+x]$ gets $W_{kc}[y,x]\;dZ_{nk}[i,j]$ added, for all $k$, $y$, $x$,
# $i$, $j$.

# %% [markdown] tags=["task"]
# ### Exercise: the backward of a convolution
#
# The forward is written, in another way than by im2col: for each tap $(y, x)$ of the filter, `V`
# (n, c, h', w') is what the tap sees at all places at once. Write `back(dZ, dX, dU)`. It deposits
# into `dX`, and into `dW` and `db` in `dU`, for any stride. You may loop over taps, as the
# forward does, or over places; you need nothing of the cells above.


# %% tags=["exercise"] id="convolution"
@node
def convolution(X, U, stride):
    """Z = W * X + b; X (n, c, h, w), U = (W, b), W (k, c, r, s), b (k,), Z (n, k, h', w')."""
    W, b = U
    (h, w), (r, s) = X.shape[2:], W.shape[2:]
    Z = b[:, None, None]
    for y, x in np.ndindex(r, s):
        V = X[:, :, y : h - r + y + 1 : stride, x : w - s + x + 1 : stride]
        Z = Z + np.einsum("kc,ncij->nkij", W[:, :, y, x], V, optimize=True)
    ### BEGIN SOLUTION

    def back(dZ, dX, dU):
        dW, db = dU
        db += dZ.sum(axis=(0, 2, 3))
        for i, j in np.ndindex(r, s):
            seen = np.s_[:, :, i : i + h - r + 1 : stride, j : j + w - s + 1 : stride]
            dW[:, :, i, j] += np.tensordot(dZ, X[seen], ((0, 2, 3), (0, 2, 3)))
            dX[seen] += np.einsum("kc,nkij->ncij", W[:, :, i, j], dZ, optimize=True)

    ### END SOLUTION
    return Z, back


# %% tags=["check"]
def convolution_inputs(rng):
    yield rng.normal(size=(2, 2, 3, 3)), (rng.normal(size=(2, 2, 2, 2)), rng.normal(size=2)), 1
    yield rng.normal(size=(2, 2, 5, 6)), (rng.normal(size=(3, 2, 3, 2)), rng.normal(size=3)), 2
    yield rng.normal(size=(3, 1, 4, 5)), (rng.normal(size=(2, 1, 2, 2)), rng.normal(size=2)), 2


check_exercise(convolution, convolution_inputs, like=conv)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Take one tap. The forward multiplies what it sees by `W[:, :, y, x]` (k, c): for this tap, it is
# an affine layer without bias, at every place. You know its `back`.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# For one tap: `dW[:, :, y, x]` is a sum of `dZ` times `V` over n, i, j; and `W[:, :, y, x]` times
# `dZ`, summed over k, is added to those entries of `dX` of which the forward made `V`.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# Unpack `dU` into its two gradients. The bias is done in one more line, a sum of `dZ` over three
# axes; then comes the loop over taps, with the forward's slices, stride included.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 1, dX = 3, dW = 2, db = 1}
# gradients = ["dX", "dW", "db"]
# hint = "With a filter of 1 x 1 and stride 1 this is an affine layer at every pixel."
# [[mistake]]
# code = "stride not in back"
# stage = "dX"
# replace = "np.s_[:, :, i : i + h - r + 1 : stride, j : j + w - s + 1 : stride]"
# by = "np.s_[:, :, i : i + dZ.shape[2], j : j + dZ.shape[3]]"
# says = """\
# The stride is lost on the way back: output (i, j) belongs to the window that begins at row \
# i stride, column j stride."""
# [[mistake]]
# code = "overlaps overwritten"
# stage = "dX"
# replace = "dX[seen] += "
# by = "dX[seen] = "
# says = """\
# A pixel is seen by several taps of the filter: its gradient is the sum over all of them, \
# +=."""
# [[mistake]]
# code = "filter turned in dX"
# stage = "dX"
# replace = 'np.einsum("kc,nkij->ncij", W[:, :, i, j], dZ, optimize=True)'
# by = 'np.einsum("kc,nkij->ncij", W[:, :, r - 1 - i, s - 1 - j], dZ, optimize=True)'
# says = """\
# The filter is turned round on the way back. It is turned only if dX is computed as a \
# convolution of dZ; tap by tap it stays as it is."""
# [[mistake]]
# code = "dW turned round"
# stage = "dW"
# replace = "dW[:, :, i, j] += "
# by = "dW[:, :, r - 1 - i, s - 1 - j] += "
# says = "dW is turned by 180 degrees: tap (y, x) of dW belongs to tap (y, x) of W."
# [[mistake]]
# code = "db of one place"
# stage = "db"
# replace = "dZ.sum(axis=(0, 2, 3))"
# by = "dZ[:, :, 0, 0].sum(0)"
# says = "b is added at every place of a map, so db sums over places as it does over images."
# [[mistake]]
# code = "db mean"
# stage = "db"
# replace = "dZ.sum(axis=(0, 2, 3))"
# by = "dZ.mean(axis=(0, 2, 3))"
# says = "A gradient sums over all outputs that use b; only a mean in the forward divides."

# %% [markdown]
# Lecture 3 promised that the back of a convolution is a convolution. With stride 1 it is: $dZ$ gets
# a border of $r - 1$ and $s - 1$ zeros, the filters are turned round, and their maps and channels
# exchanged. (In one dimension it was the same: a convolution forward, a correlation back.)

# %%
dZ = rng.normal(size=(2, 4, 6, 6))  # for x (2, 3, 8, 8) and W (4, 3, 3, 3), as above
dx = minigrad.grad(lambda x: minigrad.sum(dZ * convolution(x, (W, b), 1)))(x)
half_turn = W[:, :, ::-1, ::-1].swapaxes(0, 1)  # (c, k, r, s)
by_conv = conv(dZ, (half_turn, None), padding=2)
print(f"dX by your back and by a convolution: apart by {abs(dx - by_conv).max():.0e}")
assert np.allclose(dx, by_conv)

# %% [markdown]
# ## Pooling
#
# LeNet-5 goes on with *sub-sampling*: a map becomes smaller, one number for each block of 2 x 2.
# Today the number is mostly the maximum. Then all of the gradient goes to the winner of the block,
# as no other pixel changes the result. But what if two pixels are equal? In images that is no
# accident: think of the background.

# %%
cells = np.sort([X[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=0)  # (4, n, c, 4, 4)
ties = (cells[-1] == cells[-2]).mean()
print(f"blocks of 2 x 2 in the digits whose greatest pixels are equal: {100 * ties:.0f} %")
assert ties > 0.2

# %% [markdown] tags=["task"]
# ### Exercise: the gradient of a maximum, with ties
#
# Write `maxpool_gradient(X, dZ, size)`: the gradient of the blocks' maxima. `X` (n, c, h, w), where
# h and w are multiples of `size`; `dZ` (n, c, h / size, w / size); return `dX`, like `X`. A block
# hands on its `dZ` *once*: if several pixels are its maximum, choose one of them, or let them
# share.


# %% tags=["exercise"] id="maxpool_gradient"
def maxpool_gradient(X, dZ, size):
    """dX of the maxima of blocks of size x size; X (n, c, h, w), dZ (n, c, h / size, w / size)."""
    n, c, rows, columns = dZ.shape
    ### BEGIN SOLUTION
    blocks = X.reshape(n, c, rows, size, columns, size)
    top = blocks == blocks.max((3, 5), keepdims=True)
    share = top / top.sum((3, 5), keepdims=True)
    dX = (share * dZ[:, :, :, None, :, None]).reshape(X.shape)
    ### END SOLUTION
    return dX


# %% tags=["check"]
def maxpool_gradient_inputs(rng):
    yield rng.normal(size=(2, 2, 4, 4)), rng.normal(size=(2, 2, 2, 2)), 2
    yield rng.normal(size=(2, 1, 6, 3)) - 5, rng.normal(size=(2, 1, 2, 1)), 3
    yield rng.integers(0, 2, (3, 2, 4, 6)).astype(float), rng.normal(size=(3, 2, 2, 3)), 2
    yield np.zeros((1, 1, 4, 2)), rng.normal(size=(1, 1, 2, 1)), 2


def goes_to_maxima(dX, X, dZ, size):
    """What is wrong with dX, in words, or nothing."""
    if np.shape(dX) != X.shape:
        return f"it returns shape {np.shape(dX)}; dX has the shape of X, {X.shape}"
    for m, k, i, j in np.ndindex(dZ.shape):
        block = np.s_[m, k, i * size : (i + 1) * size, j * size : (j + 1) * size]
        got, below, given = dX[block], X[block] < maxpool(X, size)[m, k, i, j], dZ[m, k, i, j]
        where = f"block ({i}, {j}) of map {k} of image {m}"
        if abs(got[below]).sum() > 0:
            return f"in {where}, a pixel below the maximum gets a gradient"
        if not np.isclose(got.sum(), given) or (got * given < 0).any():
            return f"in {where}, the gradients sum to {got.sum():.4g}; dZ is {given:.4g}"
    return ""


check_exercise(maxpool_gradient, maxpool_gradient_inputs, holds=goes_to_maxima)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Make a mask that is 1 at the maximum of each block and 0 elsewhere. If a block has two 1s in it,
# make them ½.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# As (n, c, h / size, size, w / size, size), an array has the pixels of a block along axes 3 and 5.
# Then $dX = \text{mask} / (\text{sum of the mask over the block}) \cdot dZ$.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# Reshape `X` so that two of six axes are the rows and columns *inside* a block. Keep the reduced
# axes (`keepdims`), so that shapes fit.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 8}
# hint = "The sum of dX is the sum of dZ, also where X is 0 everywhere."
# [[mistake]]
# code = "to all equal maxima"
# stage = "forward"
# replace = "top / top.sum((3, 5), keepdims=True)"
# by = "top * 1.0"
# says = """\
# With a tie, each of the equal pixels gets all of dZ: too much. Choose one, or divide by \
# their number."""
# [[mistake]]
# code = "average's gradient"
# stage = "forward"
# replace = "top / top.sum((3, 5), keepdims=True)"
# by = "np.full(blocks.shape, 1 / size**2)"
# says = "This is the gradient of a mean: only the maximum of a block gets anything."
# [[mistake]]
# code = "nothing at a tie"
# stage = "forward"
# replace = "top / top.sum((3, 5), keepdims=True)"
# by = "top * (top.sum((3, 5), keepdims=True) == 1)"
# says = "With a tie nobody gets the gradient: one of the equal pixels must, or all share it."
# [[mistake]]
# code = "one maximum for a map"
# stage = "forward"
# replace = "blocks.max((3, 5), keepdims=True)"
# by = "blocks.max((2, 3, 4, 5), keepdims=True)"
# says = "Each block has its own maximum; here a whole map has one."

# %% [markdown]
# ## LeNet-5
#
# A network of 1998 reads digits of 32 x 32 pixels: convolution (C), sub-sampling (S), and fully
# connected layers (F). C1 has 6 maps of 28 x 28, S2 6 of 14 x 14, C3 16 of 10 x 10, S4 16 of 5 x 5,
# C5 120 units, F6 84, and then 10 outputs. All windows of C1, C3 and C5 are 5 x 5. As maps become
# smaller, their number increases: sub-sampling "gradually introduces translation, scale and
# distortion invariance".

# %% [markdown] tags=["task"]
# ### Exercise: parameters and connections
#
# A convolutional layer makes `k` maps of `c` maps, with windows of `r` x `r` pixels that stand at
# `places` places. Write `count(c, k, r, places)`. Return two whole numbers: the parameters (weights
# and biases) and the connections (weights and biases, counted for each output that uses them).


# %% tags=["exercise"] id="count"
def count(c, k, r, places):
    """Parameters and connections of a layer of k maps; each of its windows sees c maps."""
    ### BEGIN SOLUTION
    parameters = k * (c * r * r + 1)
    connections = parameters * places
    ### END SOLUTION
    return parameters, connections


# %% tags=["check"]
def count_inputs(rng):
    yield 1, 6, 5, 784
    yield 6, 16, 5, 100
    yield 400, 120, 1, 1
    yield tuple(int(number) for number in rng.integers(2, 6, 4))


def of_ones(c, k, r, places):
    """Counted by a convolution of ones with ones."""
    images, filters = np.ones((1, c, r, r + places - 1)), np.ones((k, c, r, r))
    Z = conv(images, (filters, np.ones(k)))  # each entry counts what it is made of
    return int(Z[..., 0].sum()), int(Z.sum())


check_exercise(count, count_inputs, like=of_ones)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# First count what one output of one map is made of. The weights of a map are shared among places;
# the connections are not.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# One output sees $r\cdot r$ pixels of each of $c$ maps, and one bias. There are $k$ filters, and
# each is used `places` times.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# Start with the parameters: `k` times the number of weights of a filter and its bias.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 6}
# [[mistake]]
# code = "bias missing"
# stage = "forward"
# replace = "c * r * r + 1"
# by = "c * r * r"
# says = "Each map has a bias, too."
# [[mistake]]
# code = "one channel"
# stage = "forward"
# replace = "c * r * r + 1"
# by = "r * r + 1"
# says = "A filter has a window for each of the c maps that it sees: c r r weights."
# [[mistake]]
# code = "a bias each channel"
# stage = "forward"
# replace = "c * r * r + 1"
# by = "c * (r * r + 1)"
# says = "One bias for a map, not one for each map that it sees."
# [[mistake]]
# code = "weights not shared"
# stage = "forward"
# replace = "parameters = k * (c * r * r + 1)"
# by = "parameters = k * (c * r * r + 1) * places"
# says = """\
# Parameters are shared among all places: their number does not depend on how many there \
# are."""

# %%
# what it sees, its maps, window, places; and how many numbers there are to see
layers = {
    "C1": ((1, 6, 5, 28 * 28), 32 * 32),
    "C3": ((6, 16, 5, 10 * 10), 6 * 14 * 14),
    "C5": ((16, 120, 5, 1), 16 * 5 * 5),
    "F6": ((120, 84, 1, 1), 120),
}
ours = lenet.initial(np.random.default_rng(0)).values()
print("    parameters  connections  parameters if fully connected")
for (name, (layer, seen)), arrays in zip(layers.items(), ours):
    parameters, connections = count(*layer)
    dense, _ = count(seen, layer[1] * layer[3], 1, 1)
    print(f"{name} {parameters:11,} {connections:12,} {dense:13,}")
    assert parameters == sum(w.size for w in arrays)

# %% [markdown]
# C5 is a convolution whose window covers the whole map, so it is fully connected. As published,
# some things were different: a map of C3 sees only some of the maps of S2; S2 and S4 have a factor
# and a bias for each map, and the non-linearity; the outputs are distances to ten fixed patterns
# ("Gaussian connections" on the slide). From C1 to F6 these are the paper's 60,000 parameters:

# %%
c3 = sum(count(sees, maps, 5, 100)[0] for maps, sees in ((6, 3), (9, 4), (1, 6)))
s2, s4 = 2 * 6, 2 * 16
total = s2 + c3 + s4 + sum(count(*layers[name][0])[0] for name in ("C1", "C5", "F6"))
print(f"S2 {s2}, C3 {c3:,}, S4 {s4}; C1 to F6 together {total:,} parameters")
assert (c3, total) == (1516, 60_000)

# %% [markdown]
# ## The digits again
#
# A network for 8 x 8 pixels, with the operations that you wrote: two convolutions with windows of
# 3 x 3, each pooled, and one affine layer.


# %%
@node
def pooling(X, size):
    """Z = the maximum of each block; X (n, c, h, w), Z (n, c, h / size, w / size)."""
    Z = maxpool(X, size)

    def back(dZ, dX):
        dX += maxpool_gradient(X, dZ, size)

    return Z, back


@block
def own(X, U):
    """Logits (n, 10) of images X (n, 1, 8, 8), by the operations of this lecture."""
    border = (1, 1), (1, 1)
    Z = relu(pooling(convolution(pad(X, border), U[0], 1), 2))  # (n, 16, 4, 4)
    Z = relu(pooling(convolution(pad(Z, border), U[1], 1), 2))  # (n, 32, 2, 2)
    return affine(flatten(Z), U[2])


# %%
@block
def convolutional(X, U):
    """The same by the library; conv_pool is convolution, maximum and relu in one."""
    Z = conv_pool(conv_pool(X, U[0], padding=1), U[1], padding=1)
    return affine(flatten(Z), U[2])


def convolutional_start(rng):
    """First parameters: He's weights, biases 0."""
    W = he((16, 1, 3, 3), rng), he((32, 16, 3, 3), rng), he((128, 10), rng, gain=1.0)
    return tuple((w, np.zeros(k, np.float32)) for w, k in zip(W, (16, 32, 10)))


# %%
U = convolutional_start(np.random.default_rng(0))
assert np.allclose(own(X[:50], U), convolutional(X[:50], U), atol=1e-4)
learn(own, U, X[:half], T[:half], seed=0, epochs=5)
own_error = error(own, U, X[half:], T[half:])
print(f"test error after 5 epochs, with your operations: {own_error:.1f} %")
assert own_error < 15

# %% [markdown]
# Now both networks, on digits as they are and shuffled, with five seeds: first weights, order of
# batches and order of pixels are drawn anew. This takes the library's convolution. Each network is
# also asked about test digits that are moved by one pixel, which it has never seen.

# %%
networks = {
    "two-layer": (two_layer, two_layer_start),
    "convolutional": (convolutional, convolutional_start),
}
moved = np.pad(X, ((0, 0), (0, 0), (0, 0), (1, 0)))[..., :-1]  # by one pixel to the right
errors, errors_moved, first, learned = {}, {}, {}, {}
for name, (network, start) in networks.items():
    for order in ("as they are", "shuffled"):
        runs = []
        for seed in range(5):
            U, places = start(np.random.default_rng(seed)), np.arange(64)
            if order == "shuffled":
                places = np.random.default_rng([seed, 1]).permutation(64)
            S, M = shuffled(X, places), shuffled(moved, places)
            learn(network, U, S[:half], T[:half], seed)
            runs.append([error(network, U, A[half:], T[half:]) for A in (S, M)])
        errors[name, order], errors_moved[name, order] = np.transpose(runs)
        first[name, order], learned[name, order] = start(np.random.default_rng(seed)), U

# %%
print("                            parameters  test error (%)  moved by a pixel (%)")
sizes = {row: sum(w.size for w in minigrad.tree.leaves(learned[row])) for row in errors}
for row, found in errors.items():
    spread = f"{found.mean():5.1f} +- {found.std(ddof=1):.1f}"
    print(f"{', '.join(row):27} {sizes[row]:10,} {spread:>15} {errors_moved[row].mean():13.0f}")
full, full_shuffled, ours, ours_shuffled = (found.mean() for found in errors.values())
assert abs(full - full_shuffled) < 1  # one order is as good as another
assert sizes["convolutional", "as they are"] < sizes["two-layer", "as they are"]
assert ours < full - 0.5  # a convolution does better,
assert ours_shuffled > max(ours + 1, full_shuffled - 0.5)  # but not on shuffled digits
assert min(found.min() for found in errors.values()) > 3
as_is = {name: errors_moved[name, "as they are"].mean() for name in networks}
assert 20 < as_is["convolutional"] < as_is["two-layer"] - 5

# %% tags=["figure"]
page, (ax,) = figures.figure(7, 2.4)
for height, (row, found) in enumerate(errors.items()):
    color = figures.BLUE if row[0] == "two-layer" else figures.ORANGE
    ax.plot(found, np.full(5, height), "o", color=color, alpha=0.6)
    ax.plot(found.mean(), height, "|", color=figures.INK, ms=18)
ax.set_yticks(range(4), [", ".join(row) for row in errors])
ax.set_ylim(3.5, -0.5)
ax.set_xlim(0)
ax.set_xlabel("test error (%), each of five seeds, and the mean")
Picture(
    page,
    "Test errors: the two-layer network is alike on both; the convolutional one is better on "
    "digits as they are, and loses its lead on shuffled ones.",
)

# %% [markdown]
# What the slides claim of MNIST holds here in kind: to the two-layer network one order of pixels is
# as good as another; the convolutional network has fewer parameters and fewer errors, but not on
# shuffled digits. The size of the errors does not carry over: with 898 small digits to learn from,
# none comes below 3 %, let alone 1 %. (`python -m examples.shuffled_digits` does the same on MNIST,
# in minutes, where both bounds hold.) Nor is a convolutional network invariant: a single pixel to
# the right, and it fails on many digits, though on fewer than the other one.

# %% [markdown]
# What have the first layers learned? Each square is one unit: its weights less those it began with,
# grey for 0. On digits as they are, a unit of the two-layer network draws strokes and whole digits,
# as it sees all pixels. On shuffled digits its strokes are shuffled, too. A filter of the
# convolutional network sees 3 x 3 pixels: many look for edges and corners. (A unit that is grey all
# over has learned nothing: a dead relu.)

# %% tags=["figure"]
change = {row: learned[row][0][0] - first[row][0][0] for row in learned}
columns = {
    "two-layer, as they are": change["two-layer", "as they are"].T[:16].reshape(16, 8, 8),
    "two-layer, shuffled": change["two-layer", "shuffled"].T[:16].reshape(16, 8, 8),
    "convolutional, as they are": change["convolutional", "as they are"][:, 0],
}
Picture(
    figures.filters(columns, columns=4),
    "What first layers learned: strokes and whole digits of 8 x 8 pixels, the same without a shape "
    "on shuffled digits, and edges and corners of 3 x 3 pixels.",
)

# %% [markdown]
# Does sub-sampling "gradually introduce" invariance? Compare how far a digit moves in each layer
# when it is shifted by a pixel with how far another digit is from it.

# %%
U = learned["convolutional", "as they are"]
S2 = lambda X: conv_pool(X, U[0], padding=1)
S4 = lambda X: conv_pool(S2(X), U[1], padding=1)
others = np.random.default_rng(0).permutation(len(X) - half)
moves = []
for name, f in {"pixels": flatten, "first maxima": S2, "second maxima": S4}.items():
    A, B = f(X[half:]).reshape(len(others), -1), f(moved[half:]).reshape(len(others), -1)
    length = lambda D: np.linalg.norm(D, axis=1).mean()
    moves.append(length(B - A) / length(A[others] - A))
    print(f"{name:14} shifted by a pixel: {moves[-1]:.2f} of the distance to another digit")
assert moves[0] > moves[1] > moves[2]

# %% [markdown]
# ## A step of it, write by write
#
# One digit, two filters, and the library's operations: forward, then backward.

# %%
rng = np.random.default_rng(5)
W1, b1, W2, b2 = minigrad.var(
    (rng.normal(size=(2, 1, 3, 3)), np.zeros(2), rng.normal(size=(18, 10)), np.zeros(10))
)
A1 = conv(X[:1], (W1, b1))
Z = relu(maxpool(A1, 2))
L = entropy(affine(flatten(Z), (W2, b2)), T[:1])
print(f"pixels {X[:1].shape}, maps {A1.shape}, maxima {Z.shape}, loss {L:.3f}")

# %%
minigrad.show(L)

# %% [markdown]
# ## What was learned
#
# - A fully connected layer does not know which pixels are neighbours: one order of them is as good
#   as another.
# - A system that is linear and time-invariant is a convolution with its impulse response. Its
#   matrix is a band, equal along diagonals: local receptive fields, shared weights, equivariance,
#   few parameters.
# - In a layer, each filter makes one map of all channels. It is not turned round. With 1 x 1 pixels
#   it is a matrix product.
# - im2col makes it one product, and col2im, its transpose, adds up on the way back. The adjoint
#   test checks such a pair without differences.
# - Pooling hands its gradient on once, also where pixels tie.
#
# ## What broke when it was left out

# %%
print(f"time invariance (fade): the prediction is off by {found_by['fade'][2]:.1f}")
print(f"linearity (clip): the prediction is off by {found_by['clip'][2]:.1f}")
print(f"what goes on beyond the border: {len(broken)} columns of {off.size} break equivariance")
print(f"stride 1: a shift by one pixel is off by {100 * best_of['stride 2']:.0f} % with stride 2")
print(f"overlaps in col2im: the two sides of the adjoint test are {abs(left - right):.0f} apart")
print(f"neighbours: the convolutional network's errors go from {ours:.1f} to {ours_shuffled:.1f} %")

# %% [markdown]
# Next: what the units inside of a convolutional network look for, and where.
