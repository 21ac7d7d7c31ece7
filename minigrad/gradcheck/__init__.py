"""The gradient check: whether a back is right, and which mistake explains it if not.

>>> import numpy as np
>>> def square(A):
...     def back(dZ, dA):
...         dA += 2 * A
...     return A * A, back
>>> print(check(square, np.array([[1.0, 2.0], [3.0, 4.0]])))  # doctest: +ELLIPSIS
square: wrong
...
incoming ignored: the gradient of A leaves out the incoming one: ...
"""

from .procedure import check
from .subjects import Unfit
