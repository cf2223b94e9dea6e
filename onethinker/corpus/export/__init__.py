"""A corpus in the forms that others' programs read. A form is one function from samples to files; here stands which."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from onethinker.corpus.export import json_forms, parquet, rl, tar
from onethinker.corpus.export.base import Exported, Job
from onethinker.corpus.rows import read_shards, to_samples
from onethinker.corpus.summary import CORPUS
from onethinker.sample import DataError, Sample
from onethinker.sample.shards import shard_files
from onethinker.tasks.prompts import load_prompts
from onethinker.util.files import write_whole
from onethinker.util.names import nearest
from onethinker.util.runs import LOCK, locked

__all__ = ["FORMS", "Exported", "export"]

FORMS: dict[str, Callable[[Job], Exported]] = {
    "parquet": parquet.write,
    "webdataset": tar.write,
    "published": json_forms.write_published,
    "sharegpt": json_forms.write_sharegpt,
    "verl": rl.write_verl,
    "easyr1": rl.write_easyr1,
}
"""Name of a form → what writes it."""


def export(
    data: str | Path,
    out: str | Path,
    form: str,
    *,
    media_root: str | Path | None = None,
    embed: bool = False,
    prompts: str = "full",
    truths: bool = False,
    shard_bytes: int = 512 << 20,
) -> Exported:
    """Write a corpus, or any data that `load_samples` reads, in one of FORMS.

    embed: media within the files (`parquet`, `verl`, `easyr1`; `webdataset` always has them); else they are linked
    below `out`. prompts: words around the question, for the forms that hold whole prompts. truths: a sample without a
    worked answer teaches its bare truth (`sharegpt`), else it is left out. shard_bytes: of a file at most, about. A
    sample whose medium cannot be read is left out and counted. What an earlier call that was killed wrote whole is
    kept. Raises DataError for an unknown form and where no sample can be written.
    """
    if form not in FORMS:
        raise DataError(f"no form {form!r}; the nearest is {nearest(form, FORMS)!r}, all are {', '.join(FORMS)}")
    folder, root = Path(out), Path(media_root) if media_root else _root(Path(data))
    identity = {
        "form": form, "embed": embed, "prompts": prompts, "truths": truths, "shard_bytes": shard_bytes,
        "data": _identity(Path(data)),
    }  # fmt: skip
    with locked(folder):
        _begin(folder, json.dumps(identity, indent=1))
        try:
            job = Job(partial(_samples, Path(data)), root, folder, load_prompts(prompts), embed, truths, shard_bytes)
            made = FORMS[form](job)
        except DataError:
            if not any(path.name != LOCK and path.suffix != ".json" for path in folder.iterdir()):
                _clear(folder)
            raise
        if not made.rows:
            _clear(folder)
            why = "; ".join(f"{count:,}: {reason}" for reason, count in made.left_out.items())
            raise DataError(f"{data}: no sample can be written as {form} ({why or 'it has none'})")
    return made


def _root(data: Path) -> Path:
    """The folder that media are relative to. Raises DataError for a corpus whose media stayed elsewhere."""
    folder = data if data.is_dir() else data.parent
    try:
        stayed = json.loads((folder / CORPUS).read_text(encoding="utf-8")).get("media_root")
    except (OSError, ValueError, AttributeError):
        stayed = ""
    if stayed:
        raise DataError(f"{data}: was built with its media left in {stayed}; give --media-root {stayed}")
    return folder


def _samples(data: Path) -> Iterator[Sample]:
    for batch in read_shards(data):
        yield from to_samples(batch, str(data))


def _identity(data: Path) -> str:
    files = (shard_files(data) or sorted(data.glob("samples.*"))) if data.is_dir() else [data]
    named = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files if file.exists()]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()


def _clear(folder: Path) -> None:
    """Leave the place of an export of no sample to another call."""
    for path in folder.iterdir():
        if path.name != LOCK:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _begin(folder: Path, identity: str) -> None:
    """Note what is written here, or go on with it. Raises DataError for a folder that holds something else."""
    note = folder / ".export.json"
    if note.exists():
        if note.read_text(encoding="utf-8") != identity:
            raise DataError(f"{folder}: holds another export; give another --out, or remove it")
        return
    if held := sorted(p.name for p in folder.iterdir() if p.name != LOCK):
        raise DataError(f"{folder}: holds {held[0]}, which no export left there; give another --out")
    write_whole(note, identity)
