"""What is wrong with a sample by itself: the part of cleaning that looks at one row at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from onethinker.corpus.rows import to_samples
from onethinker.corpus.texts import answered, asked, hash64, minhash, numbers_of, words_of
from onethinker.sample import DataError, Sample
from onethinker.sample.answer import read_answer
from onethinker.tasks import get_task

if TYPE_CHECKING:
    import pyarrow as pa

_SAID = re.compile(r"\banswer\s*(?:is|=|:)\s*\(?([^\n.)]{1,80})", re.IGNORECASE)
_FREE = ("open_ended", "caption", "ocr")
"""Tasks whose truth is a text of its own, which a question may hold by mistake."""


class RowChecks(BaseModel):
    """What a sample must be by itself to be kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    truth_scores: float = Field(1.0, ge=0, le=1, description="accuracy that a truth must have as its own answer")
    whole: float = Field(
        0.98, ge=0, le=1, description="share of width and height from which a box is the whole picture"
    )
    least_side: float = Field(1.0, ge=0, description="thousandths of width and height below which a box is empty")
    least_span: float = Field(0.05, ge=0, description="seconds below which a span is empty")
    beyond_clip: float = Field(1.0, ge=0, description="seconds by which a span may end after its clip")
    answer_words: int = Field(4, ge=1, description="words of a free answer from which a question must not hold it")


@cache
def schema() -> pa.Schema:
    """What cleaning keeps of a row. reason: empty for a sample without a fault. end: the last second that its truth
    names, 0 where it names none. asked, answered, numbers: hashes. minhash: of the question."""
    import pyarrow as pa

    text = pa.string()
    columns: dict[str, Any] = {"id": text, "source": text, "task": text, "media": pa.list_(text), "reason": text}
    hashes = dict.fromkeys(("asked", "answered", "numbers"), pa.uint64())
    return pa.schema(columns | {"end": pa.float64()} | hashes | {"minhash": pa.list_(pa.uint32())})


@dataclass(frozen=True, slots=True)
class Inspect:
    """A stage: samples → rows of `schema()`."""

    checks: RowChecks

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        return pa.RecordBatch.from_pylist([self._row(sample) for sample in to_samples(batch)], schema())

    def _row(self, sample: Sample) -> dict[str, Any]:
        value = _structure(sample)
        question = asked(sample)
        return {
            "id": sample.id, "source": sample.source, "task": sample.task, "media": list(sample.media),
            "reason": next(self.faults(sample, value), ""), "end": max([0.0, *_span(value)]),
            "asked": hash64(question), "answered": hash64(answered(sample)), "numbers": hash64(numbers_of(question)),
            "minhash": minhash(question),
        }  # fmt: skip

    def faults(self, sample: Sample, value: Mapping[str, Any] | None = None) -> Iterator[str]:
        """Reasons, the gravest first."""
        try:
            task = get_task(sample.task)
            score = task.score(sample, read_answer(f"<think></think><answer>{sample.truth}</answer>"))
        except KeyError:
            yield "its task is none"
            return
        except DataError:
            yield "its truth is not in its task's form"
            return
        value = _structure(sample) if value is None else value
        yield from self._absurd(value or {})  # these say more than that such a truth does not score
        # ROUGE-2 has nothing to say of a single word: the measure then tops out below 1.
        most = max(score.accuracy, score.components.get("rouge1", 0.0))
        if most < self.checks.truth_scores - 1e-9:
            yield "its truth does not score on itself"
        if self._given_away(sample):
            yield "its question holds the answer"

    def _absurd(self, value: Mapping[str, Any]) -> Iterator[str]:
        span = _span(value)
        if span and span[1] - span[0] < self.checks.least_span:
            yield "a span without length"
        boxes = [(b[2] - b[0], b[3] - b[1]) for b in _boxes(value)]
        if any(min(sides) < self.checks.least_side for sides in boxes):
            yield "a box without area"
        if boxes and all(min(sides) >= 1000 * self.checks.whole for sides in boxes):
            yield "a box around the whole picture"
        if any(not -1 <= v <= 1001 for box in _boxes(value) for v in box):
            yield "a box beyond the picture"

    def _given_away(self, sample: Sample) -> bool:
        """The question says "the answer is …" and it is, or it holds a free answer of some length word by word."""
        truth, letter = words_of(answered(sample)), sample.truth.strip().lower()
        for said in _SAID.findall(sample.question):
            if words_of(said) in (truth, [letter]) and truth:
                return True
        if sample.task not in _FREE or len(truth) < self.checks.answer_words:
            return False
        return f" {' '.join(truth)} " in f" {' '.join(words_of(sample.question))} "


def _structure(sample: Sample) -> Mapping[str, Any] | None:
    """The truth's fields where it is JSON."""
    if not sample.truth.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(sample.truth)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _numbers(value: Any, count: int) -> list[float]:
    """A list of `count` numbers, or nothing: what else is wrong with it, the task's reading has said."""
    good = isinstance(value, list) and len(value) == count and all(isinstance(v, int | float) for v in value)
    return [float(v) for v in value] if good else []


def _span(value: Mapping[str, Any] | None) -> list[float]:
    return _numbers((value or {}).get("time"), 2)


def _boxes(value: Mapping[str, Any]) -> list[list[float]]:
    """Its boxes; one of zeros stands for an object that is out of sight."""
    found = value.get("boxes")
    boxes = [found] if isinstance(found, list) and not any(isinstance(b, list) for b in found) else found
    each = boxes.values() if isinstance(boxes, dict) else boxes or []
    return [box for box in (_numbers(b, 4) for b in each) if any(box)]
