"""Grading: assignments, a sandbox for what students hand in, verdicts, reports."""
