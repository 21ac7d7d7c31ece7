"""README's pictures of the site: python lectures/pictures.py, after make lectures.

It needs the extra site-test, and chromium on the path.
"""

import io
import shutil
import sys
from pathlib import Path

from minigrad.learn import write_whole

HERE = Path(__file__).parent
SITE = HERE.parent / "build/site"
PAGES = {
    "stepper": "03_automatic_differentiation.1.html#13",
    "lecture": "01_neural_networks.html#what-layer-1-sees",
    "window": "04_convolution.1.html#27",
}
WIDTHS = {1600: 1000, 360: 720}  # the height of each
COLOURS = 64


def main() -> None:
    """Write each page's picture at each width into lectures/pictures."""
    if not (SITE / "index.html").exists():
        sys.exit(f"{SITE}: there is no site here: make lectures")
    from PIL import Image
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        for width, height in WIDTHS.items():
            size = {"width": width, "height": height}
            page = browser.new_page(viewport=size, reduced_motion="reduce")
            for name, place in PAGES.items():
                page.goto(f"{SITE.as_uri()}/{place}")
                seen = Image.open(io.BytesIO(page.screenshot()))
                small = io.BytesIO()
                seen.convert("RGB").quantize(COLOURS).save(small, "png", optimize=True)
                write_whole(HERE / "pictures" / f"{name}_{width}.png", small.getvalue())
        browser.close()


if __name__ == "__main__":
    main()
