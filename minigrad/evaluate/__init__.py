"""Evaluation: how good are features? Neighbours, clusters, linear classifiers; what a unit sees."""

from .baselines import hog, pixels
from .clusters import merged, top_firing
from .coverage import PurityCoverage, cover, purity_coverage, verified_sets
from .descriptors import (
    Whitening,
    crow,
    crow_weights,
    mac,
    multi_scale,
    pca_whitening,
    region_grid,
    rmac,
    spoc,
)
from .discovery import (
    Regions,
    feature_saliency,
    object_saliency,
    pooled,
    region_centrality,
    region_features,
    saliency_precision,
    salient_regions,
)
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
from .graphs import (
    Spectrum,
    conjugate_gradient,
    diffuse,
    expanded,
    image_scores,
    katz,
    laplacian,
    low_pass,
    observed,
    reciprocal_graph,
    region_weights,
    spectrum,
    symmetric_normalized,
    truncated,
)
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
from .mixtures import Mixture, expanding_mixture, peaks
from .neighbours import most_similar, nearest
from .partitions import k_means, nmi
from .patch_descriptors import pooled_maps, raw, sift
from .patch_frames import dominant_orientation, normalised_patches
from .planes import to_plane
from .protocols import Scores, caltech_scores, cifar_scores, stl_scores
from .retrieval import (
    Retrieved,
    average_precision,
    mean_average_precision,
    ranked_precision,
    ranked_recall,
    recall_at,
)
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
