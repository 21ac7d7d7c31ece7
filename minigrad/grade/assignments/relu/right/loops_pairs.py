import math


def each(f, *arrays):
    out = arrays[0].copy()
    entries = out.reshape(-1)
    for i, numbers in enumerate(zip(*(a.ravel() for a in arrays))):
        entries[i] = f(*map(float, numbers))
    return out


def logistic(a):
    return 1 / (1 + math.exp(-a)) if a > 0 else math.exp(a) / (1 + math.exp(a))


def relu_forward(A):
    return each(lambda a: max(a, 0.0), A), A


def relu_backward(dZ, A):
    return each(lambda dz, a: dz if a >= 0 else 0.0, dZ, A)


def leaky_relu_forward(A, slope):
    return each(lambda a: max(a, slope * a), A), (A, slope)


def leaky_relu_backward(dZ, cache):
    A, slope = cache
    return (each(lambda dz, a: dz if a >= 0 else slope * dz, dZ, A),)


def sigmoid_forward(A):
    return each(logistic, A), A


def sigmoid_backward(dZ, A):
    return each(lambda dz, a: dz * logistic(a) * logistic(-a), dZ, A)


def tanh_forward(A):
    return each(math.tanh, A), A


def tanh_backward(dZ, A):
    return each(lambda dz, a: dz * (1 - math.tanh(a) ** 2), dZ, A)
