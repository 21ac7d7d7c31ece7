"""The report of visual data mining, in a browser."""

import numpy as np
import pytest
from minigrad.models.context_extractor import untrained
from minigrad.models.context_prediction import Convolution, Net

from examples.mining import main

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mining")
    rng = np.random.default_rng(0)
    net = Net(8, (Convolution(4, 3, pool=True),), 8, (8,), norm=False)
    patches = rng.integers(0, 256, (9, 3, 8, 8), np.uint8)
    untrained(patches, net, rng=rng).save(folder / "net.safetensors")
    words = ["--network", folder / "net.safetensors", "--images", 40, "--constellations", 150]
    main([str(w) for w in [*words, "--size", 3, "--folder", folder]], standalone_mode=False)
    return folder / "report.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_is_too_wide_axe_finds_nothing_serious_and_patches_are_seen(
    report, visit, violations, width, scheme
):
    page = visit(report, width=width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == []
    sizes = page.evaluate(
        "[...document.querySelectorAll('main svg')].map(s => s.getBoundingClientRect().width)"
    )
    assert min(sizes) > 20
    assert page.locator(".curve polyline").count() >= 1
