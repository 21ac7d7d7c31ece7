"""Weights in files as PyTorch's modules name and lay them out: safetensors of a state dict.

A table says what each layer is called there: LENET, DRLIM, ALEXNET, EXEMPLAR, RESNET as torchvision
names its parts, RESNET_OFFICIAL as the code of instance softmax does. PyTorch's affine maps have
(k, d) where ours have (d, k); filters, and the order in which maps are flattened, are the same.
In PyTorch a file is written by `safetensors.torch.save_file(module.state_dict(), path)` and read by
`module.load_state_dict(safetensors.torch.load_file(path))`.

>>> from minigrad.models import drlim
>>> U = drlim.initial(np.random.default_rng(0))
>>> {name: a.shape for name, a in as_there(U, None, DRLIM).items()}["fc.weight"]
(2, 270)
"""

from functools import reduce

import numpy as np

from minigrad import to_cpu
from minigrad.learn import CheckpointError, write_whole
from minigrad.tree import map_leaves

from . import resnet

STATISTICS = "mean", "var"  # of a batchnorm
LENET = {"conv1": "conv1", "conv2": "conv2", "hidden1": "fc1", "hidden2": "fc2", "output": "fc3"}
DRLIM = {"conv1": "conv1", "conv2": "conv2", "output": "fc"}
ALEXNET = {
    **{f"conv{i}": f"features.{place}" for i, place in enumerate((0, 3, 6, 8, 10), 1)},
    "hidden1": "classifier.1",
    "hidden2": "classifier.4",
    "output": "classifier.6",
}
EXEMPLAR = {**{f"conv{i}": f"conv{i}" for i in range(1, 10)}, "hidden": "fc1", "output": "fc2"}
FIXED = LENET, DRLIM, ALEXNET  # every network has all their layers


def residual_names(shortcut, output):
    """The table of a ResNet-18: a convolution and its batchnorm have two names."""
    names = {"stem": ("conv1", "bn1"), "output": output}
    for stage in range(4):
        for i in range(resnet.BLOCKS):
            own, there = resnet.name(stage, i), f"layer{stage + 1}.{i}"
            names[f"{own} first"] = f"{there}.conv1", f"{there}.bn1"
            names[f"{own} second"] = f"{there}.conv2", f"{there}.bn2"
            names[f"{own} shortcut"] = f"{there}.{shortcut}.0", f"{there}.{shortcut}.1"
    return names


RESNET = residual_names("downsample", "fc")
RESNET_OFFICIAL = residual_names("shortcut", "linear")


def save(path, U, names, state=None):
    """Write parameters, and the statistics of batchnorm in state, whole or not at all.

    U, state: a network's, on any device; names: its table. Raises CheckpointError if the table is
    of another network, or a batchnorm has no statistics.
    """
    from safetensors.numpy import save as as_bytes

    there = as_there(to_cpu(U), to_cpu(state), names)
    write_whole(path, as_bytes({name: np.ascontiguousarray(a) for name, a in there.items()}))


def load(path, U, names):
    """(parameters, state) of a file, for a network whose parameters are nested and shaped like U.

    U is left as it is; what is loaded has its dtypes and lies in the CPU's memory. state: empty
    without batchnorm. PyTorch's counts of batches, num_batches_tracked, are passed over, and not
    written either: nothing here uses them. Raises CheckpointError for a file that cannot be read,
    the table of another network, and the first entry that is missing, that nothing is named like,
    or whose shape differs.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        found = load_file(path)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no file here") from None
    except (SafetensorError, OSError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: cannot be read as safetensors: {error}") from error
    U, state = map_leaves(np.copy, to_cpu(U)), {}
    for place, (_, b) in layers(U):
        if isinstance(b, tuple):
            reduce(resnet.part, place, state).update({k: np.empty_like(b[0]) for k in STATISTICS})
    wanted = as_there(U, state, names)
    found = {name: a for name, a in found.items() if not name.endswith(".num_batches_tracked")}
    for name in (*wanted, *found):
        there, here = (a[name].shape if name in a else "missing" for a in (found, wanted))
        if there != here:
            raise CheckpointError(
                f"{path}: for another network: {name} is {there} there, {here} here"
            )
    for name, a in wanted.items():
        a[...] = found[name]
    return U, state


def as_there(U, state, names):
    """{PyTorch's name: array as PyTorch lays it out}: views, for those who read and who fill."""
    views = {}
    for place, (W, b) in layers(U):
        name = names.get(" ".join(place))
        if name is None or isinstance(name, tuple) != isinstance(b, tuple):
            raise CheckpointError(f"state_dicts: the table of names does not fit the layer {place}")
        if isinstance(b, tuple):
            name, norm = name
            (gamma, beta), own = b, statistics(state, place)
            views |= {f"{norm}.weight": gamma, f"{norm}.bias": beta}
            views |= {f"{norm}.running_{key}": own[key] for key in STATISTICS}
        else:
            views[f"{name}.bias"] = b
        views[f"{name}.weight"] = W.T if W.ndim == 2 else W
    if names in FIXED and (absent := sorted(names.keys() - U.keys())):
        raise CheckpointError(
            f"state_dicts: the table of names is of another network: {', '.join(absent)} missing"
        )
    return views


def layers(U, place=()):
    """(place, (W, b)) of every layer in a nest of dicts; b is (gamma, beta) before a batchnorm."""
    for key, part in U.items():
        if isinstance(part, dict):
            yield from layers(part, (*place, key))
        else:
            yield (*place, key), part


def statistics(state, place):
    """The mean and var of a batchnorm."""
    own = reduce(lambda nest, part: (nest or {}).get(part), place, state)
    if not own:
        raise CheckpointError(
            f"state_dicts: the batchnorm of {place} has no statistics: give state=, as training "
            "filled it"
        )
    return own
