"""Look at what was computed: its program in the lecture's notation, and as a file of its own.

>>> from minigrad import mul, program, var
>>> A = var(np.array(3.0))
>>> L = mul(A, A)
>>> program(L)
L = mul(A, A)
<BLANKLINE>
L.back(A, A)
"""

import numpy as np

from .flow import explain
from .notation import program
