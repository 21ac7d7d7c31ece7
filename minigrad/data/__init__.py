"""Data: loaders, transformations, surrogate classes."""

from .loaders import digits
from .seeds import surrogates
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
