"""A completion and what it was asked for → a `Result`, from plain values: a decoder makes one too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onethinker.inference import Result
from onethinker.inference.record import read_turn, turn_row
from onethinker.media import MediaInfo
from onethinker.sample import Sample
from onethinker.sample.answer import read_answer
from onethinker.tasks import get_task

_INFO = ("kind", "width", "height", "duration", "frames", "fps")


def told_of(sample: Sample, completion: Any, model: str) -> dict[str, Any]:
    """What `result_of` needs beside the media, as plain values."""
    return {
        "task": sample.task, "modality": sample.modality, "question": sample.question, "options": list(sample.options),
        "meta": dict(sample.meta), "response": completion.text, "finish": completion.finish, "model": model,
        "tokens": completion.tokens, "seconds": completion.seconds, "turns": [turn_row(t) for t in completion.turns],
    }  # fmt: skip


def result_of(told: dict[str, Any], files: Sequence[Path], media: Sequence[dict[str, Any]]) -> Result:
    """media: what is known of each file, which is then not opened to find out."""
    sample = Sample(
        id="ask", task=told["task"], modality=told["modality"], question=told["question"], truth="",
        options=tuple(told["options"]), media=tuple(map(str, files)), meta=told["meta"],
    )  # fmt: skip
    answer = read_answer(told["response"], told["finish"])
    result = Result(
        sample, tuple(files), told["response"], answer, get_task(sample.task).read(sample, answer),
        ("",) * len(files), told["model"], told["tokens"], told["seconds"],
        turns=tuple(map(read_turn, told["turns"])),
    )  # fmt: skip
    result.__dict__["infos"] = tuple(MediaInfo(**{key: about[key] for key in _INFO}) for about in media)
    return result
