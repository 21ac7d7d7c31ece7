"""Data: loaders, transformations, surrogate classes."""

from .ahead import prefetch
from .formats import DataError
from .loaders import (
    CIFAR10,
    caltech101,
    cifar10,
    digits,
    mnist,
    omniglot,
    stl10,
    stl10_folds,
)
from .pictures import Photographs, photographs
from .seeds import Surrogates, surrogates
from .transformations import (
    Colours,
    Parameters,
    Places,
    Ranges,
    contrast,
    draw,
    draw_within,
    inside,
    patches,
    principal_colours,
    transform,
    warp,
)
