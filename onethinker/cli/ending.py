"""How a command ends: a failure that a user can mend in one line, an interruption in one line, all else as it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NoReturn

from typer.core import TyperGroup

from onethinker.util.interrupt import STATUS, Interrupted, speaks, take_signals

FAILED = 2
_A_FILE_STANDS = {
    FileExistsError: "; a folder is needed and this is a file, name another",
    NotADirectoryError: "; a part of this path is a file, name another",
}
"""What to do where a folder cannot be made, which the system's own words leave out."""


class _Stopped(BaseException):
    """An interruption on its way out of typer, which has only "Aborted" to say of one."""


class Verbs(TyperGroup):
    """The verbs, whose interruptions reach `run_verb`."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            raise _Stopped from stop


def run_verb(app: Callable[[], Any]) -> None:
    """Run the command line; Ctrl-C and SIGTERM end it in order, a second one at once."""
    take_signals()
    try:
        app()
    except _Stopped as stopped:
        stop = stopped.__cause__
        told = f"\n{stop or 'interrupted'}" if speaks() else ""
        _end(told, stop.status if isinstance(stop, Interrupted) else STATUS + 2)
    except KeyboardInterrupt:
        _end("\ninterrupted", STATUS + 2)
    except (ValueError, RuntimeError, OSError, KeyError) as error:
        if not is_ours(error):
            raise
        _end(f"onethinker: {words(error)}", FAILED)


def is_ours(error: Exception) -> bool:
    """Whether the package raised it on purpose, or the system refuses a file; anything else is a fault of ours and
    keeps its traceback."""
    return type(error).__module__.startswith("onethinker.") or (isinstance(error, OSError) and bool(error.strerror))


def words(error: Exception) -> str:
    """In one sentence: the system's own words after the file that they are about."""
    if isinstance(error, OSError) and error.strerror and not type(error).__module__.startswith("onethinker."):
        said = ": ".join(str(part) for part in (error.filename, error.strerror) if part)
        return said + _A_FILE_STANDS.get(type(error), "")
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)


def _end(message: str, status: int) -> NoReturn:
    if message:
        print(message, file=sys.stderr, flush=True)
    sys.exit(status)
