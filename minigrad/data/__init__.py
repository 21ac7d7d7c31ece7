"""Data: loaders, transformations, surrogate classes."""

from .ahead import prefetch
from .clips import Clip, Motion, made_clip
from .cues import PROJECTION, drop_colours, pixelate, project
from .downloads import data_folder
from .formats import DataError
from .images import NPID_IMAGENET, Augmentation, Changes, Views
from .known_maps import MATCHING_SET, Mapped, Projective, Waves
from .lens import aberration, vignette
from .loaders import (
    CIFAR10,
    caltech101,
    cifar10,
    digits,
    graf,
    mnist,
    omniglot,
    stl10,
    stl10_folds,
)
from .objects import Cluttered, Planted, cluttered, planted
from .parameters import (
    COLUMNS,
    TOOLBOX,
    Parameters,
    Ranges,
    describe,
    draw,
    stack,
    unstack,
)
from .patch_pairs import Layout, Pairs, PatchPairs, Preparation
from .pictures import Photographs, photographs
from .regions import Seeds, seed_patches
from .scenes import SceneViews, scene_views
from .seeds import Surrogates, surrogates
from .tracks import TrackedPairs, Tracks, moving_patch, track, tracked_pairs
from .transformations import (
    Colours,
    Places,
    contrast,
    draw_within,
    inside,
    patches,
    principal_colours,
    resized,
    transform,
    warp,
)
