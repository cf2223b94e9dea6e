"""Spatial grounding: the box of what an expression names."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from onethinker.measure import boxes
from onethinker.sample import Sample
from onethinker.tasks.base import Measured, MetricProfile, Score, Task, Terms, make_templates
from onethinker.tasks.drawing import Picture
from onethinker.tasks.found import Found, FoundBox, label_of
from onethinker.tasks.plain_json import Bools, Floats, Four, plain_reader, rows_of_numbers, upright
from onethinker.tasks.reading import NO_BOX, Box, read_box, read_object


class _Plain(msgspec.Struct, forbid_unknown_fields=True):
    boxes: Four


_plain = plain_reader(_Plain)


class SpatialGrounding(Task[Box]):
    name = "spatial_grounding"
    title = "Spatial grounding"
    modalities = ("image",)
    example = '{"boxes": [x1, y1, x2, y2]}'
    nothing = NO_BOX
    structured = True
    group = "Spatial"
    scenes = ("still",)
    example_truth = '{"boxes": [100, 200, 500, 800]}'
    templates = make_templates(
        "box: {question}",
        "The answer is JSON with the box of what is asked for: left, top, right and bottom edge, "
        "each from 0 to 1000 of width or height.",
        example,
    )

    def parse(self, text: str, sample: Sample, *, lenient: bool = False) -> Box:
        return read_box(read_object(text, lenient=lenient).get("boxes"), lenient=lenient)

    def plain(self, text: str) -> Box | None:
        found = _plain(text)
        return None if found is None else found.boxes

    def arrays(self, values: Sequence[Box]) -> Floats:
        """(N, 4)."""
        return rows_of_numbers(values, 4)

    def measure(self, pred: Floats, true: Floats, samples: Sequence[Sample]) -> Measured:
        iou_N = boxes.iou(pred, true)
        return Measured(iou_N, {"iou": iou_N})

    def reads_alike(self, pred: Floats) -> Bools:
        return upright(pred)

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        iou = score.accuracy
        return {"Acc@0.5": (iou >= 0.5, 1.0), "mIoU": (iou, 1.0), "Acc@0.7": (iou >= 0.7, 1.0)}

    def found(self, value: Box, sample: Sample) -> Found:
        return Found((FoundBox(value, label_of(sample)),))

    def paint(self, picture: Picture, value: Box, colour: str, sample: Sample) -> None:
        picture.box(value, colour)
