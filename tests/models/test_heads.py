"""Every backbone as an embedding: unit rows, whatever network stands below."""

import numpy as np
import pytest
from minigrad.models import alexnet, drlim, exemplar_cnn, lenet, resnet
from minigrad.models.heads import unit_rows
from numeric import agrees, normal
from numpy.testing import assert_allclose, assert_array_equal

from minigrad import affine, normalize, program, sum, var
from minigrad.tree import map_leaves


def rng():
    return np.random.default_rng(0)


BACKBONES = {  # module, parameters for 5 dimensions, images, options
    "LeNet-5": (lenet, lenet.initial(rng(), 5), (1, 28, 28), {}),
    "DrLIM": (drlim, drlim.initial(rng(), 5), (1, 28, 28), {}),
    "AlexNet": (
        *(alexnet, alexnet.initial(rng(), 5, **alexnet.SMALL)),
        *((3, 32, 32), {"stem": alexnet.SMALL["stem"]}),
    ),
    "Exemplar-CNN": (
        *(exemplar_cnn, exemplar_cnn.initial(rng(), 5, 3, 16, "8c5-8c5-16f")),
        *((3, 16, 16), {"code": "8c5-8c5-16f"}),
    ),
    "ResNet-18": (
        *(resnet, resnet.initial(rng(), 5, widths=(4, 4, 8, 8))),
        *((3, 16, 16), {"training": True}),
    ),
}


@pytest.mark.parametrize("name", BACKBONES)
def test_an_embedding_is_the_networks_output_in_unit_rows(name):
    module, U, shape, options = BACKBONES[name]
    X = normal(6, *shape).astype(np.float32)
    F = module.embedding(X, U, **options)
    assert (F.shape, F.dtype) == ((6, 5), np.float32)
    assert_allclose((F * F).sum(1), 1, rtol=1e-5)
    assert_array_equal(F, normalize(module.network(X, U, **options)))


@pytest.mark.parametrize("name", BACKBONES)
def test_an_embedding_of_a_head_of_zeros_is_0_and_so_are_its_gradients(name):
    module, U, shape, options = BACKBONES[name]
    U = var({**U, "output": map_leaves(np.zeros_like, U["output"])})
    F = module.embedding(normal(6, *shape).astype(np.float32), U, **options)
    sum(F).backward()
    assert not F.value.any()
    assert not U["output"][0].grad.any()


def test_the_gradient_goes_through_the_length():
    head = normal(4, 3, seed=1), normal(3, seed=2)
    assert agrees(unit_rows(affine), normal(5, 4), head)


def test_an_embedding_is_a_paragraph_of_the_program():
    F = unit_rows(affine)(normal(5, 4), (var(normal(4, 3)), normal(3)))
    assert "F = normalize(A)" in str(program(sum(F)))
