"""Grading of gradient-check assignments."""
