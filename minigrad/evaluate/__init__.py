"""Evaluation: how good are features? Scaling, linear classifiers, neighbours."""

from .svm import label_draws, svm_scores
from .neighbours import nearest
from .scaling import scaled
