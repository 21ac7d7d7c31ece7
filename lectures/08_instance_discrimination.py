# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 8. Instance discrimination
#
# **Can every image be a class of its own, when there are as many classes as images?**
#
# Exemplar-CNN keeps a row of weights for each image. With a million images that is a layer of a
# million rows, and each of them is pulled to its image only when that image comes by. Here the rows
# go: first features that are remembered take their place (a memory bank), then the features of the
# batch itself (Ye et al., CVPR 2019). You write the loss as four operations, train a small network
# with them, and judge it by its nearest neighbours. You need lecture 7, and of lecture 6 that a
# value used twice gets two gradients.

# %% tags=["setup"]
import numpy as np
from minigrad.models.instance_losses import exemplar_softmax, instance_softmax_paper, log_shares
from minigrad.models.memory_bank import initial as empty_bank
from minigrad.models.memory_bank import memory_softmax, remember

import minigrad
from minigrad import affine, block, conv_pool, detach, flatten, grad, node, normalize, relu, softmax
from minigrad.data import Ranges, digits, draw, transform
from minigrad.evaluate import knn_vote, label_draws
from minigrad.learn import Momentum, he, linear, train
from minigrad.lectures import Picture, check_exercise, requires
from minigrad.stepper import figures
from minigrad.stepper.interactive import softmax_page

requires("0.1")

# %% [markdown]
# ## From weights to features
#
# Let $f_j$ be the feature of image $x_j$, $d$ numbers. The probability that $x_j$ is recognised as
# image $i$ of $n$ has been, step by step,
#
# $$\begin{aligned}
# \text{weights:}\quad & P(i|x_j) = \frac{\exp(w_i^\top f_j)}{\sum_{k=1}^n \exp(w_k^\top f_j)}\\
# \text{memory bank:}\quad & P(i|x_j) = \frac{\exp(v_i^\top f_j/\tau)}{\sum_{k=1}^n
# \exp(v_k^\top f_j/\tau)}\\
# \text{real features:}\quad & P(i|\hat x_j) = \frac{\exp(f_i^\top \hat f_j/\tau)}{\sum_{k=1}^m
# \exp(f_k^\top \hat f_j/\tau)}
# \end{aligned}$$
#
# - **Weights** (Exemplar-CNN): $w_i$ is a row of $\underset{n\times d}{W}$, a parameter (a column
#   of $W$ in lecture 7). It is pulled to the features of image $i$ whenever that image comes, and
#   pushed away otherwise.
# - **Memory bank** (Wu et al., CVPR 2018): $v_i$ is what the network last said of image $i$, an
#   epoch ago (in their program, and below, half of it, and half what the bank held before). It is
#   no parameter, but it is out of date.
# - **Real features** (Ye et al.): $f_i$ is what the network says *now*. There is no time for all
#   $n$ images, so $k$ runs over the $m$ images of the batch; $\hat f_j$ is the feature of
#   $\hat x_j$, a transformed version of $x_j$.
#
# In the last two all features have length 1, $\|f_i\| = 1$. Then products are between -1 and 1, and
# the temperature $\tau$ (0.1 here) says how much a difference counts.

# %%
for n in (898, 1_280_000):
    print(f"{n:9,} images, d = 128: {128 * n:11,} numbers in W; of a batch of 32, {128 * 32:,}")

# %% [markdown]
# ## Length 1
#
# Each row of $\underset{m\times d}{X}$ is divided by its length $\|x_i\|$:
#
# $$\underset{m\times d}{F},\quad f_i = \frac{x_i}{\|x_i\|},\qquad
# \underset{1\times d}{dx_i} = \frac{1}{\|x_i\|}\big(df_i - f_i\,(f_i^\top df_i)\big).$$
#
# The bracket projects the gradient: its part along $f_i$ is taken out. It must be so. If $x_i$
# becomes longer, $f_i$ does not change, so no gradient may point that way.

# %% [markdown] tags=["task"]
# ### Exercise: rows of length 1
#
# Write the operation `unit(X)`: its value, the rows of `X` (m, d) divided by their lengths, and its
# `back`. No row is zero.


# %% tags=["exercise"] id="unit"
@node
def unit(X):
    """The rows of X divided by their lengths; X, F (m, d)."""
    ### BEGIN SOLUTION
    N = np.sqrt((X * X).sum(axis=1, keepdims=True))
    F = X / N

    def back(dF, dX):
        along = (dF * F).sum(axis=1, keepdims=True)
        dX += (dF - F * along) / N

    ### END SOLUTION
    return F, back


# %% tags=["check"]
def unit_inputs(rng):
    yield (rng.normal(size=(4, 4)),)
    yield (rng.normal(size=(3, 5)),)


check_exercise(unit, unit_inputs, like=normalize)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# One length for each row, kept as a column so that it divides the rows. In `back`, find how much of
# the incoming gradient lies along the feature, and take that out.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $f_i^\top df_i$ is one number for each row: a product entry by entry, summed over the row.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# The root of the sum of squares of each row; keep the axis.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 2, dX = 4}
# gradients = ["dX"]
# [[mistake]]
# code = "one length for all"
# stage = "forward"
# replace = "N = np.sqrt((X * X).sum(axis=1, keepdims=True))"
# by = "N = np.sqrt((X * X).sum())"
# says = "One length for the whole array: each row has a length of its own."
# [[mistake]]
# code = "not projected"
# stage = "dX"
# replace = "(dF - F * along) / N"
# by = "dF / N"
# says = "The length depends on X, too: take out the part of dF that lies along f."
# [[mistake]]
# code = "not divided by the length"
# stage = "dX"
# replace = "(dF - F * along) / N"
# by = "dF - F * along"
# says = "A long row turns little when its end is moved: divide by its length."

# %%
X2 = np.array([[1.6, 0.9], [-0.5, 1.1], [0.3, -0.6]])
arriving = np.array([[-0.3, 0.6], [0.5, 0.4], [-0.4, -0.5]])  # at the features
leaving = grad(lambda X: minigrad.sum(arriving * unit(X)))(X2)
print("along x:", (leaving * X2).sum(1).round(12) + 0.0)
assert np.abs((leaving * X2).sum(1)).max() < 1e-12


# %% tags=["figure"]
def circle(ax, radius=1.0):
    """Draw a circle about 0 on square axes."""
    turn = np.linspace(0, 2 * np.pi, 200)
    ax.plot(radius * np.cos(turn), radius * np.sin(turn), color=figures.GREY, lw=1)
    ax.set_aspect("equal")
    ax.set_axis_off()


page, (ax,) = figures.figure(5, 4.2)
circle(ax)
ax.set_xlim(-1.5, 2)
ax.set_ylim(-1.5, 1.8)
F2 = unit(X2)
for points, vectors, color in ((F2, arriving, figures.GREY), (X2, leaving, figures.ORANGE)):
    ax.quiver(*points.T, *vectors.T, color=color, angles="xy", scale_units="xy", scale=1)
for x, f in zip(X2, F2):
    ax.plot(*np.stack([0 * x, x, f]).T, color=figures.BLUE, lw=1, ls=":")
ax.plot(*X2.T, "o", color=figures.ORANGE, ms=6, label="x, and the gradient that leaves")
ax.plot(*F2.T, "o", color=figures.GREY, ms=6, label="f, and the gradient that arrives")
ax.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.02))
Picture(page, "Three points, their places on the circle; the gradients that leave stand upright.")

# %% [markdown]
# ## All with all
#
# The features of $m$ images and of their versions, $\underset{m\times d}{F}$ and
# $\underset{m\times d}{\hat F}$, are compared in one product:
#
# $$\underset{m\times m}{S} = F \hat F^\top/\tau,\qquad S_{ij} = f_i^\top\hat f_j/\tau.$$
#
# Row $i$ is an *instance*, column $j$ a *sample* that shall be recognised. Both factors carry
# gradient. If they are the same array, it gets both contributions.

# %% [markdown] tags=["task"]
# ### Exercise: the similarity of all with all
#
# Write the operation `similarity(F, G, tau)`: its value $S$ (m, m), with instances `F` (m, d) and
# samples `G` (m, d), and its `back`. `tau` is a number and gets no gradient.


# %% tags=["exercise"] id="similarity"
@node
def similarity(F, G, tau):
    """S_ij = f_i g_j / tau, instances F and samples G (m, d), S (m, m)."""
    ### BEGIN SOLUTION
    S = F @ G.T / tau

    def back(dS, dF, dG):
        dF += dS @ G / tau
        dG += dS.T @ F / tau

    ### END SOLUTION
    return S, back


# %% tags=["check"]
def similarity_inputs(rng):
    yield rng.normal(size=(3, 3)), rng.normal(size=(3, 3)), 0.5
    yield rng.normal(size=(4, 2)), rng.normal(size=(4, 2)), 0.1


check_exercise(similarity, similarity_inputs, like=lambda F, G, t: np.einsum("id,jd->ij", F, G / t))

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# A product of two matrices. Each factor's gradient is a product of the incoming gradient with the
# *other* factor, arranged so that the shapes fit.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $dF = dS\,\hat F/\tau$ and $d\hat F = dS^\top F/\tau$.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# Instances times samples transposed, over the temperature.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 1, dF = 3, dG = 3}
# gradients = ["dF", "dG"]
# [[mistake]]
# code = "roles exchanged"
# stage = "forward"
# replace = "F @ G.T / tau"
# by = "G @ F.T / tau"
# says = "Rows are instances, columns samples: this is the transpose."
# [[mistake]]
# code = "temperature lost"
# stage = "dF"
# replace = "dF += dS @ G / tau"
# by = "dF += dS @ G"
# says = "The temperature divides the value, and so the gradient."
# [[mistake]]
# code = "not transposed"
# stage = "dG"
# replace = "dS.T @ F"
# by = "dS @ F"
# says = "Sample j meets column j of S: the gradient of G is a product with dS transposed."

# %% [markdown]
# ## Which axis does the denominator run over?
#
# In $P(i|\hat x_j) = e^{S_{ij}} / \sum_k e^{S_{kj}}$ the sample $j$ is fixed, and $k$ runs over the
# instances it might be. So it runs down a *column*: of each sample, the probabilities over all
# instances sum to 1. The rows do not. The first part of the loss pulls each version to its own
# image, and pushes it from all others:
#
# $$\underset{1\times1}{J_1} = -\frac1m\sum_{i=1}^m \ln P(i|\hat x_i),\qquad
# \underset{m\times m}{dS} = \frac{dJ_1}{m}\,(P - I),$$
#
# with $\underset{m\times m}{P}$, $P_{ij} = P(i|\hat x_j)$, and the identity $I$. (The paper sums
# over the batch, we take the mean, as everywhere in this course.)

# %% [markdown] tags=["task"]
# ### Exercise: each version recognised as its image
#
# Write the operation `attract(S)`: its value $J_1$ and its `back`. `S` (m, m) has instances as rows
# and samples as columns; its entries may be in the hundreds. The lines that are given refuse other
# shapes.


# %% tags=["exercise"] id="attract"
@node
def attract(S):
    """-ln P(i | version of i), mean over the batch; S (m, m), J ()."""
    m = len(S)
    if S.shape != (m, m):
        raise ValueError(f"as many samples as instances, not {S.shape}")
    ### BEGIN SOLUTION
    A = S - S.max(axis=0)
    E = np.exp(A)
    s = E.sum(axis=0)
    J = (np.log(s) - np.diag(A)).mean()

    def back(dJ, dS):
        dS += dJ * (E / s - np.eye(m, dtype=S.dtype)) / m

    ### END SOLUTION
    return J, back


# %% tags=["check"]
def attract_inputs(rng):
    yield (rng.normal(size=(3, 3)),)
    yield (rng.normal(size=(5, 5)),)
    yield (800 + rng.normal(size=(4, 4)),)


def one_by_one(S):
    """The same from the loss of Exemplar-CNN: sample j is a unit vector, its weights are S."""
    return exemplar_softmax(np.eye(len(S)), S, np.arange(len(S)))


check_exercise(attract, attract_inputs, like=one_by_one)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# It is the cross-entropy of lecture 1, only that a sample is a column, and its class is its own
# number. The diagonal holds what is right.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $-\ln P_{ii} = \ln\sum_k e^{S_{ki}} - S_{ii}$, stable after the maximum of column $i$ has been
# subtracted from all its entries.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# Subtract from `S` the maximum over its rows, axis 0: one number for each column.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 3, dS = 4}
# gradients = ["dS"]
# [[mistake]]
# code = "wrong axis"
# stage = "forward"
# replace = "s = E.sum(axis=0)"
# by = "s = E.sum(axis=1)"
# says = "This sums over the samples of one instance. For a fixed sample, sum over the instances."
# [[mistake]]
# code = "overflow"
# stage = "forward"
# replace = "A = S - S.max(axis=0)"
# by = "A = S"
# says = "The exponential of large entries overflows: subtract the maximum of each column."
# [[mistake]]
# code = "identity missing"
# stage = "dS"
# replace = "(E / s - np.eye(m, dtype=S.dtype))"
# by = "(E / s)"
# says = "The gradient is P - I: subtract 1 on the diagonal."
# [[mistake]]
# code = "1/m missing"
# stage = "dS"
# replace = " / m\n"
# by = "\n"
# says = "The value is a mean over the batch, and so its gradient has 1/m."

# %%
rng = np.random.default_rng(0)
F, G = (unit(rng.normal(size=(3, 4))) for _ in range(2))
P = softmax(similarity(F, G, 0.1).T).T
print("P, instances as rows:\n", P.round(2))
print("sums of columns", P.sum(0).round(2), "sums of rows", P.sum(1).round(2))
assert np.allclose(P.sum(0), 1) and not np.allclose(P.sum(1), 1)
down, across = (float(attract(S)) for S in (similarity(F, G, 0.1), similarity(G, F, 0.1)))
print(f"J1 down the columns {down:.2f}, along the rows {across:.2f}")

# %% [markdown]
# ## Why identical views teach nothing
#
# It is tempting to leave the transformed version out, $\hat f_i = f_i$. But $f_i^\top f_i = 1$
# whatever the network says. The gradient of this product at $f_i$ is $2 f_i$, it points along
# $f_i$, and `unit` takes out just that. Nothing pulls anything together; what remains is the
# denominators, which push all apart.


# %%
def pull(X, Y):
    """The sum of products of each row with its own version."""
    return minigrad.sum(unit(X) * unit(Y))


X4 = rng.normal(size=(5, 4))
with_itself = grad(lambda X: pull(X, X))(X4)
with_version = grad(lambda X: pull(X, X4 + 0.3))(X4)
print(f"gradient of the pull: with itself {abs(with_itself).max():.0e}")
print(f"                      with a version {abs(with_version).max():.2f}")
assert abs(with_itself).max() < 1e-12 < 0.01 < abs(with_version).max()

# %% [markdown]
# ## Not recognised as others
#
# The second part of the loss says that image $x_j$, as it is, shall *not* be recognised as any
# other $i$. With $\underset{m\times m}{S} = FF^\top/\tau$ and again
# $P_{ij} = e^{S_{ij}}/\sum_k e^{S_{kj}}$:
#
# $$\underset{1\times1}{J_2} = -\frac1m\sum_{j=1}^m\sum_{i\neq j}\ln(1 - P_{ij}).$$
#
# Where $P$ is near 1 the computer's $1 - P$ loses its digits, and then it is 0 and the logarithm
# infinite. But no subtraction is needed: $1 - P_{ij}$ is the share of all *others*,
#
# $$1 - P_{ij} = \frac{\sum_{k\neq i} e^{S_{kj}}}{\sum_k e^{S_{kj}}},\qquad
# \underset{m\times m}{1 - P} = \frac{O E}{s},\qquad O = \mathbf{1} - I,$$
#
# with $E$ the exponentials, $s$ their sums over each column and $O$ the matrix of ones with zeros
# on its diagonal. The gradient takes these shares, too. With $R_{ij} = P_{ij}/(1-P_{ij})$ for
# $i\neq j$ and $R_{jj} = 0$,
#
# $$\underset{m\times m}{dS} = \frac{dJ_2}{m}\; P \odot (O - O R).$$
#
# (Begin with $-\partial \ln(1-P_{ij})/\partial S_{kj} = P_{kj} - 1[k \neq i]\,P_{kj}/(1-P_{ij})$,
# sum over $i \neq j$, and put $1/(1-P_{ij}) = 1 + R_{ij}$.)

# %%
with np.errstate(divide="ignore"):
    for gap in (10.0, 30.0, 40.0):  # of two entries of S
        by_subtraction = np.log(1 - 1 / (1 + np.exp(-gap)))
        exact = -gap - np.log1p(np.exp(-gap))
        print(f"gap {gap:.0f}: ln(1 - p) by subtraction {by_subtraction:9.4f}, exact {exact:9.4f}")

# %% [markdown] tags=["task"]
# ### Exercise: ln(1 - P) without a subtraction
#
# Write the operation `spread(S)`: its value $J_2$ and its `back`. `S` (m, m) has instances as rows
# and samples as columns. Entries of a column may differ by 40, and the value must still be right.


# %% tags=["exercise"] id="spread"
@node
def spread(S):
    """-sum over i of ln(1 - P(i | j)), i not j, mean over j; S (m, m), J ()."""
    m = len(S)
    O = 1 - np.eye(m, dtype=S.dtype)
    ### BEGIN SOLUTION
    E = np.exp(S - S.max(axis=0))
    s = E.sum(axis=0)
    P, Q = E / s, O @ E / s
    J = -(O * np.log(Q)).sum() / m

    def back(dJ, dS):
        R = O * P / Q
        dS += dJ * P * (O - O @ R) / m

    ### END SOLUTION
    return J, back


# %% tags=["check"]
def spread_inputs(rng):
    yield (rng.normal(size=(3, 3)),)
    yield (rng.normal(size=(5, 5)),)
    yield (rng.normal(size=(4, 4)) + 40 * np.roll(np.eye(4), 1, axis=0),)


def in_logarithms(S):
    """The same from the library, which keeps ln P and ln(1 - P)."""
    not_i = log_shares(S.T)[1].T
    return -(not_i.sum() - not_i.trace()) / len(S)


check_exercise(spread, spread_inputs, like=in_logarithms)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# The product of `O` with a matrix sums, in each column, over all rows but one. That is the sum over
# all others.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $E_{kj} = e^{S_{kj} - \max_l S_{lj}}$, $s_j = \sum_k E_{kj}$, $P = E/s$ and $1 - P = OE/s$. Entry
# by entry with `O` the diagonal is left out of a sum.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# The exponentials of `S`, less the maximum of each column.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 4, dS = 4}
# gradients = ["dS"]
# [[mistake]]
# code = "subtraction"
# stage = "forward"
# replace = "O @ E / s\n"
# by = "1 - E / s\n"
# says = "1 - P by subtraction loses its digits where P is near 1. Sum the shares of all others."
# [[mistake]]
# code = "diagonal counted"
# stage = "forward"
# replace = "-(O * np.log(Q)).sum()"
# by = "-np.log(Q).sum()"
# says = "An image shall be recognised as itself: leave the diagonal out of the sum."
# [[mistake]]
# code = "wrong axis"
# stage = "forward"
# replace = "s = E.sum(axis=0)"
# by = "s = E.sum(axis=1, keepdims=True)"
# says = "The denominator runs over the instances of one sample, down a column."
# [[mistake]]
# code = "denominator forgotten"
# stage = "dS"
# replace = "(O - O @ R)"
# by = "R"
# says = "The denominator of P depends on all entries of the column: the gradient is P (O - O R)."

# %% [markdown]
# ## The loss
#
# Together, for all images of the batch,
#
# $$J = -\sum_i \ln P(i|\hat x_i) - \sum_i\sum_{j\neq i} \ln(1 - P(i|x_j)),$$
#
# over $m$ it is $J_1 + J_2$: four operations you have written. The library has it in one piece.
# (The program behind the paper's figures differs from its formula: $f_j^\top f_j$ is not in the
# denominators, versions meet others as well, and only one factor of each product carries gradient.
# `minigrad.models.instance_softmax` is that form.)


# %%
@block
def instance_loss(F, G, tau):
    """J of features F of images and G of their versions, both (m, d)."""
    return attract(similarity(F, G, tau)) + spread(similarity(F, F, tau))


ours = lambda X, Y: instance_loss(unit(X), unit(Y), 0.1)
library = lambda X, Y: instance_softmax_paper(normalize(X), normalize(Y), 0.1)
X6, Y6 = rng.normal(size=(2, 6, 4))
both = [grad(J, wrt=(0, 1))(X6, Y6) for J in (ours, library)]
apart = max(abs(a - b).max() for a, b in zip(*both))
print(f"J = {float(ours(X6, Y6)):.6f}, in one piece {float(library(X6, Y6)):.6f}")
print(f"gradients apart by at most {apart:.0e}")
assert np.isclose(ours(X6, Y6), library(X6, Y6)) and apart < 1e-10

# %% [markdown]
# ## Points on a circle
#
# What does this loss want? Let twelve points in the plane be parameters themselves, on a short
# piece of the circle at first. A version is the same point, moved a little at random. Plain
# gradient descent:


# %%
def angles(X):
    """Sorted angles between neighbours on the circle, in degrees."""
    turn = np.sort(np.degrees(np.arctan2(X[:, 1], X[:, 0])))
    return np.sort(np.diff(turn, append=turn[0] + 360))


rng = np.random.default_rng(0)
turn = rng.uniform(0, 1.5, 12)
points = np.stack([np.cos(turn), np.sin(turn)], axis=1)
path = [points]
slope = grad(lambda X, noise: instance_loss(unit(X), unit(X + noise), 0.1))
for _ in range(400):
    points = unit(points - 0.1 * slope(points, rng.normal(0, 0.05, points.shape)))
    path.append(points)
for when in (0, 50, 400):
    least, *_, most = angles(path[when])
    print(f"after {when:3} steps: neighbours {least:4.1f} to {most:5.1f} degrees apart")
assert angles(path[0])[0] < 5 and angles(path[-1])[0] > 25  # 30 if spread evenly

# %% tags=["figure"]
page, axes = figures.figure(7.5, 2.6, columns=3)
for ax, when in zip(axes, (0, 50, 400)):
    circle(ax)
    ax.scatter(*path[when].T, c=np.argsort(np.argsort(turn)), cmap="viridis", s=60, zorder=3)
    ax.set_title(f"after {when} steps", fontsize=10)
Picture(page, "Twelve points on a short arc; then on two thirds of the circle; then all around.")

# %% [markdown]
# Images spread over the circle as far as they can: the paper's *spread-out*. That versions of an
# image stay together is the other half, *invariant*.
#
# ## The temperature
#
# Five instances, with products 0.9 to -0.3 with a sample. How much probability each gets depends on
# $\tau$:

# %%
products = np.array([0.9, 0.8, 0.5, 0.2, -0.3])
for tau in (1.0, 0.1):
    print(f"tau = {tau}: {softmax(products[None] / tau)[0].round(3)}")

# %% tags=["figure"]
page, axes = figures.figure(8, 2.1, columns=4)
for ax, tau in zip(axes, (1.0, 0.3, 0.1, 0.03)):
    ax.bar(range(5), softmax(products[None] / tau)[0], color=figures.BLUE)
    ax.set_title(f"temperature {tau:g}", fontsize=10)
    ax.set_xticks(range(5), [f"{p:g}" for p in products])
    ax.set_ylim(0, 1)
    ax.set_xlabel("product")
axes[0].set_ylabel("P")
Picture(page, "Five probabilities: nearly alike at temperature 1, one of them nearly 1 at 0.03.")

# %%
softmax_page(np.array([[0.9, 0.8, 0.5, 0.2, -0.3]]))

# %% [markdown]
# With $\tau = 0.03$ only the most similar instance counts. With $\tau = 1$ nothing can satisfy the
# loss, as products end at 1: a version that lies exactly on its image, at right angles to 31
# others, still gets a small probability.

# %%
m = 32
for tau in (1.0, 0.1):
    own = 1 / (1 + (m - 1) * np.exp(-1 / tau))
    print(f"tau = {tau}: P = {own:.3f} with all others at right angles")

# %% [markdown]
# ## Training
#
# The images: half of the digits. Each batch holds 32 of them and a random version of each, moved,
# scaled, turned, with other contrast. The network is like that of lecture 7, with an embedding of
# 32 numbers on top, in rows of length 1 by *your* `unit`.

# %%
X, T = digits(8)  # (1797, 1, 8, 8) in [0, 1], (1797,)
half = len(X) // 2  # to learn from before, to be judged with after
mean = X[:half].mean(0)
RANGES = Ranges(value=(1, 1, 0.1))


def versions(images, rng):
    """A random version of each image."""
    return transform(images, draw(len(images), rng, RANGES))


class Pairs:
    """Batches of images, a version of each (or the image itself), and their numbers."""

    def __init__(self, identical):
        self.identical = identical

    def __len__(self):
        return half

    def batch(self, chosen, rng):
        A = X[chosen]
        B = A if self.identical else versions(A, rng)
        return 2 * (A - mean), 2 * (B - mean), chosen


# %%
@block
def embedding(X, U):
    """Unit rows (n, 32) of images X (n, 1, 8, 8)."""
    Z1 = conv_pool(X, U[0], padding=1)
    Z2 = conv_pool(Z1, U[1], padding=1)
    return unit(affine(relu(affine(flatten(Z2), U[2])), U[3]))


def first_weights(rng):
    """Weights and biases of the four layers."""
    shapes = (16, 1, 3, 3), (32, 16, 3, 3), (128, 64), (64, 32)
    gains = 2, 2, 2, 1
    return tuple(
        (he(s, rng, gain), np.zeros(s[0] if len(s) == 4 else s[1], np.float32))
        for s, gain in zip(shapes, gains)
    )


# %%
def learn(objective, parameters, seed, identical=False):
    """Minimise objective(parameters, images, versions, numbers) in ten epochs; returns the log."""
    return train(
        lambda P, A, B, i, rng: objective(P, A, B, i),
        parameters,
        Pairs(identical),
        rng=np.random.default_rng(seed),
        epochs=10,
        batch=32,
        rate=linear(0.03),
        optimiser=Momentum(parameters, 0.9),
        log_every=14,
        progress=False,
    )


def instance_network(seed, tau=0.1, J=instance_loss, identical=False):
    """A network trained with real features: (U, log)."""
    U = first_weights(np.random.default_rng(seed))
    objective = lambda U, A, B, i: J(embedding(A, U), embedding(B, U), tau)
    return U, learn(objective, U, seed, identical)


# %%
SEEDS = range(3)
runs = [instance_network(seed) for seed in SEEDS]
untrained = [first_weights(np.random.default_rng(seed)) for seed in SEEDS]
for _, log in runs:
    print(f"loss {log[0]['loss']:.2f} -> {log[-1]['loss']:.2f}")

# %% [markdown]
# The similarities of 50 test digits (rows) and a version of each (columns), sorted by their class.
# Before training everything is similar to everything. Afterwards there are blocks on the diagonal:
# other images of the same digit are nearly as similar as the image's own version. Nobody told the
# network which digits are the same.


# %%
def embedded(images, U):
    """Unit rows of images in [0, 1]."""
    return embedding(2 * (images - mean), U)


test, T_test = X[half:], T[half:]
moved = versions(test, np.random.default_rng(0))
some = np.concatenate([np.flatnonzero(T_test == c)[:5] for c in range(10)])
pair = untrained[0], runs[0][0]
matrices = [embedded(test[some], U) @ embedded(moved[some], U).T for U in pair]
alike = T_test[some][:, None] == T_test[some]
for name, C in zip(("random weights", "trained"), matrices):
    own, same, other = C.trace() / 50, C[alike & ~np.eye(50, dtype=bool)].mean(), C[~alike].mean()
    print(f"{name:15} own version {own:.2f}, same digit {same:.2f}, other digits {other:.2f}")
assert own > same > other + 0.2

# %% tags=["figure"]
page, axes = figures.figure(7.5, 3.5, columns=2)
for ax, title, C in zip(axes, ("random weights", "trained"), matrices):
    shown = ax.imshow(C, cmap="viridis", vmin=-0.5, vmax=1, interpolation="nearest")
    ax.set_title(title, fontsize=10)
    ax.set_xticks(2 + 5 * np.arange(10), range(10))
    ax.set_yticks(2 + 5 * np.arange(10), range(10))
    ax.set_xlabel("digit (version)")
axes[0].set_ylabel("digit")
page.colorbar(shown, ax=axes, shrink=0.8, label="cosine")
Picture(page, "Left a matrix bright all over; right one with bright blocks on the diagonal.")

# %% [markdown]
# ## Judged by nearest neighbours
#
# An embedding is judged without training anything more: a test image gets the class that its $k$
# nearest labelled images vote for. A near one counts more, $\exp(\cos/\sigma)$ with $\sigma$ the
# temperature of training:
#
# $$\text{score}_c = \sum_{i\in \text{nearest } k} 1[t_i = c]\; e^{\cos(q, f_i)/\sigma}.$$

# %% [markdown] tags=["task"]
# ### Exercise: a vote of the nearest
#
# Write `vote(Q, F, t, k, sigma)`: the class of each query. `Q` (q, d) and `F` (n, d) have rows of
# length 1; `t` (n,) holds the classes of `F`, whole numbers from 0. Return (q,), integers. No two
# similarities are equal.


# %% tags=["exercise"] id="vote"
def vote(Q, F, t, k, sigma):
    """The class that the k nearest rows of F (n, d) vote for, for each query Q (q, d): (q,)."""
    ### BEGIN SOLUTION
    C = Q @ F.T
    near = np.argsort(-C, axis=1)[:, :k]
    weights = np.exp(np.take_along_axis(C, near, axis=1) / sigma)
    of_class = t[near][:, :, None] == np.arange(t.max() + 1)
    winner = (weights[:, :, None] * of_class).sum(axis=1).argmax(axis=1)
    ### END SOLUTION
    return winner


# %% tags=["check"]
def vote_inputs(rng):
    for q, n, k, sigma in ((30, 40, 7, 0.1), (40, 60, 15, 0.5)):
        Q, F = (normalize(rng.normal(size=(rows, 3))) for rows in (q, n))
        yield Q, F, rng.permutation(np.arange(n) % 4), k, sigma


check_exercise(vote, vote_inputs, like=knn_vote)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Rows of length 1: the product is the cosine. Sort, keep the `k` largest of each row, and add their
# weights class by class.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# With one-hot rows of the neighbours' classes (q, k, classes) and their weights (q, k, 1), the
# scores are the product summed over the neighbours.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# All cosines at once, a matrix (q, n): the queries times the labelled features transposed.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 8}
# [[mistake]]
# code = "farthest"
# stage = "forward"
# replace = "np.argsort(-C, axis=1)"
# by = "np.argsort(C, axis=1)"
# says = "These are the farthest: sorting ascends, and a large cosine is near."
# [[mistake]]
# code = "nearest only"
# stage = "forward"
# replace = "[:, :k]"
# by = "[:, :1]"
# says = "Only the nearest one votes: take k of them."
# [[mistake]]
# code = "all weights alike"
# stage = "forward"
# replace = "axis=1) / sigma)"
# by = "axis=1) * 0)"
# says = "All neighbours count alike: weigh each by the exponential of its cosine over sigma."


# %% [markdown]
# The digits of scikit-learn stand in the middle, all of the same size. That is a present to raw
# pixels. So the test digits are judged twice: as they are, and moved, scaled and turned at random,
# as in training but not the same. The third number has one labelled digit per class only (mean over
# 20 draws).


# %%
def accuracies(embed):
    """Test accuracy (%) as they are, transformed, and with one label per class."""
    F, Q, M = embed(X[:half]), embed(test), embed(moved)
    few = label_draws(T[:half], 1, 20, np.random.default_rng(0))  # the same for all
    alone = [vote(Q, F[d], T[d], 1, 0.1) for d in few]
    votes = vote(Q, F, T[:half], 10, 0.1), vote(M, F, T[:half], 10, 0.1), np.array(alone)
    return [100 * (v == T_test).mean() for v in votes]


def table(rows):
    """Print mean and deviation over the networks; rows: {name: [accuracies, ...]}."""
    print(f"{'':16}  as they are  transformed      1 label")
    for name, found in rows.items():
        both = zip(np.mean(found, 0), np.std(found, 0))
        print(f"{name:16}" + "".join(f"{m:8.1f} +-{s:3.1f}" for m, s in both))


# %%
results = {
    "raw pixels": [accuracies(lambda X: normalize(X.reshape(len(X), -1)))],
    "random weights": [accuracies(lambda X, U=U: embedded(X, U)) for U in untrained],
    "real features": [accuracies(lambda X, U=U: embedded(X, U)) for U, log in runs],
}
table(results)
means = {name: np.mean(found, 0) for name, found in results.items()}
assert (means["real features"] > means["random weights"] + 10).all()
assert means["raw pixels"][0] > means["real features"][0]
assert means["real features"][1] > means["raw pixels"][1] + 15
assert means["real features"][2] > means["raw pixels"][2]

# %% [markdown]
# On digits as they are, raw pixels win: among so many centred images there is nearly always one
# alike. When the test digits are transformed, pixels fail, and the embedding holds much better.
# With a single label it is better, too, by a few points.
#
# ## What each part is for
#
# The same network and number of steps, other losses: without $J_2$; with identical views; with
# Exemplar-CNN's weights, a row for each of 898 images; with a memory bank in their place.

# %%
without = lambda F, G, tau: attract(similarity(F, G, tau))


def with_weights(seed):
    """Exemplar's loss: a row of weights for each image."""
    rng = np.random.default_rng(seed)
    P = first_weights(rng), 0.1 * he((32, half), rng, 1).T.copy()
    objective = lambda P, A, B, i: exemplar_softmax(embedding(B, P[0]), P[1], i, 0.1)
    return P[0], learn(objective, P, seed)


def with_bank(seed):
    """The features of the last epoch in place of weights."""
    rng = np.random.default_rng(seed)
    U, state = first_weights(rng), empty_bank(rng, half, 32)

    def objective(U, A, B, i):
        F = embedding(B, U)
        L = memory_softmax(F, i, state=state, temperature=0.1)
        remember(state, detach(F), i)
        return L

    return U, learn(objective, U, seed)


# %%
others = {
    "without J2": lambda seed: instance_network(seed, J=without),
    "identical views": lambda seed: instance_network(seed, identical=True),
    "weights": with_weights,
    "memory bank": with_bank,
}
print(f"chance level ln 898 = {np.log(half):.2f}")
for name, learned in others.items():
    found = [learned(seed) for seed in SEEDS]
    results[name] = [accuracies(lambda X, U=U: embedded(X, U)) for U, log in found]
    print(f"{name:16} loss {np.mean([log[-1]['loss'] for U, log in found]):.2f}")
table(results)
means = {name: np.mean(found, 0) for name, found in results.items()}
random = means["random weights"]
assert (means["identical views"] < random + 2).all() and means["identical views"][2] < random[2] - 5
assert all((means[name] < random + 5).all() for name in ("weights", "memory bank"))
assert (abs(means["without J2"] - means["real features"]) < 6).all()

# %% tags=["figure"]
rows = {name: (np.mean(found, 0)[1], np.std(found, 0)[1]) for name, found in results.items()}
Picture(
    figures.bars(rows, "real features", "test accuracy (%), transformed digits"),
    "Bars: real features far above pixels, random weights, identical views and the memory bank.",
)

# %% [markdown]
# - *Identical views*: no better than random weights, and with a single label much worse. Only the
#   pushing is left, and images of the same digit are pushed apart with all others.
# - *Without $J_2$*: a few points at most, about as much as one network differs from the next. The
#   denominators of $J_1$ push, too.
# - *Weights* and *memory bank*: still near the chance level $\ln n$, the features no better than
#   random ones. In ten epochs each row has been the right answer ten times only. This says that
#   they are slow, not that they do not work: see the paper's table below.
#
# ## Which temperature?

# %%
by_tau = {0.1: results["real features"]}
for tau in (0.03, 0.3, 1.0):
    networks = [instance_network(seed, tau=tau)[0] for seed in SEEDS]
    by_tau[tau] = [accuracies(lambda X, U=U: embedded(X, U)) for U in networks]
by_tau = dict(sorted(by_tau.items()))
table({f"tau = {tau}": found for tau, found in by_tau.items()})
middle = {tau: np.mean(found, 0)[1] for tau, found in by_tau.items()}
assert middle[0.1] > middle[0.3] > middle[1.0] and abs(middle[0.03] - middle[0.1]) < 6

# %% tags=["figure"]
page, (ax,) = figures.figure(6, 3)
for column, name, color in ((0, "as they are", figures.BLUE), (1, "transformed", figures.ORANGE)):
    values = np.array(list(by_tau.values()))[..., column]  # (temperatures, seeds)
    style = {"color": color, "marker": "o", "capsize": 3, "lw": 2}
    ax.errorbar(list(by_tau), values.mean(1), values.std(1), **style, label=name)
ax.set_xscale("log")
ax.set_xticks(list(by_tau), [f"{tau:g}" for tau in by_tau])
ax.minorticks_off()
ax.set_xlabel("temperature")
ax.set_ylabel("test accuracy (%)")
ax.legend(frameon=False, fontsize=9)
Picture(page, "Accuracy falls as the temperature rises above 0.1; below, it stays about the same.")

# %% [markdown]
# With a temperature that nothing can satisfy, less is learned. A lower one than the paper's 0.1
# does no harm here.
#
# ## On photographs
#
# What Ye et al. report for CIFAR-10, ResNet-18 and 128 numbers, judged by nearest neighbours (their
# figures, not ours):
#
# | method | kNN accuracy (%) |
# |---|---|
# | random network | 32.1 |
# | Exemplar-CNN (weights) | 74.5 |
# | triplet, hard negatives | 78.4 |
# | memory bank, noise-contrastive estimate (NCE) | 80.4 |
# | memory bank, the full softmax (NPSoftmax) | 80.8 |
# | real features | 83.6 |
#
# There, with 200 epochs, weights and memory bank work well; real features are still better.
#
# ## What was learned
#
# - A class for each image needs no weights: a remembered feature can stand for the image, or the
#   feature that the network has for it now.
# - The gradient of a row of length 1 has no part along the row.
# - For a fixed sample the denominator runs over the instances.
# - $1 - P$ is the sum of the others' shares; so written it never cancels.
# - The loss spreads images out and keeps versions together; blocks of the same class appear by
#   themselves.
# - Small digits, few steps: raw pixels are better on centred digits, the embedding on moved ones.
#
# ## What broke when it was left out

# %%
print(f"versions (identical views): {means['identical views'][1]:.1f} % on transformed digits")
print(f"real features (weights instead): {means['weights'][1]:.1f} %")
print(f"real features (memory bank instead): {means['memory bank'][1]:.1f} %")
print(f"a low temperature (1 instead of 0.1): {middle[1.0]:.1f} %")
print(f"J2: {means['without J2'][1]:.1f} %, nearly nothing broke")
print(f"nothing left out: {means['real features'][1]:.1f} %")
print(f"the sum of the others (1 - p instead): ln(1 - p) = {by_subtraction}")

# %% [markdown]
# Next: labels can also be made from *where* a patch lies. Lecture 9 predicts the position of one
# patch relative to another.
