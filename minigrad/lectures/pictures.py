"""Figures of a lecture, each with words for those who do not see it."""

import base64
import html
from typing import Any

from ..stepper.figures import png


class Picture:
    """A matplotlib Figure as a notebook shows it, with a text instead of the picture.

    >>> from minigrad.stepper.figures import figure
    >>> page, (ax,) = figure(2, 2)
    >>> Picture(page, "Empty axes.")
    <Picture: Empty axes.>
    """

    def __init__(self, figure: Any, words: str):
        if not words.strip():
            raise ValueError("Picture: say in words what the figure shows")
        self.words, self.png = words, png(figure)

    def __repr__(self) -> str:
        return f"<Picture: {self.words}>"

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.png).decode()
        return f'<img src="data:image/png;base64,{data}" alt="{html.escape(self.words)}">'
