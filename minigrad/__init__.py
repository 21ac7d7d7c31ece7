"""minigrad: how deep learning works, in code to read, step through, break and write.

>>> import numpy as np
>>> from minigrad import affine, entropy, relu, var
>>> U = var((np.ones((2, 3)), np.zeros(3)))
>>> L = entropy(relu(affine(np.ones((4, 2)), U)), np.array([0, 1, 2, 0]))
>>> L.backward()
>>> U[1].grad.round(3)
array([-0.167,  0.083,  0.083])
"""

from .backend import gpu_available, tf32, to_cpu, to_gpu
from .engine import Node, block, detach, grad, node, value_and_grad, var
from .gradcheck import check
from .kernels.parallel import threads
from .learn import watch
from .listing import explain, program
from .nodes import (
    abs,
    add,
    affine,
    avgpool,
    concatenate,
    conv,
    decay,
    div,
    dot,
    dropout,
    entropy,
    exp,
    flatten,
    index,
    leaky_relu,
    log,
    log_softmax,
    max,
    maximum,
    maxpool,
    mean,
    minimum,
    mul,
    neg,
    normalize,
    pad,
    pow,
    relu,
    reshape,
    sigmoid,
    softmax,
    sqrt,
    squared_error,
    stack,
    sub,
    sum,
    take,
    tanh,
    transpose,
)
from .tree import needed

# without sum, max, abs and pow, so that import * shadows no builtin
__all__ = [
    "Node",
    "add",
    "affine",
    "avgpool",
    "block",
    "check",
    "concatenate",
    "conv",
    "decay",
    "detach",
    "div",
    "dot",
    "dropout",
    "entropy",
    "exp",
    "explain",
    "flatten",
    "gpu_available",
    "grad",
    "index",
    "leaky_relu",
    "log",
    "log_softmax",
    "maximum",
    "maxpool",
    "mean",
    "minimum",
    "mul",
    "needed",
    "neg",
    "node",
    "normalize",
    "pad",
    "program",
    "relu",
    "reshape",
    "sigmoid",
    "softmax",
    "sqrt",
    "squared_error",
    "stack",
    "sub",
    "take",
    "tanh",
    "tf32",
    "threads",
    "to_cpu",
    "to_gpu",
    "transpose",
    "value_and_grad",
    "var",
    "watch",
]
