"""What `conv` is tried on: images, filters, strides and paddings."""


def conv_inputs(rng):
    """(X, (W, b), stride, padding); in the last case rows and columns are left over at the end."""
    yield *drawn(rng, (2, 2, 3, 3), (2, 2, 2, 2)), 1, 0
    yield *drawn(rng, (2, 3, 3, 4), (4, 3, 2, 3)), 1, 1
    yield *drawn(rng, (2, 1, 4, 5), (2, 1, 3, 2)), 2, 1


def conv_edges(rng):
    yield "a filter as large as the image", (*drawn(rng, (2, 2, 3, 2), (3, 2, 3, 2)), 1, 0)
    yield "a filter of 1 x 1", (*drawn(rng, (2, 3, 2, 3), (2, 3, 1, 1)), 1, 0)
    yield "a stride beyond the filter", (*drawn(rng, (2, 1, 5, 6), (2, 1, 2, 2)), 3, 0)


def drawn(rng, images, filters):
    return rng.normal(size=images), (rng.normal(size=filters), rng.normal(size=filters[0]))
