"""Nodes as students write them, one mistake each: what a gradient check must catch and name.

>>> case = next(c for c in WRONG if c.name == "affine_db_first_row")
>>> case.number, case.causes
(3, ('batch sum missing',))

The numbers are those of the list of mistakes, 0 for a mistake that is not on it.
"""

from gradcheck import (
    wrong_activations,
    wrong_affine,
    wrong_arithmetic,
    wrong_features,
    wrong_losses,
    wrong_normalised,
    wrong_windows,
)

WRONG = [
    *wrong_affine.WRONG,
    *wrong_activations.WRONG,
    *wrong_arithmetic.WRONG,
    *wrong_losses.WRONG,
    *wrong_windows.WRONG,
    *wrong_normalised.WRONG,
    *wrong_features.WRONG,
]
