"""The networks whose patches are matched: two architectures, trained with and without blur.

Exemplar-CNN-orig is of 5 x 5 filters and has no blur among its transformations, Exemplar-CNN-blur
is of 7 x 7 filters of stride 2 at first, and has: what each of the two does, the other two tell.
Source: Dosovitskiy et al., TPAMI 2016, section 5.1.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from minigrad.models import exemplar_cnn
from minigrad.models.exemplar_extractor import Extractor
from minigrad.models.exemplar_training import PRESETS, QUICK, Settings, fit

from minigrad.data import Ranges, Surrogates, seed_patches
from minigrad.version import VERSION

from .exemplar_runs import digest

ORIG, BLUR = "Exemplar-CNN-orig", "Exemplar-CNN-blur"
BLUR_REACH = 2.0  # pixels of a patch of 32 x 32; the paper gives no number


class Kind(NamedTuple):
    """first: "5x5" or "7x7s2", the first convolution; blur: among the transformations; None: no
    training at all.
    """

    first: str
    blur: bool | None


KINDS = {
    ORIG: Kind("5x5", False),
    BLUR: Kind("7x7s2", True),
    "orig, with blur": Kind("5x5", True),
    "blur, without blur": Kind("7x7s2", False),
    "orig, random weights": Kind("5x5", None),
    "blur, random weights": Kind("7x7s2", None),
}


class Preset(NamedTuple):
    """codes: by the first convolution; settings: of the training, whose code they replace."""

    codes: dict[str, str]
    settings: Settings


NETWORK_PRESETS = {
    "tiny": Preset(
        {"5x5": "8c5-8c5-16c5-32f", "7x7s2": "8c7s2-8c5-16c5-32f"},
        QUICK._replace(seeds=40, versions=50, epochs=2),
    ),
    "small": Preset(
        {"5x5": "32c5-64c5-128c5-256f", "7x7s2": "32c7s2-64c5-128c5-256f"},
        QUICK._replace(seeds=300, versions=50, epochs=10),
    ),
    "paper": Preset(
        {"5x5": "64c5-128c5-256c5-512f", "7x7s2": "64c7s2-128c5-256c5-512f"},
        PRESETS["paper-large"],
    ),
}


class PatchNetworks:
    """Networks by kind and seed: trained once on photographs, kept in a folder.

    images: (3, h_i, w_i) bytes, none of which is matched later; preset: one of NETWORK_PRESETS;
    move: to_cpu or to_gpu, where they are trained.
    """

    def __init__(self, folder, images, preset, move):
        self.folder, self.images, self.preset, self.move = Path(folder), images, preset, move
        self.about = digest(*images)

    def settings(self, kind):
        return self.preset.settings._replace(code=self.preset.codes[kind.first])

    def facts(self, name, seed):
        """All that a network depends on."""
        kind = KINDS[name]
        return {
            "network": name,
            "seed": seed,
            "settings": digest(self.settings(kind)) if kind.blur is not None else kind.first,
            "blur": BLUR_REACH if kind.blur else 0,
            "photographs": self.about,
            "version": VERSION,
        }

    def get(self, name, seed):
        """The Extractor of a kind and a seed."""
        kind = KINDS[name]
        rng, settings = np.random.default_rng(seed), self.settings(kind)
        if kind.blur is None:
            U = exemplar_cnn.initial(rng, 2, 3, side=32, code=settings.code)
            mean = np.full((3, 32, 32), 0.5, np.float32)
            return Extractor(U, settings.code, mean, settings.scale)
        place = self.folder / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}"
        place = place.with_name(f"{place.name}-{digest(self.facts(name, seed))}")
        file = place / "extractor.safetensors"
        if not file.exists():
            few = -(-2 * settings.seeds // len(self.images))  # twice as many as are drawn
            found = seed_patches(self.images, settings.seeds, rng, per_image=few)
            found = found._replace(sources=self.move(found.sources))
            ranges = Ranges(blur=BLUR_REACH if kind.blur else None)
            extractor, _ = fit(
                Surrogates(found, settings.versions, ranges),
                settings,
                rng=rng,
                folder=place,
                resume=any(place.glob("checkpoint*")),
                progress=False,
                facts={"seed": seed},
            )
            extractor.save(file)
        return Extractor.load(file)
