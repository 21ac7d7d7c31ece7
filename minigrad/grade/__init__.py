"""Grading of gradient-check assignments: verdicts that cannot be forged, mistakes called by name.

A student's file runs in a process behind walls that knows no answer and sends back numbers; the
judge compares them with a reference. `minigrad grade` has the commands, `check_question` is the
student's side.
"""

from .practice import check_question
