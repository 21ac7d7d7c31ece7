# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 6. Siamese networks
#
# **Can a network draw a map of images if it is only told which of them belong together?**
#
# There are no classes here, and no right place for an image. There are pairs, called similar or
# not, and a loss that looks at distances. You will write two such losses, draw maps of digits
# with them, break a map by shifting the digits by a pixel, and watch a network fall into a point.
# You need nodes and `back` from lecture 3.

# %% tags=["setup"]
import numpy as np
from minigrad.models.triplet_mining import pairs as label_pairs
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier, kneighbors_graph

import minigrad as mg
from minigrad import models
from minigrad.learn import Adam, he
from minigrad.lectures import Picture, check_exercise, requires
from minigrad.stepper.figures import BLUE, GREY, INK, ORANGE, RED, figure, plane_map
from minigrad.stepper.interactive import forces_page

requires("0.1")

# %% [markdown]
# ## Two samples, one network
#
# A siamese network has two branches with the same weights $\theta$:
#
# $$\underset{d}{y_i} = g(\underset{D}{x_i};\theta),\qquad \underset{d}{y_j} = g(x_j;\theta),\qquad
# t_{ij} = \mathbf{1}[\mathrm{sim}(x_i, x_j)]$$
#
# The loss $\ell_{ij}$ depends on the distance of the outputs and on $t_{ij}$. As code there is
# one function `g`, called twice. Here it is a small network with two outputs, so that we can look
# at them.


# %%
@mg.block
def g(X, U):
    """Points (n, d) of samples X (n, D)."""
    U1, U2 = U
    return mg.affine(mg.relu(mg.affine(X, U1)), U2)


def initial(rng, inputs, hidden=64, outputs=2):
    W1, W2 = he((inputs, hidden), rng), he((hidden, outputs), rng, gain=1.0)
    return (W1, np.zeros(hidden, np.float32)), (W2, np.zeros(outputs, np.float32))


digits = load_digits()
images, labels = digits.images.astype(np.float32) / 16, digits.target  # (1797, 8, 8), (1797,)
U = initial(np.random.default_rng(0), 64)
Y = g(images.reshape(-1, 64), U)
print(f"{len(Y)} digits, each a point of {Y.shape[1]} numbers")

# %% [markdown]
# ## Shared weights get two contributions
#
# Each branch sends a derivative back to the same weights. What is used twice gets the sum
# (lecture 3). We look at it once, in the smallest siamese network.

# %% [markdown] tags=["task"]
# ### Exercise: a tied pair
#
# Both branches are the matrix `W` $(D, d)$. The inputs are `A` and `B` $(N, D)$, data without a
# derivative. Write $S = \frac1N \sum_n \|a_n W - b_n W\|^2$ with `back(dS, dW)`. Let each branch
# have a term of its own in `dW`.


# %% tags=["exercise"] id="tied"
def tied(W, A, B):
    """S, the mean squared distance of A W and B W, and its back; W (D, d), A, B (N, D)."""
    ### BEGIN SOLUTION
    E = A @ W - B @ W
    S = (E * E).sum() / len(A)
    ### END SOLUTION

    def back(dS, dW):
        ### BEGIN SOLUTION
        dE = dS * 2 / len(A) * E
        dW += A.T @ dE
        dW -= B.T @ dE
        ### END SOLUTION

    return S, back


# %% tags=["check"]
def tied_inputs(rng):
    for d, n in ((2, 4), (3, 3)):
        yield rng.normal(size=(3, d)), rng.normal(size=(n, 3)), rng.normal(size=(n, 3))


check_exercise(tied, tied_inputs, like=lambda W, A, B: mg.squared_error(A @ W, B @ W))

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Find the derivative of the difference of the outputs first. It goes into both branches, into the
# second with a minus. Each branch is a product with `W`.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# With $E = AW - BW$: $dE = \frac{2}{N}\,dS\,E$, and $dW = A^\top dE - B^\top dE$.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# `E` is the difference of the two matrix products; `S` is made of its squares.
#
# </details>

# %% [raw] tags=["question"]
# gradients = ["dW"]
# points = {signature = 1, shapes = 1, forward = 2, dW = 4}
# hint = "W is used twice: dW is a sum of two terms, one for each branch."
# [[mistake]]
# code = "one branch"
# stage = "dW"
# replace = "dW -= B.T @ dE"
# by = "pass"
# says = "dW has the share of the first branch only. The second uses the same W."
# [[mistake]]
# code = "signs"
# stage = "dW"
# replace = "dW -= B.T @ dE"
# by = "dW += B.T @ dE"
# says = "B W enters with a minus, so its share does, too."
# [[mistake]]
# code = "2 left out"
# stage = "dW"
# replace = "dS * 2 / len(A)"
# by = "dS / len(A)"
# says = "The derivative of a square has a factor 2."
# [[mistake]]
# code = "mean over entries"
# stage = "forward"
# replace = "(E * E).sum() / len(A)"
# by = "(E * E).mean()"
# says = "The mean is over the N pairs, not over all N d entries."

# %%
rng = np.random.default_rng(0)
A, B = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
W, W_first, W_second = (mg.var(np.ones((3, 2)) * [1, -1]) for _ in range(3))
mg.squared_error(A @ W, B @ W).backward()
mg.squared_error(A @ W_first, B @ W_second).backward()  # the same numbers, weights not shared
both = mg.node(tied)(W_own := mg.var(W.value), A, B)
both.backward()
print("shared:\n", W.grad.round(3), "\nfirst + second branch:\n", W_first.grad + W_second.grad)
assert np.allclose(W.grad, W_first.grad + W_second.grad)
assert np.allclose(W.grad, W_own.grad)

# %% [markdown]
# ## The contrastive loss
#
# With $D_{ij} = \|y_i - y_j\|$ and a margin $m$:
#
# $$\ell_{ij} = t_{ij}\,\|y_i - y_j\|^2 + (1 - t_{ij})\,\big[m - \|y_i - y_j\|\big]_+^2$$
#
# $[x]_+$ is $\max(x, 0)$. Similar points are pulled together, at any distance. Others are pushed
# apart until they are $m$ from each other, then left alone.
#
# > **On the slide:** $t = 1$ means *similar*. The paper of 2006 has a label $Y$ that is $0$ for
# > similar pairs, and a factor ½ before both terms. Swap the labels and the network trains all
# > the same, to nonsense. Look which convention a program uses before you use it.

# %%
F, G = rng.normal(size=(2, 6, 2))
t = np.array([1, 0, 0, 1, 0, 1])
slide = models.contrastive(F, G, t)
paper = models.contrastive(F, G, 1 - t, form="hadsell")
print(f"slide {slide:.4f}, paper with its own labels {paper:.4f}: half of it")
print(
    f"paper with the slide's labels {models.contrastive(F, G, t, form='hadsell'):.4f}: another loss"
)
assert np.isclose(paper, slide / 2)

# %% [markdown]
# The gradient with the opposite sign is a force. Two equal points feel none:
#
# $$-\frac{\partial \ell}{\partial y_i} = -2\,(y_i - y_j)\ \text{ if similar},\qquad
# 2\,(m - D_{ij})\,\frac{y_i - y_j}{D_{ij}}\ \text{ if not, and } 0 < D_{ij} < m$$

# %% tags=["figure"]
D = np.linspace(0, 2, 400)
m = 1.0
page, axes = figure(7, 2.7, columns=2)
for ax, name in zip(axes, ("loss", "force: pulls below 0, pushes above")):
    force = name != "loss"
    ax.plot(D, -2 * D if force else D**2, color=BLUE, lw=2, label="similar")
    hinge = np.maximum(m - D, 0)
    ax.plot(D, 2 * hinge if force else hinge**2, color=ORANGE, lw=2, ls="--", label="not similar")
    ax.axvline(m, color=GREY, lw=0.8, ls=":")
    ax.annotate("m", (m, 0.97), xycoords=("data", "axes fraction"), color=INK, xytext=(3, -6),
                textcoords="offset points")  # fmt: skip
    ax.set(xlabel="distance D", ylim=(-2.1, 2.1) if force else (0, 2.1))
    ax.set_title(name, fontsize=10, color=INK, loc="left")
axes[0].legend(frameon=False, fontsize=9, loc="upper left")
Picture(
    page, "Loss and force against distance: similar pairs pull ever harder, others push up to m."
)

# %% [markdown] tags=["task"]
# ### Exercise: the contrastive loss
#
# Write the mean of $\ell$ over $N$ pairs: `F` and `G` $(N, d)$ hold the first and the second
# points, `t` $(N,)$ is 1 for similar pairs and else 0, `margin` is a number. `back(dL, dF, dG)`
# adds to two arrays. Two equal points must not give `nan`: whatever they are, their force is 0.


# %% tags=["exercise"] id="contrastive"
def contrastive(F, G, t, margin):
    """L, the mean contrastive loss of N pairs, and its back; F, G (N, d), t (N,)."""
    ### BEGIN SOLUTION
    E = F - G
    D = np.sqrt((E * E).sum(1))
    H = np.maximum(margin - D, 0)
    L = (t * D**2 + (1 - t) * H**2).mean()
    ### END SOLUTION

    def back(dL, dF, dG):
        ### BEGIN SOLUTION
        pull = t - (1 - t) * H / np.where(D > 0, D, 1)
        dE = dL * 2 / len(F) * pull[:, None] * E
        dF += dE
        dG -= dE
        ### END SOLUTION

    return L, back


# %% tags=["check"]
def at_distances(rng, distances, d):
    """Pairs of points (N, d) at given distances from each other."""
    F, V = rng.normal(size=(2, len(distances), d))
    return F, F + np.c_[distances] * V / np.sqrt((V * V).sum(1, keepdims=True))


def contrastive_inputs(rng):
    yield *at_distances(rng, [0.6, 0.0, 0.9, 1.6, 2.5], 3), np.array([0, 1, 0, 1, 0]), 1.2
    yield *at_distances(rng, [0.7, 0.3, 1.1], 3), np.array([0, 1, 0]), 0.9


check_exercise(contrastive, contrastive_inputs, like=lambda *args: models.contrastive(*args))

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Only the difference of the points matters. What `dF` gets, `dG` gets with the opposite sign.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $dF_n = \frac{2}{N}\,dL\,\big(t_n - (1 - t_n)\,[m - D_n]_+ / D_n\big)(F_n - G_n)$, with anything
# but $0$ for a $D_n$ that is $0$.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# Begin with the difference `E` of `F` and `G`; its row norms are `D`.
#
# </details>

# %% [raw] tags=["question"]
# gradients = ["dF", "dG"]
# points = {signature = 1, shapes = 1, forward = 3, dF = 3, dG = 1}
# hint = "Only F - G matters, so dF + dG is 0 everywhere."
# [[mistake]]
# code = "labels swapped"
# stage = "forward"
# replace = ["(t * D**2 + (1 - t) * H**2)", "t - (1 - t) * H /"]
# by = ["((1 - t) * D**2 + t * H**2)", "1 - t - t * H /"]
# says = """
# Here t = 1 means similar: D^2 belongs to t, the margin to 1 - t. The paper has it the other \
# way round."""
# [[mistake]]
# code = "the paper's halves"
# stage = "forward"
# replace = ["(t * D**2 + (1 - t) * H**2)", "dL * 2 / len(F)"]
# by = ["0.5 * (t * D**2 + (1 - t) * H**2)", "dL / len(F)"]
# says = "The paper has a factor 1/2 that the slide has not."
# [[mistake]]
# code = "no hinge"
# stage = "forward"
# replace = "np.maximum(margin - D, 0)"
# by = "margin - D"
# says = "Beyond the margin a pair that is not similar costs nothing: max(margin - D, 0)."
# [[mistake]]
# code = "2 left out"
# stage = "dF"
# replace = "dL * 2 / len(F)"
# by = "dL / len(F)"
# says = "The derivative of a square has a factor 2."
# [[mistake]]
# code = "all attract"
# stage = "dF"
# replace = "t - (1 - t) * H /"
# by = "t + (1 - t) * H /"
# says = """
# Sign: D stands with a minus in the hinge, so pairs that are not similar repel each other."""
# [[mistake]]
# code = "not divided by D"
# stage = "dF"
# replace = "H / np.where(D > 0, D, 1)"
# by = "H"
# says = "The derivative of D is (F - G) / D: the division by D is missing."
# [[mistake]]
# code = "division by 0"
# stage = "dF"
# replace = "np.where(D > 0, D, 1)"
# by = "D"
# says = """
# Two equal points give 0/0, and nan spreads to every weight. Divide by something else there."""
# [[mistake]]
# code = "same sign for both"
# stage = "dG"
# replace = "dG -= dE"
# by = "dG += dE"
# says = "G enters as F - G, with a minus: dG is the opposite of dF."

# %% [markdown]
# ## Springs
#
# Let six free points obey these forces: three pairs are similar, all others not. The springs of
# similar pairs are blue, those of others that are nearer than $m$ orange. Arrows are forces.

# %%
pair_loss = mg.node(contrastive)
start = np.array([[-1.2, 0.7], [0.3, 1.0], [-0.9, -0.5], [0.9, -0.6], [0.1, -0.1], [0.5, 0.2]])
one, two = np.triu_indices(6, 1)
chain = np.isin(10 * one + two, (1, 12, 23))  # 0-1, 1-2, 2-3 are similar; 4 and 5 are alone
joined = chain.astype(int)


def forces(Y):
    """The force on each point (6, 2), and the loss."""
    Yv = mg.var(Y)
    L = pair_loss(Yv[one], Yv[two], joined, m) * len(joined)
    L.backward()
    return -Yv.grad, float(L)


path = [start]
for _ in range(400):
    path.append(path[-1] + 0.02 * forces(path[-1])[0])
for name, Y in (("start", path[0]), ("end", path[-1])):
    push, value = forces(Y)
    print(f"{name}: loss {value:.3f}, largest force {np.abs(push).max():.4f}")
assert np.abs(forces(path[-1])[0]).max() < 0.01 < forces(path[-1])[1]


# %% tags=["figure"]
def spring(ax, p, q, color):
    """A zigzag from p to q."""
    s = np.linspace(0, 1, 60)[:, None]
    normal = np.array([q[1] - p[1], p[0] - q[0]]) / np.hypot(*(q - p))
    swing = 0.025 * np.sin(20 * np.pi * s) * ((s > 0.15) & (s < 0.85))
    ax.plot(*(p + s * (q - p) + swing * normal).T, color=color, lw=1)


page, axes = figure(7, 3.6, columns=2)
for ax, name, Y in zip(axes, ("at the start", "in equilibrium"), (path[0], path[-1])):
    for a, b, similar in zip(one, two, joined):
        if similar or np.hypot(*(Y[a] - Y[b])) < 0.99 * m:
            spring(ax, Y[a], Y[b], BLUE if similar else ORANGE)
    for p, f in zip(Y, forces(Y)[0]):
        if np.hypot(*f) > 0.05:
            arrow = {"arrowstyle": "-|>", "color": INK, "lw": 1.5, "shrinkA": 0, "shrinkB": 0}
            ax.annotate("", p + 0.15 * f, p, arrowprops=arrow, zorder=4)
    ax.scatter(*Y.T, s=120, color="white", edgecolors=INK, zorder=5)
    for k, p in enumerate(Y):
        ax.annotate(str(k), p, ha="center", va="center", fontsize=8, zorder=6)
    ax.set(xlim=(-1.6, 1.4), ylim=(-1.3, 1.5), aspect="equal", xticks=[], yticks=[])
    ax.set_title(name, fontsize=10, color=INK, loc="left")
Picture(page, "Six points joined by springs: forces at the start, and the equilibrium they reach.")

# %% [markdown]
# In equilibrium no force is left, but the loss is not 0: points 0 and 2 are both pulled to 1, and
# would rather be a margin apart from each other. Points 4 and 5 have gone to where nobody pushes.

# %%
forces_page("contrastive")

# %% [markdown]
# ## Who is similar?
#
# The paper drew a map of handwritten 4s and 9s. Similar are images that are near each other as
# images: each with its five nearest. Nobody says which is a 4. The paper took 3000 of each, and a
# convolutional network: 15 maps with windows of 6 x 6, sub-sampling, 30 maps with 9 x 9, and two
# outputs; `python -m examples.drlim` repeats that. Here the images are small and few, and so is the
# network.

# %% [markdown] tags=["task"]
# ### Exercise: the graph of neighbours
#
# `D` $(n, n)$ holds the distances of all samples. Return a boolean array $(n, n)$, True at `[i,j]`
# if $j$ is among the `k` nearest of $i$, *or* $i$ among those of $j$. Nobody is a neighbour of
# itself.


# %% tags=["exercise"] id="neighbours"
def neighbours(D, k):
    """Who is similar: (n, n) of bool, symmetric; D (n, n) distances, k how many are nearest."""
    ### BEGIN SOLUTION
    away = D + np.diag(np.full(len(D), np.inf))
    near = away.argsort(1)[:, :k]
    S = np.zeros(D.shape, bool)
    S[np.arange(len(D))[:, None], near] = True
    return S | S.T
    ### END SOLUTION


# %% tags=["check"]
def neighbours_inputs(rng):
    for n, k in ((6, 2), (10, 3)):
        X = rng.normal(size=(n, 2))
        yield cdist(X, X), k


def by_sklearn(D, k):
    graph = kneighbors_graph(D, k, metric="precomputed")
    return graph.maximum(graph.T).toarray() > 0


check_exercise(neighbours, neighbours_inputs, like=by_sklearn)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Sort each row of `D`. A sample is nearest to itself, at distance 0: put that out of the way
# first.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $S = N \lor N^\top$, where row $i$ of $N$ marks the $k$ nearest of $i$, and $N_{ii}$ is False.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# Make a copy of `D` whose diagonal is infinite. `argsort` along axis 1 then gives the nearest
# first.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 8}
# hint = "Sort the rows without the diagonal, mark the first k, then make it symmetric."
# [[mistake]]
# code = "own neighbour"
# stage = "forward"
# replace = "np.inf"
# by = "0.0"
# says = "Every sample is its own nearest neighbour here, and one real neighbour is lost."
# [[mistake]]
# code = "not symmetric"
# stage = "forward"
# replace = "S | S.T"
# by = "S"
# says = "If j is near i, then i is similar to j: the graph must be symmetric."
# [[mistake]]
# code = "both ways only"
# stage = "forward"
# replace = "S | S.T"
# by = "S & S.T"
# says = "One of the two is enough. `&` keeps only pairs that choose each other."
# [[mistake]]
# code = "farthest"
# stage = "forward"
# replace = "[:, :k]"
# by = "[:, -k - 1 : -1]"
# says = "Those are the farthest. argsort gives the nearest first."

# %% [markdown]
# ## A map of 4s and 9s
#
# A step takes 200 similar pairs and about as many others, drawn at random. The network is shown
# three quarters of the images; the map shows the rest. It is a function, so it has a place for
# images that it never saw.


# %%
def fit(X, S, steps, swapped=False):
    """Parameters of g after so many steps of the contrastive loss; S (n, n), who is similar."""
    rng = np.random.default_rng(0)
    U = initial(rng, X.shape[1])
    optimiser, (one, other) = Adam(U), np.nonzero(S)
    loss = lambda U, A, B, t: pair_loss(g(A, U), g(B, U), t, m)
    for step in range(steps):
        k = rng.integers(len(one), size=200)
        a, b = rng.integers(len(X), size=(2, 200))
        apart = ~S[a, b] & (a != b)
        a, b = np.append(one[k], a[apart]), np.append(other[k], b[apart])
        t = (np.arange(len(a)) < 200).astype(np.float32)
        gradient = mg.grad(loss)(U, X[a], X[b], 1 - t if swapped else t)
        optimiser.step(gradient, 0.003 * (1 - step / steps))
    return U


def flat(images):
    return images.reshape(len(images), -1)


# %%
chosen = np.random.default_rng(1).permutation(np.flatnonzero(np.isin(labels, (4, 9))))
seen, unseen = chosen[:270], chosen[270:]
X = flat(images[seen])
S = neighbours(cdist(X, X), 5)
maps = {
    "random network": initial(np.random.default_rng(0), 64),
    "trained": fit(X, S, 1200),
    "labels swapped": fit(X, S, 1200, swapped=True),
}
kind, agree = labels[unseen], {}
for name, U in maps.items():
    Y = maps[name] = g(flat(images[unseen]), U)
    near = kneighbors_graph(Y, 5).indices.reshape(-1, 5)
    agree[name] = (kind[near] == kind[:, None]).mean()
    print(f"{name:15} {agree[name]:.0%} of the five nearest on the map are the same digit")
assert agree["trained"] > 0.9 > 0.85 > max(agree["random network"], agree["labels swapped"])

# %% tags=["figure"]
page, axes = figure(7, 2.7, columns=3)
for ax, (name, Y) in zip(axes, maps.items()):
    for digit, color in ((4, BLUE), (9, RED)):
        ax.scatter(*Y[kind == digit].T, s=10, color=color, label=str(digit))
    ax.set(xticks=[], yticks=[])
    ax.set_aspect("equal", "datalim")
    ax.set_title(f"{name}, {agree[name]:.0%}", fontsize=10, color=INK, loc="left")
axes[0].legend(fontsize=9, handletextpad=0)
Picture(page, "Unseen 4s and 9s in the plane: apart after training, mixed with labels swapped.")

# %% tags=["figure"]
Picture(
    plane_map(maps["trained"], kind, images=images[unseen], columns=20),
    "The map with images: 4s on one side, 9s on the other, alike images next to each other.",
)

# %% [markdown]
# ## Shift the digits, and the map breaks
#
# Now each image comes in five copies, moved sideways by up to two pixels (in the paper by 3 and 6 of
# 28 pixels). Similar are, as before, the five nearest. But a digit moved by a pixel is farther from
# itself than from other digits moved alike.

# %%
SHIFTS = np.array([-2, -1, 0, 1, 2])


def shifted(images):
    """Copies moved by each of SHIFTS, next to each other: (5 n, 8, 12)."""
    wide = np.pad(images, ((0, 0), (0, 0), (2, 2)))
    return np.stack([np.roll(wide, s, axis=2) for s in SHIFTS], 1).reshape(-1, 8, 12)


X5, test5 = flat(shifted(images[seen])), shifted(images[unseen])
nearest = neighbours(cdist(X5, X5), 5)
i, j = np.nonzero(nearest)
print(f"{(i % 5 == j % 5).mean():.0%} of the similar pairs are moved alike")


# %%
U = fit(X5, nearest, 1500)
broken = g(flat(test5), U)


def shift_ratio(Y):
    """Mean distance of the copies of an image, over that of images at random."""
    copies = Y.reshape(-1, 5, 2)
    own = np.linalg.norm(copies[:, 0] - copies[:, 4], axis=1).mean()
    return own / np.linalg.norm(Y - Y[np.random.default_rng(0).permutation(len(Y))], axis=1).mean()


print(f"copies moved by -2 and 2 are {shift_ratio(broken):.2f} times as far apart as random images")
assert (i % 5 == j % 5).mean() > 0.95 and shift_ratio(broken) > 0.9

# %% tags=["figure"]
moved = np.tile(SHIFTS, len(unseen))
names = {s: f"moved by {s}" for s in SHIFTS}
Picture(
    plane_map(broken, moved, names, test5, columns=20),
    "The map of moved digits is sorted by their shift; 4s and 9s are apart only within a shift.",
)

# %% [markdown]
# Nothing is wrong with the loss. It was told that a digit and its moved copy are *not* similar.
# What a siamese network ignores is decided by whoever makes the pairs. So say it: all copies of
# an image are similar, and all copies of its neighbours.

# %%
friends = S | np.eye(len(S), dtype=bool)
copies = np.kron(friends, np.ones((5, 5), bool)) & ~np.eye(5 * len(S), dtype=bool)
U = fit(X5, copies, 1500)
healed = g(flat(test5), U)
print(f"now they are {shift_ratio(healed):.2f} times as far apart as random images")
assert shift_ratio(healed) < 0.35

# %% tags=["figure"]
Picture(
    plane_map(healed, moved, names, test5, columns=20),
    "The map with moved copies as neighbours: all shifts are mixed, 4s and 9s are apart.",
)

# %% [markdown]
# ## The margin is a unit of length
#
# Multiply all points by $c$ and the margin, too: the loss is multiplied by $c^2$, and nothing
# else happens. So $m$ says how large the map is, not how good. That ends when the outputs have
# unit length: no two are farther apart than 2, and a margin above 2 pushes for ever.

# %%
F, G = rng.normal(size=(2, 1000, 2))
t = rng.integers(2, size=1000)
small, large = (float(models.contrastive(c * F, c * G, t, c)) for c in (1.0, 3.0))
print(f"three times the scale and the margin: {large / small:.3f} times the loss")
on_sphere = np.linalg.norm(mg.normalize(F) - mg.normalize(G), axis=1)
for margin in (1.0, 2.1):
    print(f"unit length, margin {margin}: {(on_sphere < margin).mean():.0%} of random pairs push")
assert np.isclose(large, 9 * small) and on_sphere.max() < 2.1

# %% [markdown]
# ## The triplet loss
#
# *Similar* is a strong word. The triplet loss only compares. An anchor $y$ should be nearer to
# its positive $y^+$ than to its negative $y^-$, by a margin:
#
# $$\ell_i = \big[\,m + \|y_i - y_i^+\|^2 - \|y_i - y_i^-\|^2\,\big]_+$$
#
# The video paper has the same form with the cosine distance, $D(x, x') = 1 - \cos(f(x), f(x'))$,
# $M = 0.5$ for $m$, and a weight decay of $\lambda = 0.0005$: the positive is the same object,
# tracked some frames later.

# %% [markdown] tags=["task"]
# ### Exercise: the triplet loss
#
# Write the mean of $\ell$ over $n$ triplets: `A`, `P`, `N` $(n, d)$ are anchors, positives and
# negatives, `margin` is a number. `back(dL, dA, dP, dN)` adds to three arrays.


# %% tags=["exercise"] id="triplet"
def triplet(A, P, N, margin):
    """L, the mean triplet loss, and its back; A, P, N (n, d)."""
    ### BEGIN SOLUTION
    Dp = ((A - P) ** 2).sum(1)
    Dn = ((A - N) ** 2).sum(1)
    H = np.maximum(margin + Dp - Dn, 0)
    L = H.mean()
    ### END SOLUTION

    def back(dL, dA, dP, dN):
        ### BEGIN SOLUTION
        w = dL * 2 / len(A) * (H > 0)[:, None]
        dA += w * (N - P)
        dP += w * (P - A)
        dN += w * (A - N)
        ### END SOLUTION

    return L, back


# %% tags=["check"]
def triplet_inputs(rng):
    far = ([1.0, 0.5, 1.2, 0.3], [0.7, 0.8, 0.9, 2.0], 0.5)
    near = ([0.4, 1.0, 0.6], [1.6, 0.6, 0.5], 0.8)
    for to_positive, to_negative, margin in (far, near):
        A, P = at_distances(rng, to_positive, 3)
        O, N = at_distances(rng, to_negative, 3)
        yield A, P, A + N - O, margin


check_exercise(triplet, triplet_inputs, like=lambda *args: models.triplet(*args))

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# The anchor is in both distances, the positive in one, the negative in the other. Triplets that
# cost nothing get nothing.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# Where the loss is above 0: $\partial\ell/\partial y = 2(y^- - y^+)$,
# $\partial\ell/\partial y^+ = 2(y^+ - y)$, $\partial\ell/\partial y^- = 2(y - y^-)$. Their sum is
# 0. The mean over $n$ triplets divides each by $n$.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# Compute the two squared distances of each row, without a root.
#
# </details>

# %% [raw] tags=["question"]
# gradients = ["dA", "dP", "dN"]
# points = {signature = 1, shapes = 1, forward = 3, dA = 3, dP = 1, dN = 1}
# hint = "Only differences matter, so dA + dP + dN is 0 everywhere."
# [[mistake]]
# code = "exchanged"
# stage = "forward"
# replace = ["margin + Dp - Dn", "w * (N - P)", "w * (P - A)", "w * (A - N)"]
# by = ["margin + Dn - Dp", "w * (P - N)", "w * (A - P)", "w * (N - A)"]
# says = "A large distance to the positive costs something: positive minus negative."
# [[mistake]]
# code = "hinge of the mean"
# stage = "forward"
# replace = "L = H.mean()"
# by = "L = max((margin + Dp - Dn).mean(), 0)"
# says = "Apply max to each triplet, then take the mean: easy triplets must not pay for hard ones."
# [[mistake]]
# code = "not squared"
# stage = "forward"
# replace = ["((A - P) ** 2).sum(1)", "((A - N) ** 2).sum(1)"]
# by = ["np.sqrt(((A - P) ** 2).sum(1))", "np.sqrt(((A - N) ** 2).sum(1))"]
# says = "Squared distances are asked for: no root."
# [[mistake]]
# code = "no hinge in back"
# stage = "dA"
# replace = "(H > 0)[:, None]"
# by = "np.ones((len(A), 1))"
# says = "A triplet that costs nothing gets nothing: mask each one by its own hinge."
# [[mistake]]
# code = "negative missing in dA"
# stage = "dA"
# replace = "w * (N - P)"
# by = "w * (A - P)"
# says = "The anchor is in both distances: 2 (A - P) - 2 (A - N) = 2 (N - P)."
# [[mistake]]
# code = "sign of dN"
# stage = "dN"
# replace = "w * (A - N)"
# by = "w * (N - A)"
# says = "That distance is subtracted: a step must move the negative away from the anchor."

# %%
forces_page("triplet")

# %% [markdown]
# ## Which triplets?
#
# The number of triplets grows with the third power of the number of samples, and most of them cost
# nothing after a while. One picks: at random, or the *hardest*, of each anchor the farthest positive
# and the nearest negative. Between them are the *semi-hard* ones: the negative is farther than the
# positive, as it should be, but not by the whole margin. They cost something, and less than $m$.
# Which triplets are hard depends on the parameters, so one picks anew while one learns: the slides'
# retrieval network several times per epoch, ours in every step.

# %% [markdown] tags=["task"]
# ### Exercise: semi-hard triplets
#
# `D` $(N, N)$ holds squared distances, `y` $(N,)$ labels. Return a boolean array $(N, N, N)$,
# True at `[a, p, n]` if `p` has the label of `a` and is another sample, `n` has another label,
# and $D_{ap} < D_{an} < D_{ap} + m$ with `margin` for $m$.


# %% tags=["exercise"] id="semi_hard"
def semi_hard(D, y, margin):
    """Which triplets [anchor, positive, negative] are semi-hard: (N, N, N) of bool."""
    ### BEGIN SOLUTION
    same = y[:, None] == y
    positive = same & ~np.eye(len(y), dtype=bool)
    gap = D[:, None, :] - D[:, :, None]
    return positive[:, :, None] & ~same[:, None, :] & (gap > 0) & (gap < margin)
    ### END SOLUTION


# %% tags=["check"]
def semi_hard_inputs(rng):
    for n in (6, 8):
        X = rng.normal(scale=0.6, size=(n, 2))
        yield cdist(X, X, "sqeuclidean"), np.arange(n) % 3, 0.8


def costs_less(mask, D, y, margin):
    """What is wrong with a choice of triplets, in words; "" if it is right."""
    if np.shape(mask) != 3 * np.shape(y) or np.asarray(mask).dtype != bool:
        return "it should return a boolean array (N, N, N)"
    a, p, n = np.nonzero(mask)
    cost = margin + D[a, p] - D[a, n]
    if (a == p).any():
        return "an anchor is taken as its own positive"
    if (y[a] != y[p]).any() or (y[a] == y[n]).any():
        return "a positive has another label than its anchor, or a negative the same"
    if (cost <= 0).any() or (cost >= margin).any():
        return "a triplet costs nothing, or the margin and more: it is not semi-hard"
    anchors, positives, others = label_pairs(y)
    cost = margin + D[anchors, positives][:, None] - D[anchors]
    there = int((others & (cost > 0) & (cost < margin)).sum())
    return "" if len(a) == there else f"{there} triplets are semi-hard, and it finds {len(a)}"


check_exercise(semi_hard, semi_hard_inputs, holds=costs_less)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Make three masks, each with a `None` where it does not depend on one of the three indices, and
# combine them.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $\text{gap}_{apn} = D_{an} - D_{ap}$ must lie between $0$ and $m$.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# Compare `y` as a column with `y` as a row: who shares a label. The diagonal is no positive.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 8}
# hint = """
# Three conditions: a positive that is not the anchor, a negative, and a gap between 0 and the \
# margin."""
# [[mistake]]
# code = "own positive"
# stage = "forward"
# replace = "same & ~np.eye(len(y), dtype=bool)"
# by = "same"
# says = """
# The anchor is its own positive, at distance 0. It shares its label with itself; leave the \
# diagonal out."""
# [[mistake]]
# code = "hard ones too"
# stage = "forward"
# replace = " & (gap > 0)"
# by = ""
# says = "Triplets whose negative is nearer than the positive are hard, not semi-hard."
# [[mistake]]
# code = "easy ones too"
# stage = "forward"
# replace = " & (gap < margin)"
# by = ""
# says = "Triplets whose negative is far beyond the margin cost nothing; they are not semi-hard."
# [[mistake]]
# code = "indices exchanged"
# stage = "forward"
# replace = "D[:, None, :] - D[:, :, None]"
# by = "D[:, :, None] - D[:, None, :]"
# says = """
# The gap is the distance to the negative minus that to the positive; here it is the reverse."""

# %% [markdown]
# ## Collapse
#
# Now all ten digits, with their labels, and a network with two outputs. We train it on the
# hardest triplet of each anchor, which sounds best, and on semi-hard ones. The loss alone does
# not tell what happens. So we note the mean distance of two points, too.

# %%
X10, y10 = flat(images), labels
LEARN = 1200  # images; the others test
triplet_loss, margin = mg.node(triplet), 0.5


def hardest(Y, y, rng):
    return models.batch_hard(Y, y)


def semi(Y, y, rng):
    """200 of the semi-hard triplets, or at first what there are."""
    found = np.argwhere(semi_hard(cdist(Y, Y, "sqeuclidean"), y, margin))
    return rng.permutation(found)[:200].T


def cost(U, B, a, p, n):
    Y = g(B, U)
    return triplet_loss(Y[a], Y[p], Y[n], margin)


# %%
def learn(mine, rate=0.01, batch=60, steps=300):
    """Parameters, and (loss, mean distance) of every step."""
    rng = np.random.default_rng(0)
    U, rows = initial(rng, 64), []
    optimiser = Adam(U)
    for _ in range(steps):
        i = rng.choice(LEARN, batch, replace=False)
        Y = g(X10[i], U)
        a, p, n = mine(Y, y10[i], rng)
        value, gradient = mg.value_and_grad(cost)(U, X10[i], a, p, n)
        optimiser.step(gradient, rate)
        rows.append((float(value), cdist(Y, Y).mean()))
    return U, np.array(rows)


# %%
def accuracy(U):
    """Of the five nearest neighbours, on the images that were not learned from."""
    vote = KNeighborsClassifier(5).fit(g(X10[:LEARN], U), y10[:LEARN])
    return vote.score(g(X10[LEARN:], U), y10[LEARN:])


runs = {
    "hardest": learn(hardest),
    "hardest, a tenth of the rate": learn(hardest, rate=0.001),
    "hardest, twice the batch": learn(hardest, batch=120),
    "semi-hard": learn(semi),
}
right = {name: accuracy(U) for name, (U, rows) in runs.items()}
for name, (_, rows) in runs.items():
    value, distance = rows[-20:].mean(0)
    print(f"{name:29} loss {value:.4f}  distance {distance:8.4f}  accuracy {right[name]:.0%}")
assert max(right[name] for name in runs if "hardest" in name) < 0.6 < 0.75 < right["semi-hard"]

# %% [markdown]
# With the hardest triplets the loss stops at $m$, and does not move any more. The distance tells
# why: all digits are at the same point. There, every triplet costs exactly $m$, and every force
# is 0: the gradient is a difference of equal points.

# %%
Y = np.zeros((3, 2))
A, P, N = mg.var((Y, Y.copy(), Y.copy()))
L = triplet_loss(A, P, N, margin)
L.backward()
print(f"all points equal: loss {L.value}, forces {np.abs([A.grad, P.grad, N.grad]).max()}")
collapsed, held = (runs[name][1][-20:].mean(0) for name in ("hardest", "semi-hard"))
assert L.value == margin and not A.grad.any()
assert abs(collapsed[0] - margin) < 1e-3 and collapsed[1] < 0.05 and held[1] > 1

# %% tags=["figure"]
page, axes = figure(7, 2.8, columns=2)
for ax, k, name in zip(axes, (0, 1), ("loss", "mean distance of two points")):
    for run, color, line in (("hardest", ORANGE, "-"), ("semi-hard", BLUE, "--")):
        ax.plot(runs[run][1][:, k], color=color, ls=line, lw=1.5, label=run)
    ax.set_xlabel("step")
    ax.set_title(name, fontsize=10, color=INK, loc="left")
axes[0].axhline(margin, color=GREY, lw=0.8, ls=":")
axes[0].set_ylim(0, 0.75)
axes[1].set_yscale("log")
axes[0].legend(frameon=False, fontsize=9, loc="lower left")
Picture(page, "With the hardest triplets the loss stays at the margin while all distances vanish.")

# %% [markdown]
# Three remedies are in use: a smaller rate, a larger batch, easier negatives. In the table above,
# the first two are not enough: only semi-hard triplets learn to tell the digits apart. Their loss is
# no proof of it, as it is the mean over triplets that were *chosen* to cost something. The distances
# and the accuracy are.

# %% tags=["figure"]
unlearned = slice(LEARN, None)
Y = g(X10[unlearned], runs["semi-hard"][0])
low, high = np.quantile(Y, (0.02, 0.98), axis=0)
central = ((low < Y) & (high > Y)).all(1)
Picture(
    plane_map(Y[central], y10[unlearned][central], images=images[unlearned][central], columns=22),
    "Ten unseen digits on one map, learned from semi-hard triplets: each digit has a region.",
)

# %% [markdown]
# ## What was learned
#
# - A siamese network is one function, called twice or three times; shared weights get the sum.
# - The contrastive loss pulls similar pairs and pushes others up to the margin, a unit of length.
# - The triplet loss only compares distances.
# - What the map ignores is what the pairs declare similar: here a shift by two pixels.
# - Watch the mean distance beside the loss. A loss that stands exactly at the margin is a
#   collapse.
#
# ## What broke when it was left out

# %%
swapped, ratios = agree["labels swapped"], (shift_ratio(broken), shift_ratio(healed))
print(f"the convention: {swapped:.0%} of neighbours are right instead of {agree['trained']:.0%}")
print(f"moved copies as friends: ratio {ratios[0]:.2f} instead of {ratios[1]:.2f}")
print(f"easier negatives: distance {collapsed[1]:.4f} instead of {held[1]:.1f},", end=" ")
print(f"accuracy {right['hardest']:.0%} instead of {right['semi-hard']:.0%}")

# %% [markdown]
# Next, lecture 7 makes the pairs by itself: every image is a class of its own, and its
# transformed copies belong to it.
