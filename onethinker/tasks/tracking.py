"""Tracking: where an object given in the first frame is, second by second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onethinker.measure import tracks
from onethinker.sample import DataError, Sample
from onethinker.tasks.base import Malformed, Measured, MetricProfile, Score, Task, Terms, make_templates, meta_number
from onethinker.tasks.drawing import Picture
from onethinker.tasks.reading import NO_BOX, Track, read_object, read_track

FRAME_SIZE = (1000.0, 1000.0)


@dataclass(frozen=True, slots=True)
class Path:
    """boxes: key k is the box at k − 1 seconds, NO_BOX where not readable. shaped: a box at every key."""

    boxes: Track
    shaped: bool = False


class Tracking(Task[Path]):
    """Rewards are mIoU over the true seconds; `hardened` leaves out the given first box and counts surplus boxes.

    official metrics are GOT-10k's: over a clip's frames where `meta["frame_boxes"]` has a true box a frame (0–1000, at
    `meta["fps"]`, with `meta["cover"]`), the answer interpolated; else over its seconds.
    """

    name = "tracking"
    title = "Tracking"
    modalities = ("video",)
    example = '{"boxes": {"1": [x1, y1, x2, y2], "2": [x1, y1, x2, y2]}}'
    nothing = Path({})
    structured = True
    templates = make_templates(
        "track: {question}",
        "The answer is JSON with one box a second, at most 32: key 1 is the first frame, key 2 one second later, "
        "and so on; each box is left, top, right and bottom edge, each from 0 to 1000 of the frame's width or height.",
        example,
    )

    def parse(self, text: str, sample: Sample, *, lenient: bool = False) -> Path:
        track = read_track(read_object(text, lenient=lenient).get("boxes"), lenient=lenient)
        path = Path(track.boxes, track.shaped)
        if track.faults:
            raise Malformed(str(track.faults[0]), path)
        return path

    def measure(self, pred: Path, true: Path, sample: Sample) -> Measured:
        miou = tracks.mean_over_true_seconds(pred.boxes, true.boxes)
        return Measured(
            miou,
            {"miou": miou},
            {"got10k": _got10k(pred.boxes, true.boxes, sample), "seconds": _seconds(pred.boxes, true.boxes)},
            hardened=tracks.mean_over_union(_searched(pred.boxes, true.boxes), _searched(true.boxes, true.boxes)),
        )

    def structure(self, pred: Path, true: Path, valid: bool) -> float:
        return 0.25 * pred.shaped + 0.25 * tracks.key_overlap(pred.boxes, true.boxes)

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        """official: GOT-10k's frames, pooled, first left out. released: seconds, clip by clip."""
        if profile == "released":
            return {"AO": (score.accuracy, 1.0)} | _shares(score.evidence.get("seconds", {}))
        found = score.evidence.get("got10k", {})
        return {"AO": (found.get("iou", 0.0), found.get("frames", 0.0))} | _shares(found)

    def paint(self, picture: Picture, value: Path, colour: str, sample: Sample) -> None:
        picture.box(value.boxes.get(round(picture.second) + 1, NO_BOX), colour)


def _searched(boxes: Track, true: Track) -> Track:
    """Without key 1, which the question gives, unless the truth has nothing else."""
    return {k: box for k, box in boxes.items() if k != 1 or len(true) == 1}


def _shares(found: dict[str, float]) -> Terms:
    frames = found.get("frames", 0.0)
    return {f"SR{t}": (found.get(f"above_{t}", 0.0), frames) for t in (0.5, 0.75)}


def _seconds(pred: Track, true: Track) -> dict[str, float]:
    ious = tracks.overlaps(pred, true, true)
    return {"frames": float(ious.size)} | {f"above_{t}": float((ious > t).sum()) for t in (0.5, 0.75)}


def _got10k(pred: Track, true: Track, sample: Sample) -> dict[str, float]:
    """One clip's sums for AO and SR. IoU in 0–1000 of the frame equals IoU in pixels."""
    dense = sample.meta.get("frame_boxes")
    if dense is None:
        keys = sorted(true)
        return tracks.got10k([pred.get(k, NO_BOX) for k in keys], [true[k] for k in keys], FRAME_SIZE)
    fps = meta_number(sample, "fps")
    if fps is None:
        raise DataError(f"sample {sample.id}: meta['frame_boxes'] needs meta['fps'], the frames a second")
    try:
        true_F4 = np.asarray(dense, dtype=np.float64).reshape(-1, 4)
        pred_F4 = tracks.interpolate({k - 1.0: box for k, box in pred.items()}, np.arange(len(true_F4)) / fps)
        return tracks.got10k(pred_F4, true_F4, FRAME_SIZE, sample.meta.get("cover"))
    except (TypeError, ValueError) as error:
        raise DataError(f"sample {sample.id}: meta['frame_boxes'] or meta['cover'] is not usable: {error}") from error
