"""Samples as Arrow rows, and the Parquet shards of a corpus folder: read a batch at a time, each written whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onethinker.sample import DataError, Sample, check_storable, load_samples, parse_row, to_native
from onethinker.sample.shards import shard_files, shard_name
from onethinker.util.files import replacing

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_SHARD = 20_000
GROUP = 1024
"""Rows of a row group, what a reader holds at once."""


@cache
def schema() -> pa.Schema:
    """A sample's fields as columns; `meta` is JSON text, whose keys differ from sample to sample."""
    import pyarrow as pa

    text, texts = pa.string(), pa.list_(pa.string())
    columns = {"id": text, "task": text, "modality": text, "question": text, "options": texts, "media": texts}
    return pa.schema(columns | {"truth": text, "source": text, "meta": text})


def __getattr__(name: str) -> Any:
    if name == "SCHEMA":  # built when asked for: pyarrow takes a tenth of a second to load
        return schema()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def to_table(samples: Iterable[Sample]) -> pa.Table:
    """Samples as rows of `schema()`. Raises DataError for one that holds text which no file can."""
    import pyarrow as pa

    kept = list(samples)
    natives = [to_native(sample) for sample in kept]
    try:
        rows = [row | {"meta": json.dumps(row["meta"], ensure_ascii=False, sort_keys=True)} for row in natives]
        return pa.Table.from_pylist(rows, schema())
    except (pa.ArrowException, ValueError, TypeError):
        for sample in kept:
            check_storable(sample)
        raise


def to_samples(rows: pa.Table | pa.RecordBatch, where: str = "rows") -> list[Sample]:
    """The samples of rows; columns that `schema()` has not are left aside. Raises DataError."""
    kept = rows.select([name for name in rows.schema.names if name in schema().names])
    return [parse_row(row, f"{where}, row {number}") for number, row in enumerate(kept.to_pylist(), start=1)]


def read_shards(folder: str | Path, batch_rows: int = 1024) -> Iterator[pa.RecordBatch]:
    """The rows of a corpus folder, lazily, `batch_rows` at a time (the last of a shard fewer).

    Other data that `load_samples` takes, a file or a folder, is read too, at once. Raises DataError.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(folder)
    shards = shard_files(path) if path.is_dir() else []
    if not shards:
        yield from to_table(load_samples(path)).to_batches(max_chunksize=batch_rows)
        return
    for file in shards:
        try:
            for batch in pq.ParquetFile(file).iter_batches(batch_rows):
                yield _ours(batch, file)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{file}: not a whole Parquet file ({error}); fetch or build it again") from error


def _ours(batch: pa.RecordBatch, file: Path) -> pa.RecordBatch:
    """The batch in `schema()`; one of other columns row by row, as `load_samples` would read it."""
    if batch.schema.equals(schema()):
        return batch
    samples = [parse_row(row, str(file)) for row in batch.to_pylist()]
    return one_batch(to_table(samples))


def one_batch(table: pa.Table) -> pa.RecordBatch:
    """A table as a single batch, an empty one too."""
    import pyarrow as pa

    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)


def count_rows(folder: str | Path) -> int:
    """How many rows a corpus folder has, from the files' ends alone. Raises DataError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    total = 0
    for file in shard_files(Path(folder)):
        try:
            total += pq.ParquetFile(file).metadata.num_rows
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{file}: not a whole Parquet file ({error}); fetch or build it again") from error
    return total


class ShardWriter:
    """Writes rows as shards of a folder, as a context manager: `write(batch or table)`.

    The bytes depend on the rows alone, not on how they were batched. A shard stands under its own name when it is
    whole; `-of-N` is added to all of them at the end, so that a set whose writing ended early can be told and is read
    as far as it goes. first: the number of the first shard, where an earlier writer left off.
    """

    def __init__(self, folder: str | Path, rows_per_shard: int = ROWS_PER_SHARD, *, first: int = 0) -> None:
        self.folder, self.rows_per_shard = Path(folder), rows_per_shard
        self.written = first
        """Shards that stand."""
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def __enter__(self) -> ShardWriter:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Take rows of `schema()`; whole shards are written at once. Raises OSError, whole shards stay."""
        import pyarrow as pa

        self._waiting.append(pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows)
        self._rows += len(rows)
        while self._rows >= self.rows_per_shard:
            self._flush(self.rows_per_shard)

    def _flush(self, count: int) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.concat_tables(self._waiting)
        with replacing(self.folder / shard_name(self.written)) as aside:
            # One batch, since row groups may not hang on where the callers' batches end.
            shard = table.slice(0, count).combine_chunks()
            pq.write_table(shard, aside, row_group_size=GROUP, compression="zstd")
        rest = table.slice(count)
        self._waiting, self._rows = ([rest] if len(rest) else []), len(rest)
        self.written += 1

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            return
        if self._rows or not self.written:
            self.write(to_table([]))
            self._flush(self._rows)
        for number in range(self.written):
            open_name, closed = shard_name(number), shard_name(number, self.written)
            if (self.folder / open_name).exists():  # a writer killed here renamed some of them
                (self.folder / open_name).replace(self.folder / closed)
