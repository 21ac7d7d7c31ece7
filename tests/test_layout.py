"""The rules of the house that a machine can check."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import minigrad

ROOT = Path(__file__).parent.parent
LIBRARY = sorted(
    path
    for path in [*(ROOT / "minigrad").rglob("*.py"), *(ROOT / "models").glob("*.py")]
    if not {"assignments", "attacks"} & {folder.name for folder in path.parents}  # they are data
)
ORDER = [  # imports run from right to left, within a group freely
    {"tree", "backend", "faults", "version"},
    {"kernels"},
    {"engine"},
    {"nodes"},
    {"listing", "gradcheck", "learn", "data", "evaluate"},
    {"models"},
    {"stepper", "grade", "lectures", "cli", "__main__"},
]


def place(module):
    """The part of the house that a dotted name of ours belongs to; None for `minigrad` itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else None


def dotted(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = ("minigrad", *parts) if parts[0] == "models" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path):
    """The dotted names of ours that a file imports, wherever in the file."""
    package = dotted(path) if path.name == "__init__.py" else dotted(path).rpartition(".")[0]
    for n in ast.walk(ast.parse(path.read_text())):
        if isinstance(n, ast.Import):
            yield from (a.name for a in n.names if a.name.split(".")[0] == "minigrad")
        if isinstance(n, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - n.level + 1])
            name = ".".join(p for p in (base if n.level else "", n.module or "") if p)
            if name.split(".")[0] == "minigrad":
                deeper = [f"{name}.{a.name}" for a in n.names]
                yield from deeper if name == "minigrad" else [name]


def level(part):
    return next(i for i, group in enumerate(ORDER) if part in group)


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_downwards(path):
    own = place(dotted(path))
    if own is None:
        return
    public = {name for name in dir(minigrad) if not name.startswith("_")}
    for name in imports(path):
        part = place(name)
        if part in public and not any(part in group for group in ORDER):
            part = "nodes"  # `from minigrad import relu`
        assert part is not None, f"{path} imports minigrad as a whole"
        assert level(part) <= level(own), f"{path} imports {name}, which lies above it"


def test_an_import_that_runs_upwards_would_be_seen():
    seen = list(imports(ROOT / "models/exemplar_cnn.py"))
    assert "minigrad.learn" in seen
    assert level("learn") > level("engine")


def test_only_backend_imports_cupy():
    for path in LIBRARY:
        names = [
            name
            for n in ast.walk(ast.parse(path.read_text()))
            if isinstance(n, (ast.Import, ast.ImportFrom))
            for name in [getattr(n, "module", None), *(a.name for a in n.names)]
        ]
        assert path.name == "backend.py" or not any((n or "").startswith("cupy") for n in names)


def test_the_engine_is_read_in_one_sitting():
    assert len((ROOT / "minigrad/engine.py").read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_assert_and_no_global_randomness_in_the_library(path):
    for n in ast.walk(ast.parse(path.read_text())):
        assert not isinstance(n, ast.Assert)
        if isinstance(n, ast.Attribute) and ast.unparse(n.value) == "np.random":
            assert n.attr in ("Generator", "default_rng")


def test_no_module_has_the_name_of_a_public_function():
    modules = {m.name.rpartition(".")[2] for m in walk()}
    for module in walk():
        functions = {
            n for n, f in vars(importlib.import_module(module.name)).items() if callable(f)
        }
        assert not modules & functions, module.name


def walk():
    return list(pkgutil.walk_packages(minigrad.__path__, "minigrad."))


def test_import_star_shadows_no_builtin():
    import builtins

    assert not set(minigrad.__all__) & set(dir(builtins))
    for name in ("sum", "max", "abs", "pow"):
        assert hasattr(minigrad, name)


def test_importing_minigrad_imports_nothing_heavy():
    heavy = "{'scipy', 'sklearn', 'matplotlib', 'tqdm', 'safetensors', 'click', 'jinja2', 'PIL'}"
    code = f"import sys, minigrad; print({heavy} & {{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
