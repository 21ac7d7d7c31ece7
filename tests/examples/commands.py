"""Examples as a user starts them, in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def command(name, data, folder, *words):
    """What subprocess takes to start examples.name on the data, with its results in a folder."""
    return {
        "args": [
            *(sys.executable, "-W", "error", "-m", f"examples.{name}"),
            *("--folder", str(folder), *map(str, words)),
        ],
        "cwd": ROOT,
        "text": True,
        "env": os.environ | {"MINIGRAD_DATA": str(data)},
    }


def finished(*words):
    """The process of a `command`, when it is done, with what it said."""
    return subprocess.run(**command(*words), capture_output=True, check=False)
