"""Evaluation: how good are features? Scaling, linear classifiers, neighbours."""

from .neighbours import most_similar, nearest
from .scaling import scaled
from .svm import label_draws, svm_scores
