"""A folder of runs as training leaves it: rollouts of questions about a picture, a report, and what does not belong."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from onethinker.sample import Sample, save_samples

BOX = '{"boxes":[100,200,500,600]}'
STEAL = "<script>document.title=sessionStorage.token+parent.document.title</script><h1>Report</h1>"


def row(sample: Sample, response: str, **more: Any) -> dict[str, Any]:
    """One rollout, as `train.experience.write_rollouts` has it."""
    return {
        "step": 1, "id": sample.id, "task": sample.task, "modality": sample.modality, "index": 0, "status": "ok",
        "finish": "stop", "tokens": 9, "prompt_tokens": 40, "seconds": 0.5, "error": "", "reward": 1.4, "accuracy": 0.9,
        "structure": 0.5, "format": 1, "advantage": 0.7, "question": sample.question, "truth": sample.truth,
        "response": response, "components": [{"name": "iou", "value": 0.9}],
    } | more  # fmt: skip


def write_run(run: Path, steps: Iterable[list[dict[str, Any]]], data: Iterable[Sample] = (), report: str = "") -> Path:
    """`RUN/rollouts/step-000001.parquet`, …, its questions in `world/train` beside it, its report."""
    (run / "rollouts").mkdir(parents=True)
    for number, rows in enumerate(steps, start=1):
        table = pa.Table.from_pylist([r | {"step": number} for r in rows])
        pq.write_table(table, run / "rollouts" / f"step-{number:06d}.parquet")
    if data:
        save_samples(list(data), run.parent / "world" / "train" / "samples.jsonl")
    if report:
        (run / "report.html").write_text(report, encoding="utf-8")
    return run
