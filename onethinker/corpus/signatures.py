"""What a search for duplicates knows of each medium: digests of its bytes and pixels, hashes of its views.

Computed once a file by a stage (`Sign`) and kept in `signatures/` of an output folder, by path, size and time of the
last change, so that a run that was stopped goes on and a second one opens nothing anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onethinker.corpus.executor import map_batches
from onethinker.corpus.hashes import Views, views_of
from onethinker.media import MediaBudget, MediaError, is_clip, open_clip, open_image
from onethinker.sample import DataError, resolve_under
from onethinker.util.files import replacing
from onethinker.util.progress import bar

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = 1
"""Of what a signature is; those of another are made anew."""
FRAMES = MediaBudget(frame_pixels=160 * 160, fps=4.0, max_frames=32)
"""Frames of a clip that are hashed: four a second, thinned evenly to 32."""
TOGETHER = 32
"""Media of a batch."""
PER_FILE = 2048
"""Media of a file of signatures."""
_CHUNK = 1 << 20


@cache
def schema() -> pa.Schema:
    """A row a medium. A clip has several frames, whose views and times follow one another; of its views there are only
    the two that copies are looked up by, since clips are seldom cropped."""
    import pyarrow as pa

    return pa.schema(
        {
            "path": pa.string(), "size": pa.int64(), "changed": pa.int64(), "version": pa.int32(),
            "clip": pa.bool_(), "problem": pa.string(), "bytes": pa.string(), "pixels": pa.string(),
            "width": pa.int32(), "height": pa.int32(), "duration": pa.float64(), "times": pa.list_(pa.float64()),
            "flat": pa.list_(pa.bool_()), "contents": pa.list_(pa.float32()), "hashes": pa.list_(pa.uint64()),
            "mirrored": pa.list_(pa.uint64()),
        }
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sign:
    """A stage: rows with the `path` of a medium below `root` → rows of `schema()`. A file that cannot be opened has the
    reason as its `problem`."""

    root: Path

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        rows = [self._row(path) for path in batch.column("path").to_pylist()]
        return pa.RecordBatch.from_pylist(rows, schema())

    def _row(self, path: str) -> dict[str, Any]:
        empty: dict[str, Any] = dict.fromkeys(schema().names)
        row = empty | {"path": path, "version": VERSION, "problem": "", "size": -1, "changed": -1}
        try:
            file = resolve_under(self.root, path)
            found = file.stat()
            row |= {"size": found.st_size, "changed": found.st_mtime_ns, "clip": is_clip(file)}
            return row | (_clip(file) if row["clip"] else _picture(file)) | {"bytes": digest_of(file)}
        except (DataError, MediaError, OSError) as error:
            return row | {"problem": str(error)}


def digest_of(file: Path) -> str:
    """32 hex digits of the file's bytes, which need not fit into memory."""
    digest = hashlib.blake2b(digest_size=16)
    with file.open("rb") as opened:
        while block := opened.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


def _picture(file: Path) -> dict[str, Any]:
    pixels = np.asarray(open_image(file))
    height, width = pixels.shape[:2]
    digest = hashlib.blake2b(f"{width}×{height} ".encode() + pixels.tobytes(), digest_size=16).hexdigest()
    shape = {"pixels": digest, "width": width, "height": height, "duration": 0.0, "times": [0.0]}
    return shape | _columns([views_of(pixels)], [views_of(pixels, mirrored=True, cropped=False)])


def _clip(file: Path) -> dict[str, Any]:
    clip = open_clip(file, FRAMES)
    digest = hashlib.blake2b(clip.frames.tobytes() + clip.times.tobytes(), digest_size=16).hexdigest()
    shape = {"pixels": digest, "width": clip.width, "height": clip.height, "duration": clip.duration}
    frames = list(clip.frames)
    mirrored = [views_of(frame, mirrored=True, cropped=False) for frame in frames]
    return (
        shape
        | {"times": clip.times.tolist()}
        | _columns([views_of(frame, cropped=False) for frame in frames], mirrored)
    )


def _columns(views: Sequence[Views], mirrored: Sequence[Views]) -> dict[str, Any]:
    return {
        "flat": [v.flat for v in views],
        "contents": np.array([v.content for v in views], np.float32).ravel(),
        "hashes": np.concatenate([v.hashes_V for v in views]),
        "mirrored": np.concatenate([v.hashes_V for v in mirrored]),
    }


# ---- kept beside the output -------------------------------------------------------------------------------------


class Signatures:
    """The signatures of media below `root`, kept in `folder`."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder, self.root = folder, root

    def make(self, paths: Iterable[str], workers: int = 0, ray: str = "") -> pa.Table:
        """The signatures of these media, in the order of their paths, those that are there already unopened."""
        import pyarrow as pa

        wanted = sorted(set(paths))
        kept = self._kept(wanted)
        known = set(kept.column("path").to_pylist())
        fresh = [path for path in wanted if path not in known]
        batches = (pa.RecordBatch.from_pydict({"path": some}) for some in _parts(fresh, TOGETHER))
        with bar("signatures", len(wanted), len(known)) as advance:
            made = map_batches(Sign(self.root), batches, workers=workers, ray=ray)
            while some := list(islice(made, PER_FILE // TOGETHER)):
                table = pa.Table.from_batches(some)
                self._write(table)
                kept = pa.concat_tables([kept, table])
                advance(len(table))
        return kept.sort_by("path").combine_chunks()

    def _kept(self, wanted: Sequence[str]) -> pa.Table:
        """Those that were made before, of files that have not changed since."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        now = dict(_state(self.root, wanted))
        tables = [schema().empty_table()]
        for file in sorted(self.folder.glob("*.parquet")):
            try:
                table = pq.read_table(file)
            except (pa.ArrowException, OSError):
                continue  # not ours, or broken: made anew
            if table.schema.names != schema().names:
                continue
            keys = zip(*(table.column(name).to_pylist() for name in ("path", "size", "changed", "version")))
            good = [v == VERSION and now.pop(path, None) == (size, changed) for path, size, changed, v in keys]
            tables.append(table.cast(schema()).filter(pa.array(good, pa.bool_())))
        return pa.concat_tables(tables)

    def _write(self, table: pa.Table) -> None:
        import pyarrow.parquet as pq

        name = hashlib.sha256("\n".join(table.column("path").to_pylist()).encode()).hexdigest()[:16]
        with replacing(self.folder / f"{name}.parquet") as aside:
            pq.write_table(table, aside, compression="zstd")


def _state(root: Path, paths: Iterable[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    for path in paths:
        try:
            found = (root / path).stat()
        except OSError:
            continue
        yield path, (found.st_size, found.st_mtime_ns)


def _parts(items: Sequence[str], size: int) -> Iterator[list[str]]:
    for at in range(0, len(items), size):
        yield list(items[at : at + size])
