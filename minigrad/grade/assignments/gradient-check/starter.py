"""The gradient check. Write `check`; hand in this file."""


def check(f, x):
    """True if the back of f is right at x, else False.

    Z, back = f(x): x and Z are arrays of any shapes, not always the same; Z may be a number.
    back(dZ, dX) gets the gradient of Z. It is right if

    - it adds to each dX[i] the sum over j of dZ[j] times the derivative of Z[j] by x[i],
      whatever dZ is, and whatever dX holds before;
    - f and back leave x and dZ as they are.

    The derivative by differences: (Z(x + h) - Z(x - h)) / 2h, with one entry of x moved at a time.
    x may hold whole numbers. It is a place where f has derivatives, and f gives the same each time.
    """
    raise NotImplementedError
