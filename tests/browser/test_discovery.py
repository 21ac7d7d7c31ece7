"""The report of object discovery, in a browser."""

import pytest

from examples import discovery

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("discovery")
    tiny = discovery.SETTINGS._replace(seeds=6, versions=4, code="4c3-6c3-8f")
    words = ["--seeds", "2", "--images", "12", "--epochs", "1", "--folder", str(folder / "run")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(discovery, "SETTINGS", tiny)
        discovery.main(words, standalone_mode=False)
    return folder / "run" / "report.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_is_too_wide_axe_finds_nothing_serious_and_pictures_are_seen(
    report, visit, violations, width, scheme
):
    page = visit(report, width=width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == []
    sizes = page.evaluate(
        "[...document.querySelectorAll('main svg')].map(s => s.getBoundingClientRect().width)"
    )
    assert len(sizes) == 3 * discovery.SHOWN
    assert min(sizes) > 60
