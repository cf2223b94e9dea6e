"""Spatial-temporal grounding: when in a clip something happens, and where, a box for every whole second of it."""

from __future__ import annotations

from dataclasses import dataclass

from onethinker.measure import spans, tracks
from onethinker.sample import Sample
from onethinker.tasks.base import Malformed, Measured, MetricProfile, Score, Task, Terms, make_templates
from onethinker.tasks.drawing import Picture
from onethinker.tasks.reading import NO_BOX, Span, Track, read_object, read_span, read_track


@dataclass(frozen=True, slots=True)
class Tube:
    """span: seconds, None where it was not readable. boxes: by whole second, NO_BOX where not readable.
    shaped: the published check of the form passed, a list of two as time and a box at every key."""

    span: Span | None
    boxes: Track
    shaped: bool = False


class SpatialTemporalGrounding(Task[Tube]):
    """Rewards judge boxes at common seconds (`released`, `paper`) or over the union of seconds (`hardened`)."""

    name = "spatial_temporal_grounding"
    title = "Spatial-temporal grounding"
    modalities = ("video",)
    example = '{"time": [start, end], "boxes": {"9": [x1, y1, x2, y2], "10": [x1, y1, x2, y2]}}'
    paper_max = 2.0
    nothing = Tube(None, {})
    structured = True
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

    def measure(self, pred: Tube, true: Tube, sample: Sample) -> Measured:
        assert true.span is not None
        tiou = float(spans.iou(pred.span, true.span)[0]) if pred.span else 0.0
        common = tracks.mean_over_common(pred.boxes, true.boxes)
        union = tracks.mean_over_union(pred.boxes, true.boxes)
        evidence = {
            "tiou_official": float(spans.iou_official(pred.span, true.span)[0]) if pred.span else 0.0,
            "siou_true": tracks.mean_over_true_seconds(pred.boxes, true.boxes),
            "siou_union": union,
            "viou": tracks.viou(pred.boxes, true.boxes, pred.span, true.span) if pred.span else 0.0,
        }
        return Measured(
            0.5 * tiou + 0.5 * common,
            {"tiou": tiou, "siou": common},
            evidence,
            paper=tiou + common,
            hardened=tiou + union,
        )

    def structure(self, pred: Tube, true: Tube, valid: bool) -> float:
        return 0.25 * pred.shaped + 0.25 * tracks.key_overlap(pred.boxes, true.boxes)

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        """official sIoU is over the true seconds, so that a missing box costs; released over the common ones."""
        parts, evidence = score.components, score.evidence
        tiou, siou = parts.get("tiou", 0.0), parts.get("siou", 0.0)
        if profile == "official":
            tiou, siou = evidence.get("tiou_official", 0.0), evidence.get("siou_true", 0.0)
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

    def paint(self, picture: Picture, value: Tube, colour: str, sample: Sample) -> None:
        if value.span:
            picture.span(*value.span, colour)
        picture.box(value.boxes.get(round(picture.second), NO_BOX), colour)
