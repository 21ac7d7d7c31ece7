"""The lectures as a site of static pages that open without a network: `make lectures`."""

from .building import build
from .problems import SiteError
