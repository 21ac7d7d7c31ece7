"""Data in the layouts of the published sets, cut out of photographs that scikit-learn carries."""

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from minigrad.data import CIFAR10


def write(folder, per_class=6):
    """cifar-10-images/ with so many pictures of each class, for training and for testing; photos/.

    Pictures of a class come from one strip of a photograph, so that there is something to learn.
    """
    rng = np.random.default_rng(0)
    china, flower = load_sample_images().images
    for split in ("train", "test"):
        for i, name in enumerate(CIFAR10):
            below = folder / "cifar-10-images" / split / name
            below.mkdir(parents=True)
            image, top = (china, flower)[i % 2], 35 * (i + 1)
            for j in range(per_class):
                left = rng.integers(0, image.shape[1] - 32)
                picture = Image.fromarray(image[top : top + 32, left : left + 32])
                picture.save(below / f"{j:04}.jpg", quality=90)
    write_photographs(folder / "photos")
    return folder


def write_photographs(folder):
    """Two photographs, small and of different sizes."""
    folder.mkdir(parents=True)
    for name, image in zip(("china.jpg", "flower.png"), load_sample_images().images):
        Image.fromarray(image[100:260, 100:320]).save(folder / name)
    return folder
