"""What the lectures use beside the library: their checks, their pictures.

>>> import numpy as np
>>> def mean(X):
...     return X.sum(0) / 4
>>> def mean_inputs(rng):
...     yield (rng.normal(size=(4, 3)),)
...     yield (rng.normal(size=(2, 3)),)
>>> print(check_exercise(mean, mean_inputs, like=lambda X: X.mean(0)))  # doctest: +ELLIPSIS
mean: wrong
  for X (2, 3): at [...] it is ... and should be ...
"""

from .exercises import NotWritten, Result, check_exercise, requires
from .pictures import Picture
