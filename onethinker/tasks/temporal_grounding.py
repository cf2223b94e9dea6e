"""Temporal grounding: when in a clip something happens."""

from __future__ import annotations

from onethinker.measure import spans
from onethinker.sample import Sample
from onethinker.tasks.base import Measured, MetricProfile, Score, Task, Terms, make_templates, meta_number
from onethinker.tasks.drawing import Picture
from onethinker.tasks.reading import Span, read_object, read_span


class TemporalGrounding(Task[Span]):
    """Rewards take tIoU as published; the official metric sorts spans and cuts them to `meta["duration"]` if given."""

    name = "temporal_grounding"
    title = "Temporal grounding"
    modalities = ("video",)
    example = '{"time": [start, end]}'
    nothing = (0.0, 0.0)
    structured = True
    templates = make_templates(
        "when: {question}", "The answer is JSON with the start and the end of the moment in seconds.", example
    )

    def parse(self, text: str, sample: Sample, *, lenient: bool = False) -> Span:
        return read_span(read_object(text, lenient=lenient).get("time"), lenient=lenient)

    def measure(self, pred: Span, true: Span, sample: Sample) -> Measured:
        tiou = float(spans.iou(pred, true)[0])
        official = float(spans.iou_official(pred, true, meta_number(sample, "duration"))[0])
        return Measured(tiou, {"tiou": tiou}, {"tiou_official": official})

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        tiou = score.accuracy if profile == "released" else score.evidence.get("tiou_official", 0.0)
        return {"mIoU": (tiou, 1.0)} | {f"R@{m}": (float(tiou >= m), 1.0) for m in (0.3, 0.5, 0.7)}

    def paint(self, picture: Picture, value: Span, colour: str, sample: Sample) -> None:
        picture.span(*value, colour)
