"""Lectures run as notebooks, each in a process of its own; what came out is kept."""

import asyncio
import hashlib
import importlib
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ...learn import write_whole
from ..sources import Lecture
from .problems import SiteError

SECONDS = 180  # that a cell may take: a lecture takes at most half of it
AT_ONCE = 2
HERE = Path(__file__).parent
# zmq, by which the notebook speaks to its kernel, does not go through Python's sockets
BEFORE = """
import socket, warnings

def refuse(*args, **options):
    raise OSError("a lecture runs without the network")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
del refuse, socket
warnings.simplefilter("error")
"""


def run_all(lectures: list[Lecture], kept: Path, say: Any = print) -> list[Any]:
    """The solution notebooks with their outputs, from the folder where those are kept or run now.

    Run again is what has changed, in its source or in minigrad's. At most two run at once.
    Raises SiteError with the lecture, the cell and its exception.
    """
    kept.mkdir(parents=True, exist_ok=True)
    library = digest_of_library()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(lambda each: _kept_or_run(each, library, kept, say), lectures))


def digest_of_library() -> str:
    """A number that changes when minigrad, without this package, or Python changes."""
    packages = map(importlib.import_module, ("minigrad", "minigrad.models"))
    folders = [folder for package in packages for folder in package.__path__]
    files = sorted(file for folder in folders for file in Path(folder).rglob("*.py"))
    total = hashlib.sha256(sys.version.encode())
    for file in files:
        if HERE not in file.parents:
            total.update(file.read_bytes())
    return total.hexdigest()


def _kept_or_run(lecture: Lecture, library: str, kept: Path, say: Any) -> Any:
    import nbformat

    notebook = lecture.solution()
    sources = [cell.source for cell in notebook.cells]
    key = hashlib.sha256(json.dumps([library, BEFORE, sources]).encode()).hexdigest()[:16]
    file = kept / f"{lecture.path.stem}-{key}.ipynb"
    if file.exists():
        return nbformat.read(file, as_version=4)
    start = time.perf_counter()
    _run(lecture, notebook)
    say(f"{lecture.path.stem}: run in {time.perf_counter() - start:.0f} s")
    for older in kept.glob(f"{lecture.path.stem}-*.ipynb"):
        older.unlink()
    write_whole(file, nbformat.writes(notebook))
    return notebook


def _run(lecture: Lecture, notebook: Any) -> None:
    """Run a notebook in place, in an empty folder."""
    import nbformat
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    class ThisPython(KernelSpecManager):
        def get_kernel_spec(self, kernel_name):
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            command.append("--log-level=ERROR")  # it warns of connections within one machine
            return KernelSpec(argv=command, language="python", display_name="Python 3")

    before = nbformat.v4.new_code_cell(BEFORE)
    cells = notebook.cells
    notebook.cells = [before, *cells]
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            km=AsyncKernelManager(kernel_spec_manager=ThisPython()),
            timeout=SECONDS,
            coalesce_streams=True,
            shutdown_kernel="immediate",
            resources={"metadata": {"path": folder}},
        )
        # IPYTHONDIR: nobody's own settings; PYTHONHASHSEED: the same page from the same source
        clean = {"IPYTHONDIR": folder, "PYTHONHASHSEED": "0", "MPLBACKEND": "agg"}
        clean |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # as two run at once
        try:
            asyncio.run(client.async_execute(env={**os.environ, **clean}, cleanup_kc=True))
        except CellExecutionError as error:
            raise SiteError(f"{place(lecture, cells)}: {error.ename}: {error.evalue}") from None
        except CellTimeoutError:
            raise SiteError(f"{place(lecture, cells)}: not done after {SECONDS} s") from None
        except DeadKernelError:
            raise SiteError(f"{place(lecture, cells)}: its process ended") from None
        finally:
            notebook.cells = cells


def place(lecture: Lecture, cells: list[Any]) -> str:
    """The lecture and the last of its cells that was begun."""
    begun = [n for n, cell in enumerate(cells, 1) if cell.get("execution_count")]
    n = begun[-1] if begun else 1
    line = next((line for line in cells[n - 1].source.splitlines() if line.strip()), "")
    return f"{lecture.path.stem}, cell {n} ({line[:60]})"
