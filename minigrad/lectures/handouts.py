"""What students get of each lecture: notebook, script, and the checks, without a solution.

In a wheel it is data in `student/`, made when the wheel is built; in a checkout it is built from
lectures/ when it is asked for, which needs jupytext.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).with_name("student")
SOURCES = Path(__file__).parents[2] / "lectures"  # of a checkout


@dataclass(frozen=True)
class Handout:
    """One lecture's files as texts; checks: by exercise, each a source that stands by itself."""

    stem: str
    title: str
    question: str
    checks: Mapping[str, str]
    notebook: str
    script: str

    @property
    def number(self) -> int:
        return int(self.stem[:2])

    def write(self, folder: Path) -> None:
        """Write the three files of a lecture into a folder."""
        about = {"title": self.title, "question": self.question, "checks": self.checks}
        texts = {"ipynb": self.notebook, "py": self.script, "json": json.dumps(about, indent=1)}
        for ending, text in texts.items():
            Path(folder, f"{self.stem}.{ending}").write_text(text, "utf-8")


def all_handouts() -> list[Handout]:
    """Those of all lectures, in order; ImportError in a checkout without jupytext."""
    if DATA.is_dir():
        return [_read(path) for path in sorted(DATA.glob("*.json"))]
    try:
        return built(SOURCES)
    except ImportError as error:
        words = "the lectures of a checkout are built with jupytext: pip install -e '.[lectures]'"
        raise ImportError(words, name=error.name) from None


def built(folder: Path) -> list[Handout]:
    """Those of the sources in a folder."""
    import nbformat

    from .sources import check_of, load_all

    return [
        Handout(
            lecture.path.stem,
            lecture.title,
            lecture.question,
            {e.name: check_of(lecture, e) for e in lecture.exercises},
            nbformat.writes(lecture.student()) + "\n",
            lecture.script(),
        )
        for lecture in load_all(folder)
    ]


def _read(path: Path) -> Handout:
    about = json.loads(path.read_text("utf-8"))
    texts = (path.with_suffix(ending).read_text("utf-8") for ending in (".ipynb", ".py"))
    return Handout(path.stem, about["title"], about["question"], about["checks"], *texts)
