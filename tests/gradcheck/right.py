"""Right nodes of unusual form: what a gradient check must pass.

>>> import numpy as np
>>> case = next(c for c in RIGHT if c.name == "affine_by_loops")
>>> X, (W, b) = case.arguments(np.random.default_rng(0))
>>> A, back = case.function(X, (W, b))
>>> bool(np.allclose(A, X @ W + b))
True
"""

from gradcheck import right_arithmetic, right_elementwise, right_layers, right_losses, right_windows

RIGHT = [
    *right_layers.RIGHT,
    *right_elementwise.RIGHT,
    *right_arithmetic.RIGHT,
    *right_losses.RIGHT,
    *right_windows.RIGHT,
]
