"""What augmentation does to images, as numbers.

>>> import numpy as np
>>> p = Changes(flip=np.array([True, False]), hue=np.array([0.25, -0.5]))
>>> [p.describe(i) for i in range(2)]
['mirrored, hue +0.25', 'hue -0.50']
"""

from typing import Any, NamedTuple

JITTER = ("brightness", "contrast", "saturation", "hue")


class Changes(NamedTuple):
    """What is done to each of n images; None: not done.

    box: (n, 4), the crop as (top, left, height, width) in whole pixels; flip, upside_down: (n,),
    true or false; brightness, contrast, saturation: (n,), factors, 1 changes nothing; hue: (n,),
    share of the circle; order: (n, 4), in which these four are done, 0 to 3 for brightness,
    contrast, saturation, hue, and None: in this order; gray: (n,), true or false; pca: (n, 3),
    multiples of the colours' deviations along the principal components, the strongest first.
    """

    box: Any = None
    flip: Any = None
    upside_down: Any = None
    brightness: Any = None
    contrast: Any = None
    saturation: Any = None
    hue: Any = None
    order: Any = None
    gray: Any = None
    pca: Any = None

    def describe(self, i: int) -> str:
        """What is done to image i, for a reader.

        >>> import numpy as np
        >>> Changes(box=np.array([[0, 4, 20, 24]]), gray=np.array([True])).describe(0)
        '20 x 24 pixels from (0, 4), gray'
        """
        p = Changes(*(None if v is None else v[i] for v in self))
        told = []
        if p.box is not None:
            top, left, height, width = p.box
            told += [f"{height} x {width} pixels from ({top}, {left})"]
        told += [
            name for name, done in (("mirrored", p.flip), ("upside down", p.upside_down)) if done
        ]
        for name in (JITTER[k] for k in (range(4) if p.order is None else p.order)):
            if (factor := getattr(p, name)) is not None:
                told += [f"hue {factor:+.2f}" if name == "hue" else f"{name} x {factor:.2f}"]
        told += ["gray"] if p.gray else []
        if p.pca is not None:
            told += ["components " + ", ".join(f"{multiple:+.2f}" for multiple in p.pca)]
        return ", ".join(told) or "as it is"
