"""The command line: a user's mistake ends with one line and exit code 2, never with a traceback."""

import sys
from typing import Any

from .learn.checkpoint import CheckpointError
from .learn.training import NotFinite


def run(command: Any) -> None:
    """Run a click command; print one line for a mistake (exit 2), a failure (1) or Ctrl-C (130)."""
    import click

    try:
        code = command(standalone_mode=False)
    except click.Abort as stop:  # click's name for Ctrl-C
        _stop(str(stop.__cause__ or "") or "stopped", 130)
    except click.ClickException as mistake:
        _stop(mistake.format_message(), 2)
    except CheckpointError as mistake:
        _stop(str(mistake), 2)
    except OSError as mistake:
        words = mistake.strerror or str(mistake)
        _stop(f"{mistake.filename}: {words}" if mistake.filename else words, 2)
    except NotFinite as failure:
        _stop(str(failure), 1)
    sys.exit(code if isinstance(code, int) else 0)  # the code that the command chose, if any


def _stop(sentence: str, code: int) -> None:
    print(sentence, file=sys.stderr)  # noqa: T201
    sys.exit(code)
