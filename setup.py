"""What setup.cfg cannot say: the wheel carries what students get of the lectures."""

import sys
import types
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


class WithLectures(build_py):
    """Build the student's notebooks, scripts and checks from lectures/ as package data.

    An editable install gets none: there they are built when they are asked for.
    """

    def run(self):
        super().run()
        if not self.editable_mode:
            # a package of another name, as minigrad itself needs NumPy, which is not here
            package = types.ModuleType("lecture_sources")
            package.__path__ = [str(ROOT / "minigrad" / "lectures")]
            sys.modules[package.__name__] = package
            from lecture_sources.handouts import built

            folder = Path(self.build_lib, "minigrad", "lectures", "student")
            folder.mkdir(parents=True, exist_ok=True)
            for handout in built(ROOT / "lectures"):
                handout.write(folder)


setup(cmdclass={"build_py": WithLectures})
