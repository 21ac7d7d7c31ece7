"""Data: loaders, transformations, surrogate classes."""

from .loaders import digits
from .seeds import surrogates
from .transformations import Ranges, contrast, draw, transform, warp
