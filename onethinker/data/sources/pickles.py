"""Pickles of plain data (dicts, lists, texts, numbers), which is all that a data set's annotations are."""

from __future__ import annotations

import codecs
import io
import pickle
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from onethinker.data.sources.base import bounded
from onethinker.sample import DataError

MAX_PICKLE = 256 << 20
_RESERVING = pickle.BYTEARRAY8
_LATIN_1 = "onethinker-latin-1"


def _as_latin_1(error: UnicodeError) -> tuple[str, int]:
    """The bytes that are no UTF-8, read as Latin-1, and where to go on."""
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error(_LATIN_1, _as_latin_1)


class _Plain(pickle._Unpickler):
    """Names nothing and so runs nothing. Python's own loop, without byte arrays: the one in C, and they, reserve as
    much memory as a number in the file tells them to."""

    dispatch: ClassVar = {code: load for code, load in pickle._Unpickler.dispatch.items() if code not in _RESERVING}

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def get_extension(self, code: int) -> NoReturn:
        raise pickle.UnpicklingError(f"it names extension {code}")


def load_plain_pickle(file: Path) -> Any:
    """The data of a pickle. Texts of Python 2 are UTF-8, but for bytes that are none: those are Latin-1.

    Raises DataError for a pickle that names a class or function, or is cut off.
    """
    try:
        data = bounded(file, MAX_PICKLE).read_bytes()
        return _Plain(io.BytesIO(data), encoding="utf-8", errors=_LATIN_1).load()
    except (pickle.UnpicklingError, EOFError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{file}: not a whole pickle of plain data ({error}); fetch the file again") from error
    except (RecursionError, MemoryError, OverflowError, AssertionError) as error:
        raise DataError(f"{file}: not a pickle of plain data ({type(error).__name__})") from error
