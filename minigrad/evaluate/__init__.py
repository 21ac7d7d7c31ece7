"""Evaluation: how good are features? Neighbours, clusters, linear classifiers; what a unit sees."""

from .baselines import hog, pixels
from .clusters import merged, top_firing
from .coverage import PurityCoverage, cover, purity_coverage, verified_sets
from .ellipses import (
    Ellipses,
    circles,
    distinct,
    homography,
    intersection_over_union,
    moved,
    mser,
    projected,
)
from .evidence import class_maps, occlusion
from .invariance import accuracy_curve, distance_curves, transformed
from .matching import (
    Matched,
    achievable,
    greedy,
    match,
    matching_precision,
    overlapping,
    precision_recall,
)
from .mining import (
    Grid,
    Mined,
    centred,
    constellations,
    cut_patches,
    mine,
    patch_features,
    patch_grid,
    patch_neighbours,
    square_fit,
    verified,
)
from .neighbours import most_similar, nearest
from .partitions import k_means, nmi
from .patch_descriptors import pooled_maps, raw, sift
from .patch_frames import dominant_orientation, normalised_patches
from .planes import to_plane
from .protocols import Scores, caltech_scores, cifar_scores, stl_scores
from .retrieval import Retrieved, average_precision, mean_average_precision, recall_at
from .scaling import by_percentile, scaled
from .separation import class_cosines, cosine_density, overlap
from .svm import SVM, balanced_folds, best_weight, label_draws, linear_svm, svm_scores
from .units import (
    Field,
    Filters,
    Pool,
    cut,
    feature_maps,
    only,
    receptive_field,
    strongest,
    to_image,
)
from .voting import knn_scores, knn_vote
