"""The right answers: decay and add as on the slides, and a loss in which W is used twice."""


def decay(W, rate):
    R = rate / 2 * sum((w * w).sum() for w in W)

    def back(dR, dW):
        for w, dw in zip(W, dW):
            dw += dR * rate * w

    return R, back


def add(X):
    S = sum(X)

    def back(dS, dX):
        for dx in dX:
            dx += dS

    return S, back


def loss(W, X, T, rate):
    N = len(X)
    E = X @ W - T
    L = (E * E).sum() / (2 * N) + rate / 2 * (W * W).sum()

    def back(dL, dW):
        dW += dL * X.T @ E / N
        dW += dL * rate * W

    return L, back
