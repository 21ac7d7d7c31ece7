"""Grading gradient-check assignments."""
