"""Data: loaders, transformations, surrogate classes."""

from .ahead import prefetch
from .loaders import digits
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
