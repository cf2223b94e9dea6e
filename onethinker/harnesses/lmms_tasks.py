"""Our questions as task files of lmms-eval, for its `--include_path`, scored there by our own scorer.

A folder of files: for each task that the data has, `onethinker_TASK.yaml` (named by lmms-eval's keys), the questions
beside it as JSON lines, and the group `onethinker_all` over all of them. The YAML names the functions below, so the
package is to be importable where lmms-eval runs. Any model of lmms-eval can be asked these questions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from onethinker.engines.base import Request
from onethinker.evaluate.masks import with_mask
from onethinker.media import MediaBudget
from onethinker.sample import Sample, Samples, parse_row, to_native
from onethinker.sample.answer import read_answer
from onethinker.scoring.rollout import make_request
from onethinker.segment import Segmenter, make_segmenter
from onethinker.tasks import get_task, list_tasks
from onethinker.tasks.prompts import PromptSet
from onethinker.util.files import write_whole

PREFIX = "onethinker_"
GROUP = f"{PREFIX}all"
"""Of all the tasks; a bare `onethinker` would be taken for the folder of that name in a clone."""
FAILED = "\0onethinker failed: "
"""Begins what our model hands lmms-eval in place of an answer that its engine could not give."""

Doc = Mapping[str, Any]
_HERE = "onethinker.harnesses.lmms_tasks"


# ---- files ------------------------------------------------------------------------------------------------------


def write_tasks(samples: Samples, out: Path, prompts: PromptSet, max_tokens: int, segmenter: str = "grabcut") -> Path:
    """Write the task files of every task in `samples` to `out`, which is returned.

    max_tokens: of an answer. segmenter: as of `onethinker eval`, `none` scores segmentations without masks.
    Raises DataError for media outside the root.
    """
    out.mkdir(parents=True, exist_ok=True)
    present = [task for task in list_tasks() if samples.of_task(task)]
    for task in present:
        docs = [_doc(sample, samples, prompts, segmenter) for sample in samples.of_task(task)]
        lines = "".join(json.dumps(doc, ensure_ascii=False) + "\n" for doc in docs)
        write_whole(out / f"{PREFIX}{task}.jsonl", lines)
        write_whole(out / f"{PREFIX}{task}.yaml", _task_file(task, max_tokens, segmenter))
    group = [f"group: {GROUP}", "task:", *(f"  - {PREFIX}{task}" for task in present)]
    write_whole(out / f"{GROUP}.yaml", "\n".join([*group, ""]))
    return out


def _doc(sample: Sample, samples: Samples, prompts: PromptSet, segmenter: str) -> dict[str, Any]:
    """One line, all of it text, so that lines of unlike samples have one schema."""
    request = make_request(sample, samples, prompts, MediaBudget())
    return {
        "id": sample.id,
        "prompt": request.text,
        "system": request.system,
        "media": [str(path) for path in request.media],
        "truth": sample.truth,
        "sample": json.dumps(to_native(sample), ensure_ascii=False),
        "root": str(samples.root.resolve()),
        "segmenter": segmenter,
    }


def _task_file(task: str, max_tokens: int, segmenter: str) -> str:
    """The YAML of one task. Nothing is to be cut from the answers: our reader wants them whole."""
    name = f"{PREFIX}{task}"
    lines = [
        f"task: {name}",
        "dataset_path: json",
        "dataset_kwargs:",
        "  data_files:",
        f"    test: {name}.jsonl",
        "test_split: test",
        "output_type: generate_until",
        f"doc_to_text: !function {_HERE}.doc_to_text",
        f"doc_to_visual: !function {_HERE}.doc_to_visual",
        f"doc_to_messages: !function {_HERE}.doc_to_messages",
        "doc_to_target: truth",
        f"process_results: !function {_HERE}.process_results",
        "reasoning_tags: none",
        "generation_kwargs:",
        f"  max_new_tokens: {max_tokens}",
        "  temperature: 0",
        "  do_sample: false",
        "  until: []",
        "metric_list:",
    ]
    for metric in get_task(task).metric_names(masks=segmenter != "none"):
        lines += [f'  - metric: "{metric}"', f"    aggregation: !function {_HERE}.pooled", "    higher_is_better: true"]
    return "\n".join([*lines, "metadata:", "  version: 1.0", ""])


# ---- what the files name ----------------------------------------------------------------------------------------


def doc_to_messages(doc: Doc) -> list[dict[str, Any]]:
    """The prompt's words and media in order, media by their paths."""
    system = [{"role": "system", "content": [{"type": "text", "text": doc["system"]}]}] if doc["system"] else []
    content: list[dict[str, Any]] = []
    for kind, value in _request(doc).parts():
        content.append({"type": "text", "text": value} if kind == "text" else {"type": kind, "url": value})
    return [*system, {"role": "user", "content": content}]


def doc_to_text(doc: Doc) -> str:
    """The prompt without its media, for models that take those apart from the words."""
    return "".join(value for kind, value in _request(doc).parts() if kind == "text")


def doc_to_visual(doc: Doc) -> list[Any]:
    """Opened pictures and paths of clips, as lmms-eval's simple models take them."""
    from onethinker.media import open_image

    return [open_image(value) if kind == "image" else value for kind, value in _request(doc).parts() if kind != "text"]


def process_results(doc: Doc, results: Sequence[str]) -> dict[str, dict[str, float]]:
    """Metric → its part and whole for one answer, `score` the ratio of the two; nothing for an answer that failed.

    The official metrics of `onethinker eval`, from a strict reading, with masks where segmentations have them.
    """
    text = results[0]
    if text.startswith(FAILED):
        return {}
    sample = parse_row(json.loads(doc["sample"]), f"question {doc['id']}")
    task, answer = get_task(sample.task), read_answer(text, "stop")
    score = task.score(sample, answer)
    if task.masks and doc["segmenter"] != "none":
        try:
            score = with_mask(sample, Path(doc["root"]), answer, score, _segmenter(doc["segmenter"]))
        except (ValueError, OSError):  # no mask to compare with, media that cannot be read
            return {}
    found = {}
    for metric, (part, whole) in task.counted(score, "official").items():
        found[metric] = {"part": part, "whole": whole} | ({"score": 100 * part / whole} if whole else {})
    return found


def pooled(items: Sequence[Mapping[str, float]]) -> float:
    """Σ parts / Σ wholes in percent, NaN of nothing."""
    whole = sum(item["whole"] for item in items)
    return 100 * sum(item["part"] for item in items) / whole if whole else math.nan


def _request(doc: Doc) -> Request:
    return Request(doc["id"], doc["prompt"], tuple(Path(path) for path in doc["media"]), MediaBudget(), doc["system"])


@cache
def _segmenter(name: str) -> Segmenter:
    return make_segmenter(name)
