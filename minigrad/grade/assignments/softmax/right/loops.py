import math


def probabilities(a):
    top = max(a)
    e = [math.exp(x - top) for x in a]
    return [x / sum(e) for x in e], [x - top - math.log(sum(e)) for x in a]


def entropy(A, T):
    D = 0.0
    for a, t in zip(A, T):
        D -= probabilities(a)[1][t] / len(A)

    def back(dD, dA):
        for n, t in enumerate(T):
            for k, y in enumerate(probabilities(A[n])[0]):
                dA[n, k] += dD / len(A) * (y - (k == t))

    return D, back


def soft_entropy(A, T):
    D = 0.0
    for a, t in zip(A, T):
        D -= sum(x * y for x, y in zip(t, probabilities(a)[1])) / len(A)

    def back(dD, dA):
        for n, t in enumerate(T):
            for k, y in enumerate(probabilities(A[n])[0]):
                dA[n, k] += dD / len(A) * (y - t[k])

    return D, back
