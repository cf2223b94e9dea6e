"""Pickles of plain data (dicts, lists, texts, numbers), which is all that a data set's annotations are."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from onethinker.data.sources.base import bounded
from onethinker.sample import DataError

MAX_PICKLE = 256 << 20
_RESERVING = pickle.BYTEARRAY8


class _Plain(pickle._Unpickler):
    """Names nothing and so runs nothing. Python's own loop, without byte arrays: the one in C, and they, reserve as
    much memory as a number in the file tells them to."""

    dispatch: ClassVar = {code: load for code, load in pickle._Unpickler.dispatch.items() if code not in _RESERVING}

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def get_extension(self, code: int) -> NoReturn:
        raise pickle.UnpicklingError(f"it names extension {code}")


def load_plain_pickle(file: Path) -> Any:
    """The data of a pickle, Python 2's too. Raises DataError for one that names a class or function, or is cut off."""
    try:
        return _Plain(io.BytesIO(bounded(file, MAX_PICKLE).read_bytes()), encoding="utf-8").load()
    except (pickle.UnpicklingError, EOFError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{file}: not a whole pickle of plain data ({error}); fetch the file again") from error
    except (RecursionError, MemoryError, OverflowError, AssertionError) as error:
        raise DataError(f"{file}: not a pickle of plain data ({type(error).__name__})") from error
