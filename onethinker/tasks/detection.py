"""Detection: every object of the asked classes, or that a phrase fits, with its label and box."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar, NamedTuple

import msgspec
import numpy as np

from onethinker.measure import detection
from onethinker.sample import Sample
from onethinker.sample.answer import Status
from onethinker.tasks.asking import Ask, Scene, compact, name, norm_box, wanted
from onethinker.tasks.base import Malformed, Measured, MetricProfile, Score, Task, Terms, make_templates
from onethinker.tasks.drawing import Picture
from onethinker.tasks.found import Found as Places
from onethinker.tasks.found import FoundBox
from onethinker.tasks.plain_json import Bools, Four, plain_reader, rows_of_numbers, upright
from onethinker.tasks.reading import Box, read_box, read_list, read_number

MAX_OBJECTS = 1000
MAX_LABEL = 200
"""Characters."""


class Found(NamedTuple):
    """An object. label: in lower case, white space as one space. score: of confidence, 1 unless it is given."""

    label: str
    box: Box
    score: float = 1.0


class _PlainObject(msgspec.Struct, forbid_unknown_fields=True):
    label: str
    box: Four


class _Plain(msgspec.Struct, forbid_unknown_fields=True):
    objects: list[_PlainObject]


_plain = plain_reader(_Plain, lambda found: 3 * len(found.objects))


def every(rng: Random, scene: Scene) -> Ask:
    """Find every red shape → the label and box of each."""
    what, fits = wanted(rng, scene)

    def solve(seen: Scene) -> tuple[str, str]:
        found = [thing for thing in seen.things if fits(thing)]
        objects = [{"label": name(thing), "box": norm_box(thing.box, seen.side)} for thing in found]
        return f"{what}: {', '.join(map(name, found)) or 'none'}", compact({"objects": objects})

    return Ask("every", f"all {what}", solve)


class Detection(Task[tuple[Found, ...]]):
    """Rewards are a smooth F1: 2·Σ credit / (boxes said + boxes true), the sum over the matching with the most credit
    of boxes with the same label, credit 0 up to IoU 0.25 and from there straight up to 1 at IoU 1. A box that finds
    nothing, a second one on the same object and a wrong label all cost: more boxes never pay but for what they find.
    Where there is nothing to find, saying so is right.

    Metrics: F1, precision and recall at IoU 0.5, pooled over questions, and COCO's AP, AP50 and AP75 with the labels as
    classes. A score is taken where an object has one (`"score"`); models that think give none, so that all count 1.0
    and keep the order of the questions and of the answer, as COCO's tool ranks equal scores.
    """

    name = "detection"
    title = "Detection"
    modalities = ("image",)
    example = '{"objects": [{"label": "cat", "box": [x1, y1, x2, y2]}, {"label": "dog", "box": [x1, y1, x2, y2]}]}'
    nothing = ()
    structured = True
    released = False
    group = "Objects"
    scenes = ("still",)
    asks: ClassVar = {"still": (every,)}
    example_truth = (
        '{"objects": [{"label": "cat", "box": [100, 200, 500, 800]}, {"label": "dog", "box": [500, 100, 900, 400]}]}'
    )
    templates = make_templates(
        "detect: {question}",
        "The answer is JSON with every object asked for, none twice: its label, and its box as left, top, right and "
        "bottom edge, each from 0 to 1000 of width or height. The list is empty where there is none.",
        example,
    )

    def parse(self, text: str, sample: Sample, *, lenient: bool = False) -> tuple[Found, ...]:
        entries = read_list(text, "objects", lenient=lenient)
        if len(entries) > MAX_OBJECTS:
            raise Malformed(f"expected at most {MAX_OBJECTS} objects, found {len(entries)}")
        found: list[Found] = []
        faults: list[Malformed] = []
        for entry in entries:
            try:
                found.append(_object(entry, lenient))
            except Malformed as fault:
                faults.append(fault)
        if faults:
            raise Malformed(str(faults[0]), tuple(found))
        return tuple(found)

    def plain(self, text: str) -> tuple[Found, ...] | None:
        found = _plain(text)
        if found is None or len(found.objects) > MAX_OBJECTS or any(len(o.label) > MAX_LABEL for o in found.objects):
            return None
        return tuple(Found(_same(one.label), one.box) for one in found.objects)

    def measure(
        self, pred: Sequence[tuple[Found, ...]], true: Sequence[tuple[Found, ...]], samples: Sequence[Sample]
    ) -> Measured:
        rows = [_compare(said, wanted) for said, wanted in zip(pred, true, strict=True)]
        soft, precision, recall, evidence = zip(*rows, strict=True)
        return Measured(soft, {"f1": soft, "precision": precision, "recall": recall}, {"coco": list(evidence)})

    def reads_alike(self, pred: Sequence[tuple[Found, ...]]) -> Bools:
        return np.array([bool(upright(rows_of_numbers([o.box for o in said], 4)).all()) for said in pred], dtype=bool)

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        hit, said, true = _counts(score.evidence.get("coco", {}))
        empty = float(not said and not true and bool(score.evidence))
        return {
            "F1@0.5": (2.0 * hit + empty, said + true + empty),
            "precision@0.5": (hit + empty, said + empty),
            "recall@0.5": (hit + empty, true + empty),
        }

    def pooled(self, scores: Sequence[Score], profile: MetricProfile) -> dict[str, float]:
        images = []
        for score in scores:
            image = score.evidence.get("coco", {})
            silent = profile == "official" and score.status is not Status.OK
            images.append({label: (true, () if silent else found) for label, (true, found) in image.items()})
        return detection.average_precision(images)

    def found(self, value: tuple[Found, ...], sample: Sample) -> Places:
        return Places(tuple(FoundBox(one.box, one.label, thing=n) for n, one in enumerate(value, 1)))

    def paint(self, picture: Picture, value: tuple[Found, ...], colour: str, sample: Sample) -> None:
        for one in value:
            picture.box(one.box, colour, one.label)
        if not value:
            super().paint(picture, value, colour, sample)


def _object(entry: Any, lenient: bool) -> Found:
    if not isinstance(entry, dict):
        raise Malformed(f'expected an object {{"label": …, "box": […]}}, found {type(entry).__name__}')
    keys = ("box", "bbox_2d", "bbox", "boxes") if lenient else ("box",)
    box = read_box(next((entry[key] for key in keys if key in entry), None), lenient=lenient)
    label = entry.get("label", entry.get("category", entry.get("name")) if lenient else None)
    if not isinstance(label, str) or len(label) > MAX_LABEL or any("\ud800" <= c <= "\udfff" for c in label):
        raise Malformed(f"expected a label of at most {MAX_LABEL} characters, found {type(label).__name__}")
    score = read_number(entry["score"]) if "score" in entry else 1.0
    return Found(_same(label), box, score)


def _same(label: str) -> str:
    return " ".join(label.lower().split())


def _compare(said: tuple[Found, ...], true: tuple[Found, ...]) -> tuple[float, float, float, dict[str, Any]]:
    """Smooth F1, precision and recall, and what COCO counts: label → [true boxes, [[score, bits], …]]."""
    worth, coco = 0.0, {}
    for label in dict.fromkeys(one.label for one in (*true, *said)):
        here, there = ([one for one in side if one.label == label] for side in (said, true))
        iou_PT = detection.iou_matrix([one.box for one in here], [one.box for one in there])
        credit_PT = detection.credit(iou_PT)
        worth += float(credit_PT[detection.assign(credit_PT)].sum())
        coco[label] = [len(there), [list(f) for f in detection.coco_found(iou_PT, [one.score for one in here])]]
    nothing = float(not true and not said)
    precision = worth / len(said) if said else nothing
    recall = worth / len(true) if true else nothing
    return detection.f1(worth, len(said), len(true)), precision, recall, coco


def _counts(image: Mapping[str, Any]) -> tuple[int, int, int]:
    """At IoU 0.5: objects found, boxes said, boxes true."""
    total: Counter[str] = Counter()
    for true, found in image.values():
        total.update(true=true, said=len(found), hit=sum(bits & 1 for _, bits in found))
    return total["hit"], total["said"], total["true"]
