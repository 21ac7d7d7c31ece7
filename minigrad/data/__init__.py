"""Data: loaders, transformations, surrogate classes."""

from .ahead import prefetch
from .loaders import digits
from .parameters import (
    COLUMNS,
    TOOLBOX,
    Parameters,
    Ranges,
    describe,
    draw,
    stack,
    unstack,
)
from .regions import Seeds, seed_patches
from .seeds import Surrogates, surrogates
from .transformations import (
    Colours,
    Places,
    contrast,
    draw_within,
    inside,
    patches,
    principal_colours,
    resized,
    transform,
    warp,
)
