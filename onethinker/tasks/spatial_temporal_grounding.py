"""Spatial-temporal grounding: when in a clip something happens, and where, a box for every whole second of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from onethinker.measure import spans, tracks
from onethinker.sample import Sample
from onethinker.tasks.base import Malformed, Measured, MetricProfile, Score, Task, Terms, make_templates
from onethinker.tasks.drawing import Picture
from onethinker.tasks.found import Found, FoundBox, label_of
from onethinker.tasks.plain_json import Bools, Floats, Four, Second, Two, plain_reader, rows_of_numbers, upright
from onethinker.tasks.reading import Span, Track, read_object, read_span, read_track


@dataclass(frozen=True, slots=True)
class Tube:
    """span: seconds, None where it was not readable. boxes: by whole second, NO_BOX where not readable.
    shaped: the published check of the form passed, a list of two as time and a box at every key."""

    span: Span | None
    boxes: Track
    shaped: bool = False


@dataclass(frozen=True, slots=True)
class Tubes:
    """N tubes as arrays. shaped_N: as `Tube.shaped`."""

    span_N2: Floats
    tracks: tracks.Tracks
    shaped_N: Bools


_NO_SPAN: Span = (math.inf, -math.inf)
"""Stands where there is no span: it overlaps with none, and no second lies within it."""


class _Plain(msgspec.Struct, forbid_unknown_fields=True):
    boxes: dict[Second, Four]
    time: Two


_plain = plain_reader(_Plain, lambda found: len(found.boxes))


class SpatialTemporalGrounding(Task[Tube]):
    """Rewards judge boxes at common seconds (`released`, `paper`) or over the union of seconds (`hardened`)."""

    name = "spatial_temporal_grounding"
    title = "Spatial-temporal grounding"
    modalities = ("video",)
    example = '{"time": [start, end], "boxes": {"9": [x1, y1, x2, y2], "10": [x1, y1, x2, y2]}}'
    paper_max = 2.0
    nothing = Tube(None, {})
    structured = True
    published = "spatial-temporal grounding"
    group = "Spatial-temporal"
    scenes = ("clip",)
    example_truth = (
        '{"time": [3.2, 6.8], "boxes": '
        '{"4": [100, 200, 300, 400], "5": [110, 210, 310, 410], "6": [120, 220, 320, 420]}}'
    )
    templates = make_templates(
        "tube: {question}",
        "The answer is JSON: the start and the end of the moment in seconds, and for every whole second within it "
        "one box, left, top, right and bottom edge, each from 0 to 1000 of the frame's width or height.",
        example,
    )

    def parse(self, text: str, sample: Sample, *, lenient: bool = False) -> Tube:
        found = read_object(text, lenient=lenient)
        time, track = found.get("time"), read_track(found.get("boxes"), lenient=lenient)
        faults, span = list(track.faults), None
        try:
            span = read_span(time, lenient=lenient)
        except Malformed as fault:
            faults.append(fault)
        shaped = track.shaped and isinstance(time, list) and len(time) == 2
        tube = Tube(span, track.boxes, shaped)
        if faults:
            raise Malformed(str(faults[0]), tube)
        return tube

    def plain(self, text: str) -> Tube | None:
        found = _plain(text)
        return Tube(found.time, found.boxes, True) if found is not None and found.boxes else None

    def arrays(self, values: Sequence[Tube]) -> Tubes:
        span_N2 = rows_of_numbers([value.span or _NO_SPAN for value in values], 2)
        shaped_N = np.array([value.shaped for value in values])
        return Tubes(span_N2, tracks.Tracks.of([value.boxes for value in values]), shaped_N)

    def measure(self, pred: Tubes, true: Tubes, samples: Sequence[Sample]) -> Measured:
        pairs, tiou_N = tracks.pair(pred.tracks, true.tracks), spans.iou(pred.span_N2, true.span_N2)
        common_N, union_N = tracks.mean_over_common(pairs), tracks.mean_over_union(pairs)
        return Measured(
            0.5 * tiou_N + 0.5 * common_N,
            {"tiou": tiou_N, "siou": common_N},
            {
                "siou_true": tracks.mean_over_true_seconds(pairs),
                "siou_union": union_N,
                "viou": tracks.viou(pairs, pred.span_N2, true.span_N2),
            },
            paper=tiou_N + common_N,
            hardened=tiou_N + union_N,
            structure=0.25 * pred.shaped_N + 0.25 * tracks.key_overlap(pairs),
        )

    def reads_alike(self, pred: Tubes) -> Bools:
        in_order_N = pred.span_N2[:, 0] <= pred.span_N2[:, 1]
        return np.asarray(in_order_N & pred.tracks.all(upright(pred.tracks.boxes_M4)))

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        """official sIoU is over the true seconds, so that a missing box costs; released over the common ones. tIoU is
        that of LLaVA-ST's tool in both."""
        parts, evidence = score.components, score.evidence
        tiou, siou = parts.get("tiou", 0.0), parts.get("siou", 0.0)
        if profile == "official":
            siou = evidence.get("siou_true", 0.0)
        viou = evidence.get("viou", 0.0)
        return {
            "mean": ((tiou + siou) / 2, 1.0),
            "tIoU": (tiou, 1.0),
            "sIoU": (siou, 1.0),
            "tIoU@0.5": (float(tiou >= 0.5), 1.0),
            "stIoU": (evidence.get("siou_union", 0.0), 1.0),
            "vIoU": (viou, 1.0),
            "vIoU@0.3": (float(viou > 0.3), 1.0),
            "vIoU@0.5": (float(viou > 0.5), 1.0),
        }

    def found(self, value: Tube, sample: Sample) -> Found:
        label = label_of(sample)
        return Found(tuple(FoundBox(box, label, float(s)) for s, box in sorted(value.boxes.items())), span=value.span)

    def paint(self, picture: Picture, value: Tube, colour: str, sample: Sample) -> None:
        if value.span:
            picture.span(*value.span, colour)
        picture.track(value.boxes, colour, value.span)
