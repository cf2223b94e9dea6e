"""Parquet for a hub: `data/train-00000.parquet`, …, pictures and clips as paths or as the hub's Image and Video.

`datasets.load_dataset(FOLDER, streaming=True)` reads it a row group at a time; the README's `configs` name the files,
and the schema's metadata says which columns are media (`datasets.Features.arrow_schema`).
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from onethinker.corpus.export.base import Exported, Job, ParquetFile, Row, by_kind, write_shards
from onethinker.corpus.rows import schema
from onethinker.sample import Sample, to_native
from onethinker.util.files import write_whole

HEAD = """\
---
license: other
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*.parquet
---
"""


def write(job: Job) -> Exported:
    (job.out / "data").mkdir(parents=True, exist_ok=True)
    start = partial(ParquetFile, schema=embedded_schema() if job.embed else schema(), row_of=partial(_row, job))
    rows, left_out = write_shards(job, start, "data/train-{:05d}.parquet".format)
    card = job.root / "README.md"
    body = card.read_text(encoding="utf-8").partition("\n---\n")[2] if card.is_file() else ""
    write_whole(job.out / "README.md", HEAD + body)
    return Exported(job.out, rows, left_out, f"datasets.load_dataset({str(job.out)!r}, streaming=True)")


def embedded_schema() -> Any:
    """`schema()` with `images` and `videos` in place of `media`, as the hub's features."""
    from datasets import Features, Image, List, Value, Video

    text = Value("string")
    names = [name for name in schema().names if name != "media"]
    columns = {name: List(text) if name == "options" else text for name in names}
    return Features({**columns, "images": List(Image()), "videos": List(Video())}).arrow_schema


def _row(job: Job, sample: Sample, index: int) -> tuple[Row, int]:
    """The row, and the bytes of its media within it."""
    row = to_native(sample) | {"meta": json.dumps(sample.meta, ensure_ascii=False, sort_keys=True)}
    if not job.embed:
        job.link(sample)
        return row, len(row["meta"])
    data = job.load(sample)
    media = [{"bytes": content, "path": name} for content, name in zip(data, row.pop("media"), strict=True)]
    images, videos = by_kind(sample)
    row |= {"images": [media[at] for at in images], "videos": [media[at] for at in videos]}
    return row, sum(map(len, data)) + len(row["meta"])
