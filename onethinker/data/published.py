"""The files of the published data set (OneThink/OneThinker-train-data on the hub), known by their SHA-256 and size.

Only what is public is compared: of some files a hash's two ends alone, of some no size. A file that is not known is as
good as any other; what is said here keeps nothing from being read.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from onethinker.util.progress import bar

_BLOCK = 1 << 22


@dataclass(frozen=True, slots=True)
class Published:
    """begins, ends: of the file's SHA-256, lower-case hex digits. size: bytes, None where it is not known."""

    name: str
    begins: str
    ends: str
    size: int | None = None


PUBLISHED = (
    Published("onethinker_rl_train.json", "14e63502", "ab32"),
    Published("onethinker_sft_image.json", "737054d8", "1eca", 284_614_647),
)
"""189,645 rows with pictures for RL belong to the same release, in a file whose hash is not known."""


def recognise(file: Path) -> str:
    """Whether it is one of the release's files: that it is, whole; that it has the name of one and differs; or nothing.

    A file is hashed only if it has the name of one or its size.
    """
    if not file.is_file():
        return ""
    size = file.stat().st_size
    for known in PUBLISHED:
        if known.size is not None and size != known.size:
            if file.name == known.name:
                return _differs(file, known, f"its size is {size:,} bytes, not {known.size:,}")
            continue
        if file.name != known.name and known.size is None:
            continue
        digest = sha256(file)
        if digest.startswith(known.begins) and digest.endswith(known.ends):
            return f"{file}: the release's {known.name}, whole"
        if file.name == known.name:
            return _differs(file, known, f"its SHA-256 is {digest}, not {known.begins}…{known.ends}")
    return ""


def _differs(file: Path, known: Published, how: str) -> str:
    return (
        f"{file}: named like the release's {known.name}, but {how}; it is read as it is: "
        "fetch it again if it is meant to be that file"
    )


def sha256(file: Path) -> str:
    """Of a file's bytes, in hex digits."""
    found = hashlib.sha256()
    with file.open("rb") as opened, bar(f"SHA-256 of {file.name}", file.stat().st_size) as advance:
        while block := opened.read(_BLOCK):
            found.update(block)
            advance(len(block))
    return found.hexdigest()


def say(path: Path) -> None:
    """Print to stderr what `recognise` says of a file, or of the data files of a folder."""
    for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
        if note := recognise(file):
            print(note, file=sys.stderr, flush=True)
