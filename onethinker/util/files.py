"""Files and folders that come whole or not at all: written under another name beside the target, then renamed.

A reader sees the old content or the new one, never half of it; a failure leaves the old one and nothing else.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a small file, text as UTF-8. It is on the disk when this returns, so that a power cut cannot empty it."""
    with replacing(path, durable=True) as aside:
        aside.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield a free name in `path`'s folder, which is made, for the block to write a file at; then rename it to `path`.

    Several threads and processes may do so at once: the last one's file stays. The name ends in `.part`, so whoever
    goes by suffix must be told the format. durable: flushed to the disk before the rename, for what cannot be made
    again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Part of the name only: with the whole of it a long one would pass the 255 bytes that file systems allow.
    aside = path.with_name(f".{path.name[:40]}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        yield aside
        if durable:
            _flush(aside)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    if durable:
        _flush(path.parent)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """As `replacing`, for a folder, always durable; the block makes it. Of one writer at a time.

    Its name is always the same, and what a killed writer left there goes first: such a folder may hold gigabytes. An
    old folder at `path` is moved to `.NAME.old` for the moment of the rename and then removed; a writer killed within
    that moment leaves it there, and the next one puts it back.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside, old = path.with_name(f".{path.name}.part"), path.with_name(f".{path.name}.old")
    if old.exists() and not path.exists():
        old.replace(path)
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(aside, ignore_errors=True)
    try:
        yield aside
        for made in (*aside.rglob("*"), aside):
            _flush(made)
        if path.exists():  # a folder cannot be renamed over one that holds something
            path.replace(old)
        aside.replace(path)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    _flush(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def _flush(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
