"""Weights as PyTorch's modules keep them; tests/peers holds the files against PyTorch itself."""

import re

import numpy as np
import pytest
import safetensors.numpy
import strict
from minigrad.models import alexnet, drlim, exemplar_cnn, lenet, resnet
from minigrad.models.state_dicts import (
    ALEXNET,
    DRLIM,
    EXEMPLAR,
    LENET,
    RESNET,
    RESNET_OFFICIAL,
    as_there,
    load,
    save,
)
from numeric import normal
from numpy.testing import assert_array_equal

from minigrad import to_gpu
from minigrad.learn import CheckpointError
from minigrad.tree import leaves, map_leaves, same


def rng():
    return np.random.default_rng(0)


def small_resnet():
    return resnet.initial(rng(), 5, widths=(4, 4, 8, 8))


NETWORKS = {
    "LeNet-5": (lenet.initial(rng()), LENET),
    "DrLIM": (drlim.initial(rng()), DRLIM),
    "AlexNet": (alexnet.initial(rng(), 5, **alexnet.SMALL), ALEXNET),
    "Exemplar-CNN": (exemplar_cnn.initial(rng(), 5, 3, 16, "6c5-8c5-9c5-10f"), EXEMPLAR),
    "ResNet-18": (resnet.initial(rng(), 5, widths=(4, 4, 8, 8)), RESNET),
    "ResNet-18 of the paper's code": (
        resnet.initial(rng(), 5, widths=(4, 4, 8, 8)),
        RESNET_OFFICIAL,
    ),
}


def trained(U):
    """The statistics of batchnorm after a step; of a network without it none."""
    state = {}
    if "stem" in U:
        resnet.network(normal(4, 3, 8, 8).astype(np.float32), U, state=state, training=True)
    return state


@pytest.fixture
def saved(tmp_path):
    """(path of a saved LeNet-5, its parameters)."""
    U = lenet.initial(rng())
    save(tmp_path / "lenet.safetensors", U, LENET)
    return tmp_path / "lenet.safetensors", U


@pytest.mark.parametrize("name", NETWORKS)
def test_what_was_saved_is_loaded_bit_for_bit(name, tmp_path):
    U, names = NETWORKS[name]
    state = trained(U)
    save(tmp_path / "w.safetensors", U, names, state)
    into = map_leaves(np.zeros_like, U)
    found = load(tmp_path / "w.safetensors", into, names)
    assert same(found, (U, state), np.array_equal)
    assert all(a.dtype == np.float32 for a in leaves(found))
    assert not any(a.any() for a in leaves(into))


def test_weights_on_a_gpu_are_saved_too(monkeypatch, saved):
    path, U = saved
    strict.install(monkeypatch)
    save(path, V := to_gpu(U), LENET)
    found, _ = load(path, V, LENET)
    assert same(found, U, np.array_equal)


def test_affine_weights_are_transposed_and_filters_are_not(saved):
    path, U = saved
    there = safetensors.numpy.load_file(path)
    assert_array_equal(there["fc1.weight"], U["hidden1"][0].T)
    assert_array_equal(there["conv2.weight"], U["conv2"][0])


def test_resnets_entries_are_called_as_in_torchvision_and_in_the_papers_code():
    U = small_resnet()
    for names, shortcut, output in (
        (RESNET, "downsample", "fc"),
        (RESNET_OFFICIAL, "shortcut", "linear"),
    ):
        there = as_there(U, trained(U), names)
        assert {"conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight"} <= there.keys()
        assert there[f"layer2.0.{shortcut}.0.weight"].shape == (4, 4, 1, 1)
        assert f"layer4.0.{shortcut}.1.running_var" in there
        assert f"layer1.0.{shortcut}.0.weight" not in there
        assert there[f"{output}.weight"].shape == (5, 8)
        assert len(there) == 20 * 5 + 2  # 20 convolutions with their batchnorm, one affine map


def test_the_counts_that_pytorch_keeps_are_passed_over(tmp_path):
    U = small_resnet()
    there = {name: np.ascontiguousarray(a) for name, a in as_there(U, trained(U), RESNET).items()}
    there["bn1.num_batches_tracked"] = np.array(7)
    safetensors.numpy.save_file(there, tmp_path / "w.safetensors")
    V, state = load(tmp_path / "w.safetensors", U, RESNET)
    assert same((V, state), (U, trained(U)), np.array_equal)


def test_what_is_loaded_has_the_dtypes_of_the_network(saved):
    path, U = saved
    V, _ = load(path, map_leaves(lambda w: w.astype(np.float64), U), LENET)
    assert same(V, U, np.array_equal)
    assert all(a.dtype == np.float64 for a in leaves(V))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda a: a.pop("fc2.bias"), "fc2.bias is missing there, (84,) here"),
        (lambda a: a.update(fc4=np.zeros(3)), "fc4 is (3,) there, missing here"),
        (
            lambda a: a.update({"fc1.weight": np.zeros((400, 120))}),
            "fc1.weight is (400, 120) there, (120, 400) here",
        ),
    ],
    ids=["missing", "extra", "of another shape"],
)
def test_an_entry_that_does_not_fit_is_refused_by_name(saved, change, sentence):
    path, U = saved
    there = safetensors.numpy.load_file(path)
    change(there)
    safetensors.numpy.save_file(there, path)
    with pytest.raises(
        CheckpointError, match=re.escape(f"{path}: for another network: {sentence}")
    ):
        load(path, U, LENET)


def test_a_file_that_is_missing_damaged_or_of_another_format_is_refused(saved):
    path, U = saved
    whole = path.read_bytes()
    for content in (b"", b"PK\x03\x04 a pickle of PyTorch", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
            load(path, U, LENET)
    path.unlink()
    with pytest.raises(CheckpointError, match="there is no file here"):
        load(path, U, LENET)
    with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
        load(path.parent, U, LENET)


def test_numbers_that_numpy_does_not_know_are_refused(saved):
    path, U = saved
    header = b'{"conv1.weight":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
        load(path, U, LENET)


@pytest.mark.parametrize(("U", "names"), [("LeNet-5", RESNET), ("ResNet-18", LENET)])
def test_the_table_of_another_network_is_refused(U, names, tmp_path):
    U, _ = NETWORKS[U]
    with pytest.raises(CheckpointError, match="the table of names does not fit the layer"):
        save(tmp_path / "w.safetensors", U, names, trained(U))
    assert not (tmp_path / "w.safetensors").exists()


@pytest.mark.parametrize(
    ("names", "absent"),
    [(LENET, "hidden1, hidden2"), (ALEXNET, "conv3, conv4, conv5, hidden1, hidden2")],
)
def test_the_table_of_a_network_with_more_layers_is_refused(names, absent, saved):
    path, _ = saved
    U, _ = NETWORKS["DrLIM"]
    sentence = f"state_dicts: the table of names is of another network: {absent} missing"
    for attempt in (save, load):
        with pytest.raises(CheckpointError, match=sentence):
            attempt(path, U, names)


def test_batchnorm_without_statistics_is_not_saved(tmp_path):
    U, names = NETWORKS["ResNet-18"]
    for state in (None, {}):
        with pytest.raises(CheckpointError, match="'stem'.* has no statistics: give state="):
            save(tmp_path / "w.safetensors", U, names, state)
