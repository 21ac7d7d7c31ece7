"""One browser for all tests; each page in a context of its own, where nothing may go wrong.

A page may ask for nothing outside itself and the files beside it, and its console stays silent.
"""

import shutil

import pytest


@pytest.fixture(scope="session")
def browser():
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is missing: install the extra site-test"
    )
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium on the path")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """visit(path, hash="", width=1200, height=900, **options of the context): the page, open.

    When the test ends, no page may have had an error, or asked for what is neither file nor data.
    """
    errors, requests, contexts = [], [], []

    def visit(path, hash="", width=1200, height=900, **options):
        viewport = {"width": width, "height": height}
        contexts.append(browser.new_context(viewport=viewport, **options))
        page = contexts[-1].new_page()
        page.requests = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: m.type in ("error", "warning") and errors.append(m.text))
        page.on("request", lambda request: page.requests.append(request.url))
        requests.append(page.requests)
        page.goto(path.as_uri() + hash)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert errors == []
    outside = [
        url for urls in requests for url in urls if not url.startswith(("file:", "data:", "about:"))
    ]
    assert outside == []


@pytest.fixture
def violations():
    """violations(page): what axe-core finds serious or critical, each as a line."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="axe-playwright-python is missing: install the extra site-test",
    )

    def violations(page):
        # preload: axe would fetch the style sheets, which a page from a file must not
        found = axe.Axe().run(page, options={"preload": False}).response["violations"]
        return [
            f"{v['id']}: {v['help']}: {node['html'][:200]}"
            for v in found
            if v["impact"] in ("serious", "critical")
            for node in v["nodes"]
        ]

    return violations
