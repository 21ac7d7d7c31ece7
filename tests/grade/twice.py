"""The files of a small assignment."""

FILES = {
    "assignment.toml": """
schema = 1
title = "Twice"
[limits]
wall = 5.0
[[question]]
name = "twice"
gradients = ["dA"]
points = {signature = 1, shapes = 1, forward = 2, dA = 2, edges = 1}
hidden = ["edges"]
tolerance = 1e-9
[[question.mistake]]
code = "once"
stage = "dA"
replace = "2 * dZ"
by = "dZ"
says = "The factor is missing."
""",
    "inputs.py": """
def twice_inputs(rng):
    yield (rng.normal(size=3),)
def twice_edges(rng):
    yield "zeros", (0 * rng.normal(size=3),)
""",
    "reference.py": """
def twice(A):
    def back(dZ, dA):
        dA += 2 * dZ
    return 2 * A, back
""",
    "starter.py": "def twice(A): raise NotImplementedError",
}
