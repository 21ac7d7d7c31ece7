"""Evaluation: how good are features? Scaling, linear classifiers, protocols, invariance."""

from .baselines import hog, pixels
from .clusters import merged, top_firing
from .invariance import accuracy_curve, distance_curves, transformed
from .neighbours import most_similar, nearest
from .protocols import Scores, caltech_scores, cifar_scores, stl_scores
from .scaling import by_percentile, scaled
from .svm import SVM, balanced_folds, best_weight, label_draws, linear_svm, svm_scores
