"""The published JSON, and ShareGPT conversations as LLaMA-Factory reads them; media are linked beside the file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from onethinker.corpus.export.base import Exported, Job, by_kind, reason, unmarked
from onethinker.sample import DataError, Sample, to_published
from onethinker.util.files import replacing, write_whole
from onethinker.util.progress import bar

FILE = "onethinker.json"


def write_published(job: Job) -> Exported:
    """One JSON list in the form of the release (`sample/forms.py`)."""
    rows, left_out = _write_list(job, to_published)
    return Exported(job.out, rows, left_out, f"onethinker.load_samples({str(job.out / FILE)!r})")


INFO = {
    "onethinker": {
        "file_name": FILE,
        "formatting": "sharegpt",
        "columns": {"messages": "conversations", "images": "images", "videos": "videos"},
    }
}
"""`dataset_info.json`, whose keys are those of src/llamafactory/data/parser.py (DatasetAttr.join)."""


def write_sharegpt(job: Job) -> Exported:
    """Conversations with `from` and `value`, and `dataset_info.json`.

    As src/llamafactory/data/converter.py (SharegptDatasetConverter) reads them: human and gpt take turns, a system
    message may come first; mm_plugin.py wants as many `<image>` and `<video>` in all of them as there are media.
    """
    rows, left_out = _write_list(job, lambda sample: _conversation(job, sample))
    write_whole(job.out / "dataset_info.json", json.dumps(INFO, indent=1) + "\n")
    return Exported(
        job.out, rows, left_out, f"llamafactory: dataset_dir: {job.out}, media_dir: {job.out}, dataset: onethinker"
    )


def _conversation(job: Job, sample: Sample) -> dict[str, Any]:
    response = sample.meta.get("response")
    if not response:
        if not job.truths:
            raise DataError("no worked answer to learn from (--truths teaches the bare truth)")
        response = f"<answer>{sample.truth}</answer>"
    said = [{"from": "human", "value": job.prompt(sample)}, {"from": "gpt", "value": unmarked(str(response))}]
    if system := sample.meta.get("system") or job.prompts.system:
        said.insert(0, {"from": "system", "value": unmarked(str(system))})
    images, videos = by_kind(sample)
    return {
        "conversations": said,
        "images": [sample.media[at] for at in images],
        "videos": [sample.media[at] for at in videos],
        "id": sample.id, "task": sample.task, "source": sample.source,
    }  # fmt: skip


def _write_list(job: Job, row_of: Callable[[Sample], dict[str, Any]]) -> tuple[int, dict[str, int]]:
    """A JSON list, a row at a time, moved in whole."""
    rows, left_out = 0, Counter[str]()
    file: Path = job.out / FILE
    with replacing(file) as aside, aside.open("w", encoding="utf-8") as out, bar("export", None) as advance:
        for sample in job.samples():
            advance()
            try:
                row = row_of(sample)
                job.link(sample)
            except DataError as error:
                left_out[reason(error)] += 1
                continue
            out.write((",\n" if rows else "[\n") + json.dumps(row, ensure_ascii=False))
            rows += 1
        out.write("\n]\n" if rows else "[]\n")
    return rows, dict(left_out)
