"""What the forms share: a job, files of bounded size that are written whole and found again, and others' marks."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from onethinker.corpus.rows import GROUP
from onethinker.data.sources.convert import place
from onethinker.sample import DataError, Sample
from onethinker.sample.forms import is_video
from onethinker.tasks import get_task
from onethinker.tasks.prompts import PromptSet
from onethinker.util.files import replacing, write_whole
from onethinker.util.progress import bar

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
MAX_MEDIUM = 1 << 30
"""Bytes of a medium that goes into a file."""
GROUP_BYTES = 32 << 20
"""Of a row group with media in it, what a reader holds at once."""
_WORDS = re.compile(r"\\?<(image|video|audio)>")


@dataclass
class Job:
    """samples: gives those to write, in order. root: of their media. shard_bytes: of a file, about."""

    samples: Callable[[], Iterator[Sample]]
    root: Path
    out: Path
    prompts: PromptSet
    embed: bool
    truths: bool
    shard_bytes: int
    linked: set[str] = field(default_factory=set)

    def link(self, sample: Sample) -> None:
        """A second name below `out` for each medium. Raises DataError for one that is not there, OSError."""
        for path, name in zip(sample.paths(self.root), sample.media, strict=True):
            if name not in self.linked:
                place(_there(path), self.out / name)
                self.linked.add(name)

    def load(self, sample: Sample) -> list[bytes]:
        """The media's bytes. Raises DataError for one that is not there or too large."""
        return [_there(path).read_bytes() for path in sample.paths(self.root)]

    def prompt(self, sample: Sample) -> str:
        """The user's message, its marks as many as its media. Raises DataError."""
        text = get_task(sample.task).prompt(sample, self.prompts)
        return _WORDS.sub(lambda mark: f"[{mark[1]}]" if mark[0][0] == "\\" or mark[1] == "audio" else mark[0], text)


def unmarked(text: str) -> str:
    """Text in which no program sees the place of a medium."""
    return _WORDS.sub(r"[\1]", text)


def _there(path: Path) -> Path:
    if not path.is_file():
        raise DataError("a medium is not there")
    if path.stat().st_size > MAX_MEDIUM:
        raise DataError(f"a medium of more than {MAX_MEDIUM >> 20} MB")
    return path


def by_kind(sample: Sample) -> tuple[list[int], list[int]]:
    """The places of its pictures among the media, and of its clips."""
    clips = [at for at, name in enumerate(sample.media) if is_video(sample, name)]
    return [at for at in range(len(sample.media)) if at not in clips], clips


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written. left_out: reason → samples. read_by: how the other program is told of it."""

    folder: Path
    rows: int
    left_out: Mapping[str, int]
    read_by: str


class Writer(Protocol):
    """One file being written."""

    def add(self, sample: Sample) -> int:
        """Write a sample; the bytes that it took. Raises DataError for one that cannot be written."""

    def close(self) -> None: ...


def write_shards(
    job: Job, start: Callable[[Path], Writer], name: Callable[[int], str], *, samples: Iterator[Sample] | None = None,
    state: str = ".shards.json", rows_per_shard: int = 100_000,
) -> tuple[int, dict[str, int]]:  # fmt: skip
    """Samples into files of about `job.shard_bytes`, each under its own name once it is whole: (rows, left out).

    Files that an earlier call finished are kept, and the samples in them passed over.
    """
    note = job.out / state
    done: list[dict[str, Any]] = json.loads(note.read_text(encoding="utf-8")) if note.exists() else []
    source = job.samples() if samples is None else samples
    passed = sum(shard["rows"] + sum(shard["left_out"].values()) for shard in done)
    upcoming = islice(source, passed, None)
    with bar("export", None, done=passed) as advance:
        first = next(upcoming, None)
        while first is not None:
            rows, size, left_out = 0, 0, Counter[str]()
            with replacing(job.out / name(len(done))) as aside:
                writer = start(aside)
                sample: Sample | None = first
                while sample is not None and size < job.shard_bytes and rows < rows_per_shard:
                    try:
                        size += writer.add(sample)
                        rows += 1
                    except DataError as error:
                        left_out[reason(error)] += 1
                    advance()
                    sample = next(upcoming, None)
                writer.close()
                first = sample
            done.append({"rows": rows, "left_out": dict(left_out)})
            write_whole(note, json.dumps(done))
    total: Counter[str] = Counter()
    for shard in done:
        total.update(shard["left_out"])
    return sum(shard["rows"] for shard in done), dict(total)


def reason(error: DataError) -> str:
    """Without the name of the sample, so that reasons can be counted."""
    return re.sub(r"^sample [^:]*: ", "", str(error))[:200]


class ParquetFile:
    """A Parquet file, its row groups bounded in rows and bytes."""

    def __init__(self, file: Path, *, schema: pa.Schema, row_of: Callable[[Sample, int], tuple[Row, int]]) -> None:
        import pyarrow.parquet as pq

        self.schema, self.row_of = schema, row_of
        self.out = pq.ParquetWriter(file, schema, compression="zstd")
        self.rows: list[Row] = []
        self.count = self.size = 0

    def add(self, sample: Sample) -> int:
        row, held = self.row_of(sample, self.count)
        self.rows.append(row)
        self.count += 1
        size = held + len(sample.question) + len(sample.truth) + 256
        self.size += size
        if len(self.rows) == GROUP or self.size > GROUP_BYTES:
            self.flush()
        return size

    def flush(self) -> None:
        import pyarrow as pa

        if self.rows:
            self.out.write_table(pa.Table.from_pylist(self.rows, self.schema), row_group_size=GROUP)
        self.rows, self.size = [], 0

    def close(self) -> None:
        self.flush()
        self.out.close()
