"""The operations: each a function that reads like its slide and returns its value and its back."""

from . import operators
from .arithmetic import (
    abs,
    add,
    div,
    dot,
    exp,
    log,
    max,
    maximum,
    mean,
    minimum,
    mul,
    neg,
    pow,
    sqrt,
    sub,
    sum,
)
from .convolution import conv, conv_pool, conv_pool_simple, slide
from .layers import affine, dropout, leaky_relu, log_softmax, relu, sigmoid, softmax, tanh
from .losses import decay, entropy, squared_error
from .normalisation import batchnorm, batchnorm_relu, lrn, normalize
from .pooling import avgpool, maxpool, pyramid
from .reversing import deconv, maxpool_switches, upsample
from .shape import concatenate, flatten, index, pad, reshape, stack, take, transpose
