"""A public data set → a folder of samples with its media, which every command here reads."""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from onethinker.data.sources import read
from onethinker.sample import DataError, save_samples
from onethinker.util.files import replacing
from onethinker.util.progress import bar


@dataclass(frozen=True, slots=True)
class Converted:
    """missing: `sample ID: path`, a line for each medium that is not there; its sample is written all the same."""

    file: Path
    samples: int
    missing: tuple[str, ...]


def convert(name: str, root: Path, split: str, out: Path, limit: int | None = None) -> Converted:
    """Write `out/samples.jsonl`, with media under their own names below `out`: links, or copies on another disk.

    Raises DataError for what `read` refuses, a limit below 1, and a medium's name that is taken by another file.
    """
    if limit is not None and limit < 1:
        raise DataError(f"limit is {limit}; expected 1 or more")
    samples, missing = [], []
    placed: set[str] = set()
    with bar(f"{name} {split}", limit) as advance:
        for sample in islice(read(name, root, split), limit):
            for path, media in zip(sample.paths(root), sample.media, strict=True):
                if not path.is_file():
                    missing.append(f"sample {sample.id}: {root / media}")
                elif media not in placed:
                    place(path, out / media)
                    placed.add(media)
            samples.append(sample)
            advance()
    if not samples:
        raise DataError(f"{name} {split}: no questions in {root}; is it the right folder?")
    return Converted(save_samples(samples, out / "samples.jsonl"), len(samples), tuple(missing))


def place(source: Path, target: Path) -> None:
    """A second name for a file; a copy where that cannot be had. A target that is the same file already stays."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        if target.samefile(source) or filecmp.cmp(source, target, shallow=False):
            return
        raise DataError(f"{target}: another file than {source} has this name; convert into a folder of its own")
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
            raise
        with replacing(target) as aside:
            shutil.copyfile(source, aside)
