"""What is installed: the wheel, in an empty environment, used from another folder."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from minigrad.lectures.linting import is_trivial
from minigrad.lectures.sources import load_all, solutions

ROOT = Path(__file__).parent.parent
TRAIN = """
import sys
import numpy as np
from minigrad import affine, block, entropy, relu, value_and_grad
from minigrad.models import exemplar_cnn

rng = np.random.default_rng(0)
X = rng.standard_normal((60, 2))
T = (X.prod(1) > 0).astype(int)
U = [(rng.standard_normal((2, 20)), np.zeros(20)), (rng.standard_normal((20, 2)), np.zeros(2))]

@block
def loss(U, X, T):
    return entropy(affine(relu(affine(X, U[0])), U[1]), T)

for step in range(300):
    L, dU = value_and_grad(loss)(U, X, T)
    for u, du in zip(U, dU):
        for w, dw in zip(u, du):
            w -= 0.5 * dw
assert L < 0.2, L
logits = exemplar_cnn.network(np.zeros((2, 1, 16, 16), np.float32), exemplar_cnn.initial(rng, 5))
assert logits.shape == (2, 5)
assert "site-packages" in exemplar_cnn.__file__, exemplar_cnn.__file__
print("trained")
"""


def run(*command, code=0, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def telling(lecture):
    """The lines of a lecture's solutions that tell something, as they are and as JSON has them."""
    lines = {line for e in lecture.exercises for line in solutions(e.source)}
    lines = {line for line in lines if not is_trivial(line)}
    return lines | {json.dumps(line)[1:-1] for line in lines}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """(folder, Python of an environment in which only the wheel is installed, the wheel)."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # a build in the checkout would pick up what an older one left
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "build", "runs"))
    run(sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(source))
    (wheel,) = folder.glob("minigrad_lectures-*.whl")
    run(sys.executable, "-m", "venv", str(folder / "venv"))
    python = folder / "venv" / "bin" / "python"
    run(str(python), "-m", "pip", "install", "--quiet", str(wheel))
    return folder, python, zipfile.ZipFile(wheel)


@pytest.mark.slow
def test_the_wheel_holds_one_package_and_trains_a_network_anywhere(installed):
    folder, python, wheel = installed
    names = wheel.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"minigrad"}
    assert "minigrad/models/exemplar_cnn.py" in names
    files = {p.relative_to(ROOT).as_posix() for p in (ROOT / "minigrad/stepper").glob("*.*")}
    assert {"minigrad/stepper/stepper.css", "minigrad/stepper/page.html"} < files <= set(names)
    assert "minigrad/kernels/gather.cu" in names
    templates = {"page.html", "site.css", "site.js", "lecture/conf.json", "lecture/index.html.j2"}
    assert {f"minigrad/lectures/site/templates/{name}" for name in templates} <= set(names)
    assert {f"minigrad/lectures/site/{n}" for n in ("package.json", "formulas.js")} <= set(names)
    library = {p.relative_to(ROOT).as_posix() for p in (ROOT / "minigrad").rglob("*.py")}
    assert library <= set(names)
    assert run(str(python), "-W", "error", "-c", TRAIN, cwd=folder) == "trained\n"


@pytest.mark.slow
def test_the_wheel_has_of_every_lecture_what_students_get_and_no_solution(installed):
    _, _, wheel = installed
    for lecture in load_all(ROOT / "lectures"):
        for ending in ("ipynb", "py", "json"):
            name = f"minigrad/lectures/student/{lecture.path.stem}.{ending}"
            text = wheel.read(name).decode()
            text = json.dumps(json.loads(text)) if ending != "py" else text  # each cell a string
            assert [line for line in telling(lecture) if line in text] == [], name


@pytest.mark.slow
def test_the_commands_of_the_lectures_need_click_and_no_checkout(installed):
    folder, python, _ = installed
    run(str(python), "-m", "pip", "install", "--quiet", "click")
    minigrad = lambda *words, code=0: run(
        str(python), "-m", "minigrad", "lectures", *words, cwd=folder, code=code
    )
    assert " 1  Neural networks: " in minigrad("list")
    assert "01_neural_networks.ipynb is there to be opened" in minigrad("open", "1")
    assert minigrad("check", "1", code=1).endswith(" not written\n0 of 6 right\n")
