"""A set in shards that is read as training needs it: Parquet or tar files on any path that fsspec knows.

Nothing is read at the start but where the rows are: the ends of Parquet files, the index of tar files. A sample is read
by its position. The order of an epoch is a function of the seed and the epoch: the shards' groups of rows (row groups,
or whole tars) in a random order, as many at a time as the buffer holds, and the rows of those in a random order. So a
run goes on at the exact sample by its step alone, whatever number of processes takes the batch.

Media that are not files of this machine, in a tar or at a URL, are written into a folder of this process's own, which
is bounded and goes with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from onethinker.sample.files import data_files, load_samples, sample_of_row
from onethinker.sample.forms import parse_row
from onethinker.sample.media_fields import unpacked
from onethinker.sample.pictures import embedded_file, unpack
from onethinker.sample.record import DataError, Sample, Samples
from onethinker.sample.shards import set_files
from onethinker.sample.stream_files import is_url, open_shards, patiently
from onethinker.util.map_ahead import map_ahead

if TYPE_CHECKING:
    from onethinker.sample.stream_files import Group, Media, Shards

FETCHERS = 16
"""Threads that fetch media from elsewhere."""


HEAD = 256
"""Samples of a stream that are looked at before a run."""


def open_training(
    path: str, media_root: str, buffer: int, limit: int | None = None, difficulty: tuple[float, float] | None = None
) -> TrainingSet:
    """The samples of a run: read as they are needed, or loaded where they are few (`is_streamed`). difficulty: the
    window of their pass rates. Raises DataError."""
    found: TrainingSet
    if is_streamed(path, buffer) or is_url(media_root):
        found = open_stream(path, media_root or None, buffer=buffer, limit=limit)
    else:
        found = load_samples(path, media_root or None, limit, strict=False)
    return found.of_difficulty(*difficulty) if difficulty else found


def is_streamed(path: str, buffer: int) -> bool:
    """Whether a set is read as it is needed: at a URL, in tar files, those that a glob names, or in Parquet shards of
    more rows than the buffer.

    Raises DataError for shards that are not whole, for two sets in one folder, and for tars that are compressed.
    """
    if is_url(path) or path.endswith((".tar", ".tar.gz", ".tgz")):
        return True
    folder = Path(path)
    if not folder.is_dir():
        return not folder.exists() and "*" in path
    if shards := set_files(folder):
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = 0
        for file in shards:
            try:
                rows += pq.read_metadata(file).num_rows
            except (pa.ArrowException, OSError) as error:
                raise DataError(f"{file}: not a whole Parquet file ({error}); fetch or build it again") from error
        if rows > buffer:
            data_files(folder)  # as loading does, which refuses a folder of two sets
        return rows > buffer
    return not any(folder.glob("samples.*")) and any(folder.glob("*.tar"))


class SampleStream(Sequence[Sample]):
    """Samples by position, each read when it is asked for. Like `Samples`, but for what needs all rows at once.

    root: the folder that media paths are relative to. buffer: rows among which `order` shuffles, at most.
    """

    left_out: tuple[str, ...] = ()

    def __init__(self, shards: Shards, root: Path, buffer: int, kept: NDArray[np.int64] | None = None) -> None:
        self.shards, self.root, self.buffer, self._kept = shards, root, buffer, kept
        sizes = [group.rows for group in shards.groups]
        self._shares = [max(group.rows / buffer, group.size / shards.room) for group in shards.groups]
        self._ends = np.cumsum(sizes, dtype=np.int64)
        self._rows = int(self._ends[-1]) if sizes else 0
        if not len(self):
            raise DataError(f"{shards.where}: no samples in it")

    @property
    def fits(self) -> bool:
        """Whether the buffer holds the whole set."""
        return sum(self._shares) <= 1

    def __len__(self) -> int:
        return self._rows if self._kept is None else len(self._kept)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Samples: ...
    def __getitem__(self, index: int | slice) -> Sample | Samples:
        """Raises DataError for a row that is no sample, or whose media are not there, Unreachable where a file system
        fails."""
        if isinstance(index, slice):
            return Samples(tuple(self[i] for i in range(*index.indices(len(self)))), self.root)
        sample, media = self._read(index)
        media(sample.media)
        return sample

    def _read(self, index: int) -> tuple[Sample, Media]:
        """The sample, and what places its media."""
        group, row = self._locate(index)
        where = self.name_of(index)
        found, media = self.shards.row(group, row)
        held: set[str] = set()

        def save(value: Any) -> str:
            held.add(name := self._unpack(value, Path(group.file).stem, where))
            return name

        sample = sample_of_row(unpacked(found, save), where, self.root)
        return sample, lambda names: media([name for name in names if name not in held])

    def _unpack(self, value: Any, stem: str, where: str) -> str:
        """Write a medium that its row holds below the root; its path there."""
        if not self.shards.disk:
            return unpack(value, self.root, stem, where)
        path, data = embedded_file(value, stem, where)
        patiently(where, partial(self.shards.disk.place, path, lambda aside: aside.write_bytes(data)))
        return path

    def _locate(self, index: int) -> tuple[Group, int]:
        """The group, and the row within it."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        row = index if self._kept is None else int(self._kept[index])
        at = int(np.searchsorted(self._ends, row, side="right"))
        group = self.shards.groups[at]
        return group, row - int(self._ends[at]) + group.rows

    def name_of(self, index: int) -> str:
        """Where a row stands, for a message."""
        group, row = self._locate(index)
        return f"{group.file}, row {group.first + row + 1}"

    def prefetch(self, positions: Sequence[int]) -> None:
        """Fetch the media of these, many at a time; what fails fails when it is asked for."""
        if self.shards.fetches:
            for _ in map_ahead(self._fetched, positions, threads=FETCHERS):
                pass

    def _fetched(self, position: int) -> None:
        try:
            self[position]
        except (DataError, OSError):
            return

    @property
    def heaviest(self) -> int:
        """Bytes of the largest group of rows, which is read whole."""
        return max(group.size for group in self.shards.groups)

    # ---- all rows ---------------------------------------------------------------------------------------------------

    def column(self, name: str) -> list[Any]:
        """`task`, `modality` or `meta` of every sample in order, by the columns of the files where they have them, and
        by reading every row where they do not; None for a row that is no sample."""
        values = self.shards.column(name)
        if values is None:
            return [self._value(position, name) for position in range(len(self))]
        return values if self._kept is None else [values[row] for row in self._kept.tolist()]

    def _value(self, position: int, name: str) -> Any:
        group, row = self._locate(position)
        try:
            named = unpacked(self.shards.row(group, row)[0], lambda value: embedded_file(value, "", "")[0])
            found = getattr(parse_row(named, ""), name)
        except DataError:
            return None
        return json.dumps(dict(found)) if name == "meta" else found

    def of_difficulty(self, low: float, high: float) -> SampleStream:
        """Those whose `pass_rate` is known and from `low` to `high`. Raises DataError where there are none."""
        rates = [_pass_rate(meta) for meta in self.column("meta")]
        good = np.array([rate is not None and low <= rate <= high for rate in rates], dtype=bool)
        if not good.any():
            known = sum(rate is not None for rate in rates)
            raise DataError(
                f"no sample has a pass rate from {low:g} to {high:g}: {known} of {len(self)} have one "
                "(`onethinker data difficulty` measures it)"
            )
        return self._only(np.flatnonzero(good))

    def head(self, count: int) -> Samples:
        """The first so many samples, rows that are none left out and named, for a first look."""
        found, left_out = list[Sample](), list[str]()
        for position in range(min(count, len(self))):
            try:
                found.append(self._read(position)[0])
            except DataError as error:
                left_out.append(str(error))
        return Samples(tuple(found), self.root, tuple(left_out))

    def first(self, count: int) -> SampleStream:
        """The first so many samples."""
        return self._only(np.arange(min(count, len(self))))

    def _only(self, positions: NDArray[np.int64]) -> SampleStream:
        kept = positions if self._kept is None else self._kept[positions]
        return SampleStream(self.shards, self.root, self.buffer, kept)

    def order(self, seed: Sequence[int]) -> NDArray[np.int64]:
        """Every position once, shuffled in the buffer. A set that it holds whole is in the order of a loaded one."""
        draw, sizes = np.random.default_rng(list(seed)), self._shares
        if self.fits:
            return draw.permutation(len(self))
        parts, window, filled = [], list[NDArray[np.int64]](), 0.0
        for at in draw.permutation(len(sizes)).tolist():
            if window and filled + sizes[at] > 1:
                parts.append(draw.permutation(np.concatenate(window)))
                window, filled = [], 0.0
            end = int(self._ends[at])
            window.append(np.arange(end - self.shards.groups[at].rows, end))
            filled += sizes[at]
        rows = np.concatenate([*parts, draw.permutation(np.concatenate(window))])
        if self._kept is None:
            return rows
        places = np.searchsorted(self._kept, rows)
        places = np.minimum(places, len(self._kept) - 1)
        return places[self._kept[places] == rows]

    def identity(self) -> dict[str, Any]:
        """What a run was trained on: the shards' rows, and the buffer, which decides their order."""
        content = [self.shards.digest, None if self._kept is None else hashlib.sha256(self._kept.tobytes()).hexdigest()]
        digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
        return {"n": len(self), "shards": digest, "buffer": self.buffer}


def _pass_rate(meta: str | Mapping[str, Any] | None) -> float | None:
    """meta: as a file has it, an object or its JSON."""
    try:
        found = meta if isinstance(meta, Mapping) else json.loads(meta or "{}")
        return Sample("", "", "text", "", "", meta=found).pass_rate
    except (ValueError, TypeError, AttributeError):
        return None


def open_stream(path: str, media_root: str | None = None, *, buffer: int, limit: int | None = None) -> SampleStream:
    """The samples of a folder of shards (`samples-*.parquet`, `*.parquet`, `data/*.parquet` or `*.tar`), of one file or
    of a glob, at a path or a URL. Raises DataError."""
    shards, root = open_shards(path, media_root)
    found = SampleStream(shards, root, buffer)
    return found.first(limit) if limit else found


TrainingSet = Samples | SampleStream
