"""What is installed: the wheel, in an empty environment, used from another folder."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_wheel_holds_one_package_and_trains_a_network_anywhere(tmp_path):
    source = tmp_path / "source"  # a build in the checkout would pick up what an older one left
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "build", "runs"))
    run(sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(source))
    (wheel,) = tmp_path.glob("minigrad_lectures-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"minigrad"}
    assert "minigrad/models/exemplar_cnn.py" in names
    files = {p.relative_to(ROOT).as_posix() for p in (ROOT / "minigrad/stepper").glob("*.*")}
    assert {"minigrad/stepper/stepper.css", "minigrad/stepper/page.html"} < files <= set(names)
    assert "minigrad/kernels/gather.cu" in names
    library = {p.relative_to(ROOT).as_posix() for p in (ROOT / "minigrad").rglob("*.py")}
    assert library <= set(names)

    run(sys.executable, "-m", "venv", str(tmp_path / "venv"))
    python = tmp_path / "venv" / "bin" / "python"
    run(str(python), "-m", "pip", "install", "--quiet", str(wheel))
    assert run(str(python), "-W", "error", "-c", TRAIN, cwd=tmp_path) == "trained\n"
