"""Arguments at which `affine` is checked; the numbers are others when it is graded."""


def affine_inputs(rng):
    for N, D, K in ((4, 2, 3), (3, 3, 3)):
        yield rng.normal(size=(N, D)), (rng.normal(size=(D, K)), rng.normal(size=K))


def affine_edges(rng):
    for what, (N, D, K) in (
        ("a batch of one sample", (1, 2, 3)),
        ("one output", (4, 3, 1)),
        ("one sample, one input, one output", (1, 1, 1)),
    ):
        yield what, (rng.normal(size=(N, D)), (rng.normal(size=(D, K)), rng.normal(size=K)))
