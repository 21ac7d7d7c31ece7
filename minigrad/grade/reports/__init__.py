"""Reports on a graded class, for people, gradebooks and programs.

All are made from what a run left in its folder, and made again they are the same bytes. All text
of students is data in them: see `minigrad.grade.escapes`.
"""

from .gradebooks import canvas, moodle
from .graded import Class, for_student, load, looks
from .pages import class_page, student_markdown, student_page
from .programs import gradescope, junit
from .tables import csv_table, table
from .writing import KINDS, write
