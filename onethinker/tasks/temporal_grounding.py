"""Temporal grounding: when in a clip something happens."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from onethinker.measure import spans
from onethinker.sample import Sample
from onethinker.tasks.base import Measured, MetricProfile, Score, Task, Terms, make_templates, meta_number
from onethinker.tasks.drawing import Picture
from onethinker.tasks.found import Found
from onethinker.tasks.plain_json import Bools, Floats, Two, plain_reader, rows_of_numbers
from onethinker.tasks.reading import Span, read_object, read_span


class _Plain(msgspec.Struct, forbid_unknown_fields=True):
    time: Two


_plain = plain_reader(_Plain)


class TemporalGrounding(Task[Span]):
    """Rewards and the official metric take tIoU as published, which is the one of TimeChat's, VTimeLLM's and LLaVA-ST's
    tools. Where `meta["tiou"]` is "ordered" (ANet-RTL) the official metric orders spans and cuts them to
    `meta["duration"]`, if given, as LITA's tool does."""

    name = "temporal_grounding"
    title = "Temporal grounding"
    modalities = ("video",)
    example = '{"time": [start, end]}'
    nothing = (0.0, 0.0)
    structured = True
    group = "Temporal"
    scenes = ("clip",)
    example_truth = '{"time": [3.5, 9.25]}'
    templates = make_templates(
        "when: {question}", "The answer is JSON with the start and the end of the moment in seconds.", example
    )

    def parse(self, text: str, sample: Sample, *, lenient: bool = False) -> Span:
        return read_span(read_object(text, lenient=lenient).get("time"), lenient=lenient)

    def plain(self, text: str) -> Span | None:
        found = _plain(text)
        return None if found is None else found.time

    def arrays(self, values: Sequence[Span]) -> Floats:
        """(N, 2), seconds."""
        return rows_of_numbers(values, 2)

    def measure(self, pred: Floats, true: Floats, samples: Sequence[Sample]) -> Measured:
        tiou_N = official_N = spans.iou(pred, true)
        ordered_N = np.array([sample.meta.get("tiou") == "ordered" for sample in samples])
        if ordered_N.any():
            ends_N = np.array([meta_number(sample, "duration") for sample in samples], dtype=np.float64)
            official_N = np.where(ordered_N, spans.iou_ordered(pred, true, ends_N), tiou_N)
        return Measured(tiou_N, {"tiou": tiou_N}, {"tiou_official": official_N})

    def reads_alike(self, pred: Floats) -> Bools:
        return np.asarray(pred[:, 0] <= pred[:, 1])

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        tiou = score.accuracy if profile == "released" else score.evidence.get("tiou_official", 0.0)
        return {"mIoU": (tiou, 1.0)} | {f"R@{m}": (float(tiou >= m), 1.0) for m in (0.3, 0.5, 0.7)}

    def found(self, value: Span, sample: Sample) -> Found:
        return Found(span=value)

    def paint(self, picture: Picture, value: Span, colour: str, sample: Sample) -> None:
        picture.span(*value, colour)
