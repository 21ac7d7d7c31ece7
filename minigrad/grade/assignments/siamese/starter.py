"""The losses of a siamese architecture. Write `contrastive` and `triplet`; hand in this file.

You may write each as a pair, such as `triplet_forward(A, P, N, margin)`, which returns (L, cache),
and `triplet_backward(dL, cache)`, which returns (dA, dP, dN), instead.
"""


def contrastive(F, G, t, margin):
    """L = 1/n sum over i of t_i D_i^2 + (1 - t_i) [margin - D_i]_+^2 with D_i = ||F_i - G_i||.

    [x]_+ is max(x, 0). Similar points attract each other; dissimilar ones repel each other as long
    as they are nearer than the margin.

    F, G: (n, d), row i of both is a pair; t: (n,), 1 for a similar pair, 0 for a dissimilar one
    margin: a number; L: a number

    Return L and a function `back(dL, dF, dG)`, which adds to dF and dG with +=.
    A dissimilar pair with D_i = 0 gets gradient 0.
    """
    raise NotImplementedError


def triplet(A, P, N, margin):
    """L = 1/n sum over i of [ ||A_i - P_i||^2 - ||A_i - N_i||^2 + margin ]_+.

    An anchor should be nearer to its positive than to its negative, by the margin.

    A, P, N: (n, d), row i of the three is a triplet: anchor, positive, negative
    margin: a number; L: a number

    Return L and a function `back(dL, dA, dP, dN)`, which adds to dA, dP and dN with +=.
    """
    raise NotImplementedError
