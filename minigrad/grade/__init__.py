"""Grading of what students write: assignments, sandbox, verdicts, reports."""
