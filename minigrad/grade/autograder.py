"""An assignment as an upload for Gradescope: a zip with the grader, and what it runs there."""

import io
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from ..gradcheck import Unfit
from ..learn import write_whole
from .assignments import Assignment, file_names, load
from .classroom import Class, walls
from .intake import submissions
from .reports import gradescope
from .sandbox import Sandbox

PACKAGE = Path(__file__).parent.parent
KINDS = (".py", ".toml", ".html", ".cu")
SCRIPTS = ("setup.sh", "run_autograder")
SETUP = """#!/usr/bin/env bash
set -e
apt-get update && apt-get install -y --no-install-recommends python3 python3-venv libseccomp2
python3 -m venv /opt/minigrad
/opt/minigrad/bin/pip install numpy scipy threadpoolctl click jinja2 tqdm pyseccomp pyyaml
"""
RUN = """#!/usr/bin/env bash
root="${AUTOGRADER:-/autograder}"
python="${PYTHON:-/opt/minigrad/bin/python}"
cd "$root/source"
"$python" -m minigrad grade gradescope assignment "$root/submission" -o "$root/results/results.json"
"""


def packed(assignment: Assignment) -> bytes:
    """The zip to upload; the same assignment gives the same bytes."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(_files(assignment)):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.external_attr = (0o100755 if name in SCRIPTS else 0o100644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return data.getvalue()


def _files(assignment: Assignment) -> Iterator[tuple[str, bytes]]:
    yield "setup.sh", SETUP.encode()
    yield "run_autograder", RUN.encode()
    for name, source in assignment.sources.items():
        yield f"assignment/{name}", source.encode()
    (methods,) = map(Path, import_module("minigrad.models").__path__)  # in a checkout elsewhere
    for folder, inside in ((PACKAGE, "minigrad"), (methods, "minigrad/models")):
        for path in folder.rglob("*"):
            place = path.relative_to(folder)
            kept = path.suffix in KINDS and not {"assignments", "attacks"} & set(place.parts)
            if kept and (folder != PACKAGE or place.parts[0] != "models"):
                yield f"{inside}/{place.as_posix()}", path.read_bytes()


def grade_one(folder: Path, handed_in: Path, out: Path) -> None:
    """Grade the one submission in a folder, as Gradescope asks for it, into its results.json."""
    assignment = load(folder)
    layers, level = walls()
    found = submissions(handed_in, file_names(assignment))
    if len(found) != 1:
        raise Unfit(f"{handed_in} has {len(found)} submissions: one Python file is expected")
    course = Class(assignment, out.parent, layers, level)
    with Sandbox(layers) as sandbox:
        result, _ = course.result(found[0], sandbox)
    write_whole(out, gradescope(result))
