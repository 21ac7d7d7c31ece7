# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 1. Neural networks
#
# **How does a network draw a boundary that no line can draw?**
#
# Three classes of points lie on the arms of a spiral. We first build a classifier whose boundaries
# are straight lines, and see it fail. Then we put one layer in front of it, and it succeeds. On the
# way you write the parts that every later network is made of: softmax, cross-entropy, a step of
# gradient descent, weight decay. You need NumPy, derivatives, and Bayes' rule for one section.

# %% tags=["setup"]
import numpy as np
import scipy.special

import minigrad
from minigrad import affine, decay, entropy, relu, value_and_grad
from minigrad.lectures import Picture, check_exercise, requires
from minigrad.stepper.figures import BLUE, GREY, INK, ORANGE, RED, figure
from minigrad.stepper.interactive import softmax_page

requires("0.1")

# %% [markdown]
# ## Samples are rows
#
# These letters stay the same in all lectures:
#
# | letter | shape | what it is |
# |---|---|---|
# | $N$, $D$, $K$ | numbers | samples, numbers in each sample, classes |
# | $X$ | $N\times D$ | the data: row $n$ is the sample $x_n$ |
# | $T$ | $N\times K$ | the targets: $t_{nk} = 1$ if sample $n$ is of class $k$, else 0 |
# | $A$ | $N\times K$ | activations: a score for each sample and class |
# | $Y$ | $N\times K$ | probabilities: each row sums to 1 |
#
# A row of $T$ holds a single 1. This is called *one-hot*. Our data are points in the plane, so
# $D = 2$, on $K = 3$ arms.


# %%
def spiral(n, classes, rng):
    """n points on each arm: X (N, 2), and the number of the arm of each, t (N,)."""
    t = np.repeat(np.arange(classes), n)
    radius = np.tile(np.linspace(0.1, 1, n), classes)
    angle = 4.5 * radius + 2 * np.pi * t / classes + 0.15 * rng.normal(size=len(t))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), t


X, t = spiral(100, 3, np.random.default_rng(0))
T = np.eye(3)[t]  # row n is row t[n] of the identity matrix
N, D, K = *X.shape, T.shape[1]
assert T.shape == (N, K) and (T.sum(axis=1) == 1).all()
print(f"X {X.shape}, T {T.shape};  sample 0: x = {X[0].round(2)}, t = {T[0]}")

# %% tags=["figure"]
COLORS = [BLUE, ORANGE, RED, GREY]


def dots(ax, X, t):
    for k in range(t.max() + 1):
        ax.scatter(*X[t == k].T, s=14, color=COLORS[k], edgecolor="white", linewidth=0.4)
    ax.set(aspect="equal", xlim=(-1.25, 1.25), ylim=(-1.25, 1.25), xlabel="$x_1$")
    ax.set(xticks=[-1, 0, 1], yticks=[-1, 0, 1])


page, (ax,) = figure(3.6, 3.6)
dots(ax, X, t)
ax.set_ylabel("$x_2$")
Picture(page, "Points on three arms of a spiral that wind around each other, a colour for each.")

# %% [markdown]
# ## A score for each class
#
# Class $k$ has a weight vector $w_k$ and a bias $b_k$, and gives a sample the score
#
# $$a_k = w_k^\top x + b_k.$$
#
# The slide writes one sample as a *column* $x$. With the vectors $w_k$ as the columns of
# $\underset{D\times K}{W}$, all scores of one sample are $W^\top x + b$. In an array of data a
# sample is a *row*. The transpose of $W^\top x$ is $x^\top W$: the transpose sign goes away, and
# one product serves all samples:
#
# $$\underset{N\times K}{A} = \underset{N\times D}{X}\;\underset{D\times K}{W} + \underset{K}{b}$$
#
# NumPy adds $b$ to every row.

# %%
rng = np.random.default_rng(1)
W, b = rng.normal(size=(D, K)), rng.normal(size=K)

A = X @ W + b  # (N, K)
columns = [W.T @ x + b for x in X]  # as on the slide: one sample at a time
assert np.allclose(A, columns)
print(f"A {A.shape};  its row 0: {A[0].round(3)}, and W^T x + b: {columns[0].round(3)}")

# %% [markdown]
# ## Where the scores come from
#
# The slide gives the score a meaning: $a_k = \ln p(x|C_k)\,p(C_k)$, the logarithm of how probable
# this $x$ is in class $k$, times how frequent the class is. By Bayes' rule, the probability of the
# class is then
#
# $$p(C_k|x) = \frac{p(x|C_k)\,p(C_k)}{\sum_j p(x|C_j)\,p(C_j)}
# = \frac{e^{a_k}}{\sum_j e^{a_j}} = \mathrm{softmax}_k(a).$$
#
# > **On the slide:** $w_k^\top x + b_k = \ln p(x|C_k)p(C_k)$. As it stands, this is too much: the
# > logarithm of a Gaussian has a term quadratic in $x$. Let each class be a round cloud of variance
# > 1 around $\mu_k$. Then $\ln p(x|C_k) = -\tfrac12\|x\|^2 + \mu_k^\top x - \tfrac12\|\mu_k\|^2$
# > plus a constant. The quadratic term is the same for all classes, and the softmax does not see
# > it. What is left is linear, with $w_k = \mu_k$ and $b_k = -\tfrac12\|\mu_k\|^2 + \ln p(C_k)$.
# > The same holds for clouds of any one shape.
#
# The cell computes both sides for three clouds.

# %%
mu, prior = rng.normal(size=(K, D)), np.array([0.5, 0.3, 0.2])

squares = ((X[:, None] - mu) ** 2).sum(axis=2)  # (N, K): distances, squared
joint = np.exp(-squares / 2) * prior  # p(x|C) p(C), but for a constant that cancels
bayes = joint / joint.sum(axis=1, keepdims=True)  # (N, K)

scores = X @ mu.T - (mu**2).sum(axis=1) / 2 + np.log(prior)  # (N, K)
apart = np.abs(bayes - scipy.special.softmax(scores, axis=1)).max()
assert apart < 1e-12
print(f"Bayes' rule and softmax of linear scores differ by at most {apart:.1e}")

# %% [markdown]
# ## Softmax
#
# From scores to probabilities, each row for itself:
#
# $$y_{nk} = \frac{e^{a_{nk}}}{\sum_j e^{a_{nj}}}, \qquad
# \underset{N\times K}{Y} = \mathrm{softmax}(\underset{N\times K}{A})$$
#
# The formula is right, and a program that copies it breaks: float64 cannot hold $e^{710}$. But a
# number $c$ added to all scores of a row cancels: $e^{a_k + c} = e^c e^{a_k}$, above and below the
# fraction line. So we may subtract a number first, and it may be another one for each row.

# %%
row = np.array([1.0, 2.0, 3.0])
with np.errstate(over="ignore", invalid="ignore"):
    for shift in (0, -100, 1000):
        powers = np.exp(row + shift)
        shares = powers / powers.sum()
        print(f"scores {row + shift}: softmax {shares.round(4)}")
assert np.isnan(shares).all()  # inf / inf

# %% [markdown] tags=["task"]
# ### Exercise: softmax without overflow
#
# Write `softmax(A)`. `A` is (N, K), with entries as large as 1000 or more; return `Y` (N, K).
# Choose what you subtract so that the largest power in each row is $e^0 = 1$.


# %% tags=["exercise"] id="softmax"
def softmax(A):
    """Y (N, K): the softmax of each row of A (N, K)."""
    ### BEGIN SOLUTION
    E = np.exp(A - A.max(axis=1, keepdims=True))
    Y = E / E.sum(axis=1, keepdims=True)
    ### END SOLUTION
    return Y


# %% tags=["check"]
def softmax_inputs(rng):
    yield (rng.normal(size=(5, 3)),)
    yield (rng.normal(size=(3, 3)),)
    yield (1000 * rng.normal(size=(4, 3)) + 5000 * np.arange(4)[:, None],)


check_exercise(softmax, softmax_inputs, like=lambda A: scipy.special.softmax(A, axis=1))

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# After you subtract the largest score of a row from the row, no score is above 0, and no power is
# above 1.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $m_n = \max_k a_{nk}$, then $y_{nk} = e^{a_{nk} - m_n} / \sum_j e^{a_{nj} - m_n}$. Both the
# maximum and the sum are over axis 1, and `keepdims=True` leaves them as (N, 1), so that they meet
# the rows.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# Name `E` what `np.exp` gives of `A` minus the row maxima. The second line divides `E`.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 7}
# hint = "Which number of each row must you subtract, and which axis does a row run along?"
# [[mistake]]
# code = "one maximum for all"
# stage = "forward"
# replace = "A.max(axis=1, keepdims=True)"
# by = "A.max()"
# says = "One maximum for the whole array: rows of smaller scores underflow to 0/0. Each row needs its own."
# [[mistake]]
# code = "mean subtracted"
# stage = "forward"
# replace = "A.max(axis=1, keepdims=True)"
# by = "A.mean(axis=1, keepdims=True)"
# says = "After the mean is subtracted a score may still be 1000, and exp(1000) is inf. Subtract the maximum."
# [[mistake]]
# code = "maximum not subtracted"
# stage = "forward"
# replace = "A - A.max(axis=1, keepdims=True)"
# by = "A"
# says = "exp(1000) is inf, and inf / inf is nan. Subtract the maximum of each row first: Y stays the same."
# [[mistake]]
# code = "columns normalised"
# stage = "forward"
# replace = "E.sum(axis=1, keepdims=True)"
# by = "E.sum(axis=0, keepdims=True)"
# says = "The columns sum to 1. Each row is a sample, and its K probabilities sum to 1: axis 1."

# %% [markdown]
# Turn the temperature below: the scores are divided by it before the softmax. A low one makes the
# largest score win; a high one makes all classes alike. Lecture 8 needs it.

# %%
softmax_page(np.array([2.0, 1.0, 0.0, -1.0]))

# %% [markdown]
# ## Two classes: the sigmoid
#
# With two classes one number is enough, the logarithm of a ratio:
#
# $$a = \ln\frac{p(x|C_1)p(C_1)}{p(x|C_2)p(C_2)}, \qquad
# y = p(C_1|x) = \sigma(a) = \frac{1}{1 + e^{-a}}$$
#
# At $a = 0$ both classes are equally probable, and $y = 1/2$. The two classes could also have a
# score each, $a_1$ and $a_2$, as before. Then which $a$ makes $\sigma(a)$ the first column of the
# softmax?

# %% [markdown] tags=["task"]
# ### Exercise: two classes are one sigmoid
#
# Write `first_of_two(A)`: `A` is (N, 2); return the probability of the first class, (N,), by a
# sigmoid of one number a sample. The check compares it with the softmax.


# %% tags=["exercise"] id="first_of_two"
def first_of_two(A):
    """y (N,): the probability of the first class; A (N, 2)."""
    ### BEGIN SOLUTION
    y = 1 / (1 + np.exp(A[:, 1] - A[:, 0]))
    ### END SOLUTION
    return y


# %% tags=["check"]
def first_of_two_inputs(rng):
    yield (rng.normal(size=(5, 2)),)
    yield (3 * rng.normal(size=(2, 2)),)


check_exercise(
    first_of_two, first_of_two_inputs, like=lambda A: scipy.special.softmax(A, axis=1)[:, 0]
)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Divide both sides of the fraction $e^{a_1} / (e^{a_1} + e^{a_2})$ by $e^{a_1}$.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $y = 1 / (1 + e^{a_2 - a_1}) = \sigma(a_1 - a_2)$: the logarithm of a ratio is a difference.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# `A[:, 0]` holds $a_1$ of all samples and `A[:, 1]` holds $a_2$. One line with `np.exp` is enough.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 6}
# [[mistake]]
# code = "sign"
# stage = "forward"
# replace = "A[:, 1] - A[:, 0]"
# by = "A[:, 0] - A[:, 1]"
# says = "This is the probability of the second class. If a_1 grows, y must grow: look at the sign inside exp."
# [[mistake]]
# code = "ratio for difference"
# stage = "forward"
# replace = "A[:, 1] - A[:, 0]"
# by = "-A[:, 0] / A[:, 1]"
# says = "The scores are logarithms already. The logarithm of a ratio is the difference of the logarithms."
# [[mistake]]
# code = "first score only"
# stage = "forward"
# replace = "A[:, 1] - A[:, 0]"
# by = "-A[:, 0]"
# says = "a_2 has no say. Only the difference of the two scores decides."

# %% [markdown]
# ## The loss: cross-entropy
#
# How good are the probabilities? Take for each sample the probability $y$ of its *right* class, and
# average $-\ln y$. In one-hot targets $t_{nk}$ selects the right class:
#
# $$L = -\frac1N \sum_n \sum_k t_{nk} \ln y_{nk}$$
#
# > **On the slide:** $L = -\ln p(T) = -\frac1N\sum_n\sum_k t_{nk}\ln y_{nk}$. The probability of
# > all targets is $p(T) = \prod_n\prod_k y_{nk}^{t_{nk}}$, so the left part is $N$ times the right
# > one. We keep the average: it can be compared between sets of different size.
#
# Remember: who guesses pays $\ln K$; who is certain and wrong pays without limit.

# %%
Y = np.full((N, K), 1 / K)
guess = -(T * np.log(Y)).sum() / N
assert np.isclose(guess, np.log(K))
print(f"guessing among {K} classes: L = {guess:.4f} = ln {K}")

for score in (1.0, 10.0, 100.0, 1000.0):
    y = scipy.special.softmax(np.array([0.0, score]))[0]  # the right class has score 0
    with np.errstate(divide="ignore"):
        print(f"wrong class ahead by {score:6}:  y = {y:.1e},  -ln y = {-np.log(y):.1f}")

# %% [markdown]
# The last line is wrong: the loss is 1000, not infinite. The probability was rounded to 0 before
# the logarithm saw it. Never compute $\ln y$ from $y$. Put the softmax into the logarithm instead:
#
# $$\ln y_{nk} = a_{nk} - \ln\sum_j e^{a_{nj}}$$

# %% [markdown] tags=["task"]
# ### Exercise: cross-entropy from the scores
#
# Write `cross_entropy(A, T)`: scores `A` (N, K) and one-hot targets `T` (N, K); return the number
# $L$. It must be exact where a probability would round to 0. (The sum of powers still overflows:
# treat it as you did the softmax.)


# %% tags=["exercise"] id="cross_entropy"
def cross_entropy(A, T):
    """L, a number: the cross-entropy of scores A and targets T."""
    ### BEGIN SOLUTION
    S = A - A.max(axis=1, keepdims=True)
    ln_Y = S - np.log(np.exp(S).sum(axis=1, keepdims=True))
    L = -(T * ln_Y).sum() / len(A)
    ### END SOLUTION
    return L


# %% tags=["check"]
def cross_entropy_inputs(rng):
    yield rng.normal(size=(5, 3)), np.eye(3)[[0, 2, 1, 1, 0]]
    yield rng.normal(size=(3, 3)), np.eye(3)[[2, 0, 1]]
    yield 1000 * rng.normal(size=(4, 3)), np.eye(3)[[1, 1, 0, 2]]


check_exercise(cross_entropy, cross_entropy_inputs, like=entropy)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Shift each row as in the softmax: $\ln y$ does not change. The sum of powers is then between 1 and
# $K$, and its logarithm is harmless.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $s_{nk} = a_{nk} - \max_j a_{nj}$ and $\ln y_{nk} = s_{nk} - \ln\sum_j e^{s_{nj}}$. Then weight by
# $t_{nk}$, add all up, divide by $-N$.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# Name `S` the scores minus the maximum of their row, which has shape (N, 1).
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 7}
# hint = "Where can a 0 get into a logarithm?"
# [[mistake]]
# code = "log of 0"
# stage = "forward"
# replace = "S - np.log(np.exp(S).sum(axis=1, keepdims=True))"
# by = "np.log(np.exp(S) / np.exp(S).sum(axis=1, keepdims=True))"
# says = "Y can be 0 to all digits, and ln 0 is -inf. Compute ln Y without Y, from the scores."
# [[mistake]]
# code = "small number in the logarithm"
# stage = "forward"
# replace = "S - np.log(np.exp(S).sum(axis=1, keepdims=True))"
# by = "np.log(np.exp(S) / np.exp(S).sum(axis=1, keepdims=True) + 1e-12)"
# says = "A small number inside the logarithm hides the inf and gives a wrong loss. Compute ln Y from the scores."
# [[mistake]]
# code = "1/N missing"
# stage = "forward"
# replace = "-(T * ln_Y).sum() / len(A)"
# by = "-(T * ln_Y).sum()"
# says = "This is the sum over the samples. The loss is their mean, so divide by N."
# [[mistake]]
# code = "mean of all entries"
# stage = "forward"
# replace = "-(T * ln_Y).sum() / len(A)"
# by = "-(T * ln_Y).mean()"
# says = "This is a mean over all N K entries. It is a mean over the N samples."

# %% [markdown]
# ## Which way to change the scores
#
# The derivative of the loss with respect to the scores is as simple as it can be:
#
# $$\frac{\partial L}{\partial A} = \frac1N (Y - T) \qquad (N\times K)$$
#
# $y_{nk}$ is at most 1. So the entry is negative at the right class and positive at all others:
# *increase a score, and the loss falls if the class is correct, and rises otherwise*. We do not
# derive it here (lecture 2 does); we try it, on one sample of class 1.

# %%
A0, T0 = np.array([[0.5, 1.0, -0.5]]), np.array([[0.0, 1.0, 0.0]])
slope = (softmax(A0) - T0)[0]  # N = 1
for k in range(3):
    raised = A0.copy()
    raised[0, k] += 1e-3
    change = cross_entropy(raised, T0) - cross_entropy(A0, T0)
    assert np.isclose(change / 1e-3, slope[k], atol=1e-3) and (change < 0) == (k == 1)
    print(f"raise score {k} by 0.001: L changes by {change:+.6f};  y - t = {slope[k]:+.3f}")

# %% [markdown]
# ## Gradient descent
#
# All that can be changed are the weights and biases. The slide calls them $\theta$. We want the
# $\theta$ with the smallest loss $L = f(X, T; \theta)$. After $t$ steps we are at $\theta_t$. From
# there we take a step against the derivative, of a size $\varepsilon$, the *learning rate*:
#
# $$\theta_{t+1} = \theta_t - \varepsilon\,\frac{\partial f}{\partial\theta}(X, T; \theta_t)$$
#
# > **On the slide:** $\theta^* = \arg\max_\theta f(X,T;\theta)$. A loss is made small:
# > $\theta^* = \arg\min_\theta f(X,T;\theta)$. The minus in the step agrees with this.
#
# For the linear classifier, $\theta = (W, b)$. The entry $w_{dk}$ multiplies $x_{nd}$ in the score
# $a_{nk}$ of every sample, and $b_k$ is added to it. So their derivatives collect those of the
# scores:
#
# $$\frac{\partial L}{\partial w_{dk}} = \sum_n x_{nd}\,\frac{\partial L}{\partial a_{nk}}, \qquad
# \frac{\partial L}{\partial b_k} = \sum_n \frac{\partial L}{\partial a_{nk}}$$
#
# Do one step by hand for the two samples below, both of the first of two classes, from $W = 0$,
# $b = 0$ and with $\varepsilon = 1$. Your function will tell whether you were right.

# %%
X2, T2 = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([[1.0, 0.0], [1.0, 0.0]])
Y2 = np.full((2, 2), 0.5)  # all scores are 0
print(f"X =\n{X2}\nT =\n{T2}\nY =\n{Y2}")

# %% [markdown] tags=["task"]
# ### Exercise: one step
#
# Write `descend(X, T, Y, W, b, rate)`: data `X` (N, D), targets `T` and probabilities `Y` (N, K),
# weights `W` (D, K), biases `b` (K,), learning rate `rate`. Return the new pair `W`, `b`. The sum
# over $n$ of $x_{nd}$ times something is a matrix product: which one has the shape (D, K)?


# %% tags=["exercise"] id="descend"
def descend(X, T, Y, W, b, rate):
    """W and b after one step of gradient descent."""
    ### BEGIN SOLUTION
    G = (Y - T) / len(X)
    W, b = W - rate * (X.T @ G), b - rate * G.sum(axis=0)
    ### END SOLUTION
    return W, b


# %% tags=["check"]
def descend_inputs(rng):
    for n, d, k, rate in ((5, 2, 3, 0.5), (3, 3, 3, 1.0), (2, 4, 2, 0.1)):
        X, W, b = [rng.normal(size=s) for s in ((n, d), (d, k), (k,))]
        T = np.eye(k)[rng.integers(k, size=n)]
        yield X, T, minigrad.softmax(X @ W + b), W, b, rate


def descended(X, T, Y, W, b, rate):
    _, (dW, db) = value_and_grad(lambda U: entropy(affine(X, U), T))((W, b))
    return W - rate * dW, b - rate * db


check_exercise(descend, descend_inputs, like=descended)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# First the derivative of the scores, (N, K). Then carry it to the weights and to the biases. Then
# step against both.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# With $G = (Y - T)/N$: $W \leftarrow W - \varepsilon\, X^\top G$ and $b_k \leftarrow b_k -
# \varepsilon\sum_n g_{nk}$.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# Name `G` the difference of `Y` and `T`, divided by the number of rows of `X`.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 7}
# hint = "Write the derivative of L by the scores first, with its 1/N."
# [[mistake]]
# code = "1/N missing"
# stage = "forward"
# replace = "(Y - T) / len(X)"
# by = "(Y - T)"
# says = "The step is N times too long: the loss is a mean over the samples, and so is its derivative."
# [[mistake]]
# code = "uphill"
# stage = "forward"
# replace = "(Y - T)"
# by = "(T - Y)"
# says = "This step goes uphill. The derivative is Y - T, and the step goes against it."
# [[mistake]]
# code = "mean for the bias"
# stage = "forward"
# replace = "G.sum(axis=0)"
# by = "G.mean(axis=0)"
# says = "The 1/N is in there already. The bias adds up what its N scores get."
# [[mistake]]
# code = "one bias for all"
# stage = "forward"
# replace = "G.sum(axis=0)"
# by = "G.sum()"
# says = "Each class has a bias of its own: sum over the samples, axis 0, not over everything."

# %%
stepped = descend(X2, T2, Y2, np.zeros((2, 2)), np.zeros(2), 1.0)
print(f"after one step:  W =\n{stepped[0]}\nb = {stepped[1]}")

# %% [markdown]
# Three of your functions make a whole training program. Here it is, on the spiral.


# %%
def train_linear(rate, steps=300):
    """W, b and the losses of a linear classifier of the spiral, from zeros."""
    W, b, losses = np.zeros((D, K)), np.zeros(K), []
    for _ in range(steps):
        A = X @ W + b
        losses.append(cross_entropy(A, T))
        W, b = descend(X, T, softmax(A), W, b, rate)
    return W, b, losses


W, b, losses = train_linear(rate=1.0)
linear = ((X @ W + b).argmax(axis=1) == t).mean()
assert losses[-1] < losses[0] and linear < 0.6
print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f};  {linear:.0%} of the points are right")

_, _, summed = train_linear(rate=N)  # N times the mean is the sum: no 1/N
assert summed[-1] > guess
print(f"without 1/N: loss {summed[0]:.3f} -> {summed[-1]:.1f}")

# %% [markdown]
# The loss falls and stays high. Longer training does not help: two classes are equally probable
# where $a_j = a_k$, that is, where $(w_j - w_k)^\top x + b_j - b_k = 0$. This is a straight line,
# for whatever weights. (Without the $1/N$, the same rate means steps $N$ times as long, and the
# loss ends above that of a guess. The step would also depend on how many samples you have.)
#
# ## A layer in front
#
# A straight line would be enough if the classifier saw something better than $x$. So describe each
# sample by $H$ *features*, and let the features be computed by units of the kind that we have: each
# is a weighted sum, followed by a nonlinear function $h$, as the sigmoid was. For one sample:
#
# $$z = h(W_1^\top x + b_1), \qquad y = \mathrm{softmax}(W_2^\top z + b_2)$$
#
# For all samples, as rows:
#
# $$\begin{aligned}
# \underset{N\times H}{A_1} &= \underset{N\times D}{X}\,\underset{D\times H}{W_1} + \underset{H}{b_1} &
# \underset{N\times H}{Z} &= h(A_1) \\
# \underset{N\times K}{A_2} &= \underset{N\times H}{Z}\,\underset{H\times K}{W_2} + \underset{K}{b_2} &
# \underset{N\times K}{Y} &= \mathrm{softmax}(A_2)
# \end{aligned}$$
#
# Three choices of $h$ are common: the sigmoid; $\tanh$, which is a sigmoid from $-1$ to 1; and
# $\mathrm{relu}(a) = \max(0, a)$, which is cheap and does not become flat for large $a$.

# %% tags=["figure"]
a = np.linspace(-4, 4, 401)
page, axes = figure(6.8, 2.4, columns=3)
curves = {"sigmoid": 1 / (1 + np.exp(-a)), "tanh": np.tanh(a), "relu": np.maximum(0, a)}
for ax, (name, h) in zip(axes, curves.items()):
    ax.axhline(0, color=GREY, lw=0.7)
    ax.axvline(0, color=GREY, lw=0.7)
    ax.plot(a, h, color=BLUE, lw=2.5, label="h")
    ax.plot(a, np.gradient(h, a), color=ORANGE, lw=1.5, ls="--", label="its slope")
    ax.set(ylim=(-1.2, 2.2), xlabel="$a$")
    ax.set_title(name, fontsize=10, loc="left")
axes[0].legend(frameon=False, fontsize=9, loc="upper left")
steepest = np.gradient(curves["sigmoid"], a).max()
assert np.isclose(steepest, 0.25, atol=1e-3)
print(f"the slope of the sigmoid is at most {steepest:.2f}, that of tanh and relu at most 1")
Picture(page, "Sigmoid, tanh and relu, and their slopes: those of sigmoid and tanh vanish.")

# %% [markdown]
# Why nonlinear? Without $h$ the two layers are one:
# $(XW_1 + b_1)W_2 + b_2 = X(W_1W_2) + (b_1W_2 + b_2)$. The network would have more weights and the
# same straight boundaries.

# %%
W1, b1, W2, b2 = [rng.normal(size=s) for s in ((D, 16), (16,), (16, K), (K,))]
two = (X @ W1 + b1) @ W2 + b2
one = X @ (W1 @ W2) + (b1 @ W2 + b2)
assert np.allclose(two, one)
print(f"weights of two layers without h: {W1.size + W2.size}; of one: {(W1 @ W2).size}")
print(f"largest difference of their scores: {np.abs(two - one).max():.1e}")

# %% [markdown]
# ## Weight decay
#
# Large weights make steep scores, and steep scores make boundaries that wind around single points.
# So large weights get a price, with a factor $\lambda$ (the *rate* of the decay):
#
# $$L = D + R, \qquad D = -\frac1N\sum_n\sum_k t_{nk}\ln y_{nk}, \qquad
# R = \frac\lambda2\left(\|W_1\|_F^2 + \|W_2\|_F^2\right)$$
#
# $\|W\|_F^2$ is the sum of the squares of all entries. The biases pay nothing: they do not make
# scores steep, they shift them.

# %% [markdown] tags=["task"]
# ### Exercise: the price of the weights
#
# Write `weight_decay(U, rate)`: `U` is the nest `((W1, b1), (W2, b2))` of all parameters, with
# shapes (D, H), (H,), (H, K), (K,); `rate` is $\lambda$. Return the number $R$.


# %% tags=["exercise"] id="weight_decay"
def weight_decay(U, rate):
    """R, a number: the price of the weights of both layers."""
    (W1, b1), (W2, b2) = U
    ### BEGIN SOLUTION
    R = rate / 2 * (np.sum(W1**2) + np.sum(W2**2))
    ### END SOLUTION
    return R


# %% tags=["check"]
def weight_decay_inputs(rng):
    for d, h, k, rate in ((2, 5, 3, 0.1), (3, 3, 3, 1e-3)):
        shapes = ((d, h), (h,)), ((h, k), (k,))
        yield tuple(tuple(rng.normal(size=s) for s in layer) for layer in shapes), rate


check_exercise(
    weight_decay, weight_decay_inputs, like=lambda U, rate: decay([W for W, _ in U], rate)
)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Square every weight, add all squares of both matrices, multiply by half the rate.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# $R = \frac\lambda2\left(\sum_{dh} w_{1,dh}^2 + \sum_{hk} w_{2,hk}^2\right)$, without $b_1$ and
# $b_2$.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# One line: `rate / 2` times a sum of two calls of `np.sum`, one for each matrix.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 6}
# [[mistake]]
# code = "biases decay"
# stage = "forward"
# replace = "np.sum(W2**2)"
# by = "np.sum(W2**2) + np.sum(b1**2) + np.sum(b2**2)"
# says = "The biases pay too. Only the weight matrices decay: a bias must be free to shift the scores."
# [[mistake]]
# code = "half missing"
# stage = "forward"
# replace = "rate / 2"
# by = "rate"
# says = "This is twice R. The slide has half of lambda, so that the derivative is lambda times W."
# [[mistake]]
# code = "norm not squared"
# stage = "forward"
# replace = "np.sum(W1**2) + np.sum(W2**2)"
# by = "np.linalg.norm(W1) + np.linalg.norm(W2)"
# says = "These are the norms. R takes their squares, the sums of all squared weights."

# %% [markdown]
# ## Training two layers
#
# A step needs the derivatives with respect to $W_1$, $b_1$, $W_2$ and $b_2$, through both layers (we
# say *by* $W_1$ for short). Today we borrow them: `value_and_grad(loss)` of minigrad returns the loss and its derivatives, in a nest
# like `U`. In lecture 2 you compute them by hand, and in lecture 3 you build the machine that does
# it.


# %%
def network(X, U):
    """Scores (N, K) of X (N, D); U holds (W, b) of each layer. One is linear."""
    Z = X
    for layer in U[:-1]:
        Z = relu(affine(Z, layer))
    return affine(Z, U[-1])


def loss(U, X, T, rate):
    return entropy(network(X, U), T) + decay([W for W, _ in U], rate)


def train(U, X, T, epsilon=1.0, rate=1e-3, steps=1000, loss=loss):
    """Gradient descent from U: the trained U, and the loss before each step."""
    U = [[W.copy(), b.copy()] for W, b in U]
    losses, differentiate = [], value_and_grad(loss)
    for _ in range(steps):
        L, dU = differentiate(U, X, T, rate)
        losses.append(float(L))
        for (W, b), (dW, db) in zip(U, dU):
            W -= epsilon * dW
            b -= epsilon * db
    return U, losses


# %% [markdown]
# The weights start at random numbers, and the biases at 0. Why not all at 0? You will see
# below. Your decay and your cross-entropy give the loss that is minimised.


# %%
def start(D, H, K, rng):
    """Random ((W1, b1), (W2, b2)) of a network with H features."""
    W1, W2 = rng.normal(size=(D, H)), rng.normal(size=(H, K)) / np.sqrt(H)
    return [[W1, np.zeros(H)], [W2, np.zeros(K)]]


def accuracy(U, X, t):
    return (network(X, U).argmax(axis=1) == t).mean()


U, losses = train(start(D, 16, K, np.random.default_rng(1)), X, T)
yours = cross_entropy(network(X, U), T) + weight_decay(U, 1e-3)
assert np.isclose(loss(U, X, T, 1e-3), yours)
assert accuracy(U, X, t) > 0.99
print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f};  accuracy {accuracy(U, X, t):.1%}")


# %% tags=["figure"]
def regions(ax, U, K=3, alpha=0.25):
    """Colour each place of the plane by the class with the largest score."""
    side = np.linspace(-1.25, 1.25, 250)
    plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    winner = network(plane, U).argmax(axis=1).reshape(250, 250)
    ax.contourf(side, side, winner, np.arange(K + 1) - 0.5, colors=COLORS[:K], alpha=alpha)


page, axes = figure(6.8, 3.6, columns=2)
for ax, V, name in zip(axes, ([[W, b]], U), ("linear", "two layers, 16 features")):
    regions(ax, V)
    dots(ax, X, t)
    ax.set_title(f"{name}: {accuracy(V, X, t):.0%} right", fontsize=10, loc="left")
axes[0].set_ylabel("$x_2$")
Picture(page, "Left: straight borders cut through the arms. Right: each arm has its own region.")

# %% [markdown]
# ## What layer 1 sees
#
# The feature $z_h = \max(0, a_h)$ is 0 on one side of the line $w_h^\top x + b_h = 0$, and grows on
# the other. So layer 1 lays $H$ lines over the plane. Between the lines all scores are linear; on a
# line one feature starts to count, and the boundary between two classes may bend. We train again
# with 8 features, so that you can count the lines. An arrow points to where the feature is above 0.
# **Look where the border of a region has a corner: it lies on a line.**

# %% tags=["figure"]
U8, _ = train(start(D, 8, K, np.random.default_rng(1)), X, T, rate=1e-4)
(W1, b1), _ = U8

page, (ax,) = figure(5, 5)
regions(ax, U8)
dots(ax, X, t)
for h, (w, c) in enumerate(zip(W1.T, b1)):
    normal, foot = w / np.linalg.norm(w), -c * w / (w @ w)  # foot: the point next to 0
    along = np.array([-normal[1], normal[0]]) * np.sign(normal[0])  # upward
    ax.plot(*np.stack([foot - 3 * along, foot + 3 * along]).T, color=INK, lw=1)
    arrow = {"arrowstyle": "->", "color": INK, "lw": 1.2}
    place = foot + np.sqrt(1.15**2 - foot @ foot) * along  # on a circle around 0
    ax.annotate("", place + 0.13 * normal, place, arrowprops=arrow)
    ax.annotate(str(h), place - 0.06 * normal, ha="center", va="center", fontsize=8)
ax.set_ylabel("$x_2$")
print(f"8 features: {accuracy(U8, X, t):.1%} of the points are on the right side")
Picture(page, "The lines of 8 features over the regions; the borders bend where they cross a line.")

# %% [markdown]
# Each feature alone is a ramp over the plane. White is 0. The second layer adds the ramps, with
# positive and negative weights.

# %% tags=["figure"]
side = np.linspace(-1.25, 1.25, 60)
plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
Z = np.maximum(0, plane @ W1 + b1)  # (60 * 60, H)

page, axes = figure(6.8, 3.6, columns=4, rows=2)
for h, ax in enumerate(axes):
    ax.imshow(Z[:, h].reshape(60, 60), origin="lower", extent=(-1.25, 1.25) * 2, cmap="Blues")
    ax.scatter(*X.T, s=1, color=INK)
    ax.set(xticks=[], yticks=[])
    ax.set_title(f"feature {h}", fontsize=9, loc="left")
    ax.spines[:].set_visible(True)
seen = (X @ W1 + b1 > 0).mean(axis=0)
print(f"each feature is above 0 for {seen.min():.0%} to {seen.max():.0%} of the points")
Picture(page, "Eight ramps: each white on one side of a line and darker blue away from it.")

# %% [markdown]
# ## The learning rate
#
# The direction of a step is right only close by. If $\varepsilon$ is too small, you wait; if it is
# too large, the step jumps over the valley and lands higher than it began.

# %% tags=["figure"]
rates = {0.01: GREY, 1.0: BLUE, 10.0: RED}
page, (ax,) = figure(6, 3.2)
ends = {}
for epsilon, color in rates.items():
    _, curve = train(start(D, 16, K, np.random.default_rng(1)), X, T, epsilon, steps=400)
    ends[epsilon] = curve[-1]
    ax.plot(curve, color=color, lw=2 if epsilon < 10 else 0.8)
    place = 405, curve[-1] + 0.2 * (epsilon == 10)
    ax.text(*place, rf"$\varepsilon$ = {epsilon:g}", color=color, va="center", fontsize=10)
    print(f"epsilon = {epsilon:5}: loss after 400 steps {curve[-1]:.3f}")
ax.axhline(guess, color=INK, lw=0.8, ls=":")
ax.text(405, guess + 0.04, "guessing", fontsize=9, color=INK)
ax.set(xlabel="step", ylabel="loss", ylim=(0, 3.2), xlim=(0, 470))
assert ends[1.0] < ends[0.01] < guess < ends[10.0]
Picture(page, "Loss against step: slow for 0.01, falling fast for 1, above a guess for 10.")

# %% [markdown]
# ## Why not start at 0?
#
# If all weights are 0, all features are 0, and no feature gets a derivative: the network does not
# move. If all weights are *equal*, all features are equal, get equal derivatives, and stay equal
# for ever. Sixteen equal features are one feature. Random numbers break this symmetry.

# %%
for name, value in (("zeros", 0.0), ("all 0.1", 0.1)):
    same = [[np.full((D, 16), value), np.zeros(16)], [np.full((16, K), value), np.zeros(K)]]
    V, curve = train(same, X, T)
    distinct = len(np.unique(V[0][0].round(9), axis=1).T)
    assert distinct == 1 and accuracy(V, X, t) < 0.6
    print(
        f"{name}: loss {curve[0]:.3f} -> {curve[-1]:.3f}, accuracy {accuracy(V, X, t):.0%}, "
        f"{distinct} distinct feature of 16"
    )

# %% [markdown]
# ## Why do biases not decay?
#
# Leave out most samples of two classes, and decay the weights of a linear classifier strongly. At
# the minimum the derivative by $b_k$ is 0, and this derivative is $\sum_n (y_{nk} - t_{nk})/N$: on
# average, the probabilities are exactly the frequencies of the classes. If the biases decay too,
# this is lost, and the rare classes are predicted too often.


# %%
def loss_all(U, X, T, rate):
    return entropy(network(X, U), T) + decay(U, rate)


kept = np.concatenate([np.arange(100), np.arange(100, 115), np.arange(200, 210)])
frequency = T[kept].mean(axis=0)
print(f"frequencies of the classes:    {frequency.round(3)}")
for name, f in (("weights decay", loss), ("biases decay too", loss_all)):
    V, _ = train([[np.zeros((D, K)), np.zeros(K)]], X[kept], T[kept], 1.0, 0.3, loss=f)
    mean = scipy.special.softmax(network(X[kept], V), axis=1).mean(axis=0)
    assert (np.abs(mean - frequency).max() < 1e-6) == (f is loss)
    print(f"{name + ':':18} mean of Y   {mean.round(3)}")

# %% [markdown]
# ## Your network
#
# Now four arms, and three random starts.

# %% [markdown] tags=["task"]
# ### Exercise: make the spiral separable
#
# Choose the number of features $H$ (at most 100) and the decay $\lambda$ (0 or more) so that a
# network trained with $\varepsilon = 1$ in 1000 steps puts at least 99 % of the points on the right
# side, from each of three starts. `settings()` returns the pair. The check trains three times; try
# bad values also, and read what it says.


# %% tags=["exercise"] id="settings"
def settings():
    """The features H and the decay lambda of your network."""
    ### BEGIN SOLUTION
    H, rate = 24, 1e-4
    ### END SOLUTION
    return H, rate


# %% tags=["check"]
def settings_inputs(rng):
    yield ()


def separates(value):
    H, rate = value if isinstance(value, tuple) and len(value) == 2 else (0, 0)
    if not isinstance(H, (int, np.integer)) or not 1 <= H <= 100 or rate < 0:
        wanted = "a whole number H from 1 to 100, and a decay of 0 or more"
        return f"it returns {value}, and should return two: {wanted}"
    X, t = spiral(100, 4, np.random.default_rng(0))
    for seed in (1, 2, 3):
        U = start(2, H, 4, np.random.default_rng(seed))
        right = accuracy(train(U, X, np.eye(4)[t], rate=rate)[0], X, t)
        if right < 0.99:
            return f"from start {seed} it puts {right:.1%} of the points on the right side"
    return ""


check_exercise(settings, settings_inputs, holds=separates)

# %% [markdown] tags=["hint"]
# <details><summary>Hint 1: the idea</summary>
#
# Too few features are too few lines to bend the borders along. Too much decay makes the scores
# flat, and the arms are no longer worth their price.
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# The price is $\frac\lambda2$ times the sum of the squares, and the most that can be gained is the
# loss of a guess, $\ln 4$. Compare the two for the weights of the network above, for several
# $\lambda$.
#
# </details>
# <details><summary>Hint 3: the first line</summary>
#
# Begin with the 16 features and the $\lambda$ of the three arms, then make $\lambda$ ten times
# smaller, and then change $H$.
#
# </details>

# %% [raw] tags=["question"]
# points = {signature = 1, shapes = 1, forward = 6}
# [[mistake]]
# code = "too few features"
# stage = "forward"
# replace = "24, 1e-4"
# by = "4, 1e-4"
# says = "Four lines are too few: a border bends only where it crosses a line. Take more features."
# [[mistake]]
# code = "too much decay"
# stage = "forward"
# replace = "24, 1e-4"
# by = "24, 1e-2"
# says = "The weights cost more than the arms are worth: the scores stay flat. Take a smaller decay."

# %% tags=["figure"]
H, rate = settings()
X4, t4 = spiral(100, 4, np.random.default_rng(0))
T4 = np.eye(4)[t4]

page, axes = figure(6.8, 2.7, columns=3)
choices = (("too few", 4, rate), ("too much", H, 1e-2), ("yours", H, rate))
for ax, (name, h, r) in zip(axes, choices):
    V, _ = train(start(2, h, 4, np.random.default_rng(1)), X4, T4, rate=r)
    regions(ax, V, 4)
    dots(ax, X4, t4)
    right = accuracy(V, X4, t4)
    ax.set_title(rf"H = {h}, $\lambda$ = {r:g}: {right:.0%}", fontsize=9, loc="left")
    print(f"{name:8}  H = {h}, lambda = {r:g}: {right:.1%}")
axes[0].set_ylabel("$x_2$")
Picture(page, "Regions of three networks: four features, strong decay, and your choice.")

# %% [markdown]
# ## What was learned
#
# - Samples are rows: $A = XW + b$ gives all scores by one product, and no transpose is left.
# - Softmax makes probabilities of scores. Subtract each row's maximum first.
# - Compute the cross-entropy from the scores. Its derivative by the scores is $(Y - T)/N$.
# - A step of gradient descent goes against the derivative. Its length is yours to choose.
# - The boundary of a linear classifier is straight. A layer of features in front of it lays $H$
#   lines over the plane, and the boundary can bend at each of them.
#
# ## What broke when it was left out
#
# | left out | what happened | where |
# |---|---|---|
# | the maximum in the softmax | `inf / inf`: every probability is nan | Softmax |
# | the scores in the cross-entropy ($\ln y$ from $y$) | the loss is infinite where it should be 1000 | The loss |
# | the $1/N$ | the loss ends above that of a guess | Gradient descent |
# | the nonlinearity $h$ | two layers are one | A layer in front |
# | random numbers at the start | no step at all, or 16 equal features | Why not start at 0? |
# | care with $\varepsilon$ | too slow, or above a guess | The learning rate |
# | biases free of decay | rare classes are predicted too often | Why do biases not decay? |
#
# Next: lecture 2 computes the derivatives that we borrowed, and finds out whether they are right.
