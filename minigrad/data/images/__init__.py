"""Random views of images, as networks that learn without labels are trained on."""

from .augmentation import NPID_IMAGENET, Augmentation, Changes
from .views import Views
