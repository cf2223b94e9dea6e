"""Parquet of prompts and truths for reinforcement learning, as verl and EasyR1 read it.

verl (verl/utils/dataset/rl_dataset.py, RLHFDataset): `prompt` is a list of messages whose `<image>` and `<video>` are
as many as the entries of `images` and `videos`; `data_source`, `reward_model.ground_truth` and `extra_info` go to the
reward function. EasyR1 (verl/utils/dataset.py, RLHFDataset): `problem`, `answer`, and `images` or `videos`; a file that
has an `images` column is of pictures alone, so that clips have files of their own, and samples of both cannot be had.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from onethinker.corpus.export.base import Exported, Job, ParquetFile, Row, by_kind, write_shards
from onethinker.sample import DataError, Sample

if TYPE_CHECKING:
    import pyarrow as pa


def write_verl(job: Job) -> Exported:
    """Clips are always files, whose absolute paths stand in the rows; with `embed` pictures are bytes."""
    start = partial(ParquetFile, schema=verl_schema(job.embed), row_of=partial(_verl, job))
    rows, left_out = write_shards(job, start, "train-{:05d}.parquet".format)
    return Exported(job.out, rows, left_out, f"verl: data.train_files={job.out}/train-*.parquet data.prompt_key=prompt")


def write_easyr1(job: Job) -> Exported:
    """`images/` and `videos/`, each with files of one kind, paths relative to `data.image_dir`."""
    total, left_out = 0, Counter[str]()
    for kind in ("images", "videos"):
        start = partial(ParquetFile, schema=easyr1_schema(kind, job.embed), row_of=partial(_easyr1, job, kind))
        name = f"{kind}/train-{{:05d}}.parquet".format
        rows, some = write_shards(job, start, name, samples=_of_kind(job, kind), state=f".{kind}.json")
        total += rows
        left_out.update(some)
    how = f"EasyR1: data.train_files={job.out}/images (or /videos) data.prompt_key=problem data.image_dir={job.out}"
    return Exported(job.out, total, dict(left_out), how)


def _of_kind(job: Job, kind: str) -> Iterator[Sample]:
    """Those that the file of that kind tries: text and what has both go with the pictures."""
    for sample in job.samples():
        images, videos = by_kind(sample)
        if ("videos" if videos and not images else "images") == kind:
            yield sample


def verl_schema(embed: bool) -> pa.Schema:
    import pyarrow as pa

    text = pa.string()
    message = pa.struct({"role": text, "content": text})
    image = pa.struct({"bytes": pa.binary()}) if embed else pa.struct({"image": text})
    facts = {"index": pa.int64(), "id": text, "task": text, "modality": text, "question": text, "meta": text}
    return pa.schema({
        "data_source": text, "prompt": pa.list_(message), "images": pa.list_(image),
        "videos": pa.list_(pa.struct({"video": text})), "ability": text,
        "reward_model": pa.struct({"style": text, "ground_truth": text}), "extra_info": pa.struct(facts),
    })  # fmt: skip


def easyr1_schema(kind: str, embed: bool) -> pa.Schema:
    import pyarrow as pa

    text = pa.string()
    medium = pa.struct({"bytes": pa.binary(), "path": text}) if embed and kind == "images" else text
    columns = {"problem": text, "answer": text, kind: pa.list_(medium), "id": text, "task": text, "data_source": text}
    return pa.schema(columns | {"meta": text})


def _verl(job: Job, sample: Sample, index: int) -> tuple[Row, int]:
    """The row, and the bytes of its media within it."""
    images, videos = by_kind(sample)
    said = [{"role": "user", "content": job.prompt(sample)}]
    if job.prompts.system:
        said.insert(0, {"role": "system", "content": job.prompts.system})
    held = job.load(sample) if job.embed and images else []
    if videos or not job.embed:
        job.link(sample)
    at = [str((job.out / name).absolute()) for name in sample.media]
    return {
        "data_source": f"onethinker/{sample.source or 'own'}",
        "prompt": said,
        "images": [{"bytes": held[n]} if job.embed else {"image": at[n]} for n in images],
        "videos": [{"video": at[n]} for n in videos],
        "ability": sample.task,
        "reward_model": {"style": "rule", "ground_truth": sample.truth},
        "extra_info": {"index": index, "id": sample.id, "task": sample.task, "modality": sample.modality,
                       "question": sample.question, "meta": _meta(sample)},
    }, sum(len(held[n]) for n in images if held)  # fmt: skip


def _easyr1(job: Job, kind: str, sample: Sample, index: int) -> tuple[Row, int]:
    images, videos = by_kind(sample)
    if images and videos:
        raise DataError("pictures and clips in one sample, which EasyR1 cannot read")
    held = job.load(sample) if job.embed and images else []
    if not held:
        job.link(sample)
    media = [{"bytes": data, "path": name} for data, name in zip(held, sample.media)] if held else list(sample.media)
    row = {
        "problem": job.prompt(sample), "answer": sample.truth, kind: media, "id": sample.id, "task": sample.task,
        "data_source": sample.source, "meta": _meta(sample),
    }  # fmt: skip
    return row, sum(map(len, held))


def _meta(sample: Sample) -> str:
    """As JSON, so that a reward function has the sample whole (`onethinker.from_published` takes the same fields)."""
    kept = {key: value for key, value in sample.meta.items() if key != "response"}
    return json.dumps({**kept, "options": list(sample.options)}, ensure_ascii=False, sort_keys=True)
