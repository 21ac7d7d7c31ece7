"""Grading of assignments in which students write a forward and its back."""
