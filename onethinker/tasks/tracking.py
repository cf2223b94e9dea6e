"""Tracking: where an object given in the first frame is, second by second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from onethinker.measure import tracks
from onethinker.sample import DataError, Sample
from onethinker.tasks.base import Malformed, Measured, MetricProfile, Score, Task, Terms, make_templates, meta_number
from onethinker.tasks.drawing import Picture
from onethinker.tasks.found import Found, FoundBox
from onethinker.tasks.plain_json import Bools, Floats, Four, Second, plain_reader, upright
from onethinker.tasks.reading import Track, read_object, read_track

FRAME_SIZE = (1000.0, 1000.0)


@dataclass(frozen=True, slots=True)
class Path:
    """boxes: key k is the box at k − 1 seconds, NO_BOX where not readable. shaped: a box at every key."""

    boxes: Track
    shaped: bool = False


@dataclass(frozen=True, slots=True)
class Paths:
    """N paths, and their boxes as arrays."""

    values: Sequence[Path]
    tracks: tracks.Tracks


class _Plain(msgspec.Struct, forbid_unknown_fields=True):
    boxes: dict[Second, Four]


_plain = plain_reader(_Plain, lambda found: len(found.boxes))


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
    group = "Tracking"
    scenes = ("clip",)
    example_truth = '{"boxes": {"1": [100, 200, 300, 400], "2": [110, 210, 310, 410], "3": [120, 220, 320, 420]}}'
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

    def plain(self, text: str) -> Path | None:
        found = _plain(text)
        return Path(found.boxes, True) if found is not None and found.boxes else None

    def arrays(self, values: Sequence[Path]) -> Paths:
        return Paths(values, tracks.Tracks.of([value.boxes for value in values]))

    def measure(self, pred: Paths, true: Paths, samples: Sequence[Sample]) -> Measured:
        pairs = tracks.pair(pred.tracks, true.tracks)
        miou_N = tracks.mean_over_true_seconds(pairs)
        return Measured(
            miou_N,
            {"miou": miou_N},
            {"got10k": _got10k(pairs, pred.values, samples), "seconds": _seconds(pairs)},
            hardened=tracks.mean_over_union(_searched(pairs)),
            structure=0.25 * np.array([path.shaped for path in pred.values]) + 0.25 * tracks.key_overlap(pairs),
        )

    def reads_alike(self, pred: Paths) -> Bools:
        return pred.tracks.all(upright(pred.tracks.boxes_M4))

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        """official: GOT-10k's frames, pooled, first left out. released: seconds, clip by clip."""
        if profile == "released":
            return {"AO": (score.accuracy, 1.0)} | _shares(score.evidence.get("seconds", {}))
        found = score.evidence.get("got10k", {})
        return {"AO": (found.get("iou", 0.0), found.get("frames", 0.0))} | _shares(found)

    def found(self, value: Path, sample: Sample) -> Found:
        label = str(sample.meta.get("phrase") or "")  # the question holds the first box in words
        return Found(tuple(FoundBox(box, label, key - 1.0) for key, box in sorted(value.boxes.items())))

    def paint(self, picture: Picture, value: Path, colour: str, sample: Sample) -> None:
        picture.track({key - 1: box for key, box in value.boxes.items()}, colour)


def _searched(pairs: tracks.Pairs) -> tracks.Pairs:
    """Without key 1, which the question gives, unless the truth has nothing else."""
    alone_N = pairs.true.count_N == 1
    keep_M, keep_K = ((side.key_M != 1) | alone_N[side.row_M] for side in (pairs.pred, pairs.true))
    return tracks.at_keys(pairs, keep_M, keep_K)


def _shares(found: dict[str, float]) -> Terms:
    frames = found.get("frames", 0.0)
    return {f"SR{t}": (found.get(f"above_{t}", 0.0), frames) for t in (0.5, 0.75)}


def _seconds(pairs: tracks.Pairs) -> list[dict[str, float]]:
    """Sums over each clip's true seconds."""
    iou_K = pairs.iou_K
    return _rows(
        {"frames": pairs.true.count_N.astype(float)} | {f"above_{t}": pairs.sums(iou_K > t) for t in (0.5, 0.75)}
    )


def _got10k(pairs: tracks.Pairs, paths: Sequence[Path], samples: Sequence[Sample]) -> list[dict[str, float]]:
    """Each clip's sums for AO and SR. IoU in 0–1000 of the frame equals IoU in pixels."""
    true = pairs.true
    rows = _rows(tracks.got10k(pairs.pred_K4, true.boxes_M4, FRAME_SIZE, frames_N=true.count_N))
    for place, (path, sample) in enumerate(zip(paths, samples, strict=True)):
        if sample.meta and sample.meta.get("frame_boxes") is not None:
            rows[place] = _frame_by_frame(path.boxes, sample)
    return rows


def _frame_by_frame(pred: Track, sample: Sample) -> dict[str, float]:
    """The sums over the frames that have a true box. Raises DataError."""
    fps = meta_number(sample, "fps")
    if fps is None:
        raise DataError(f"sample {sample.id}: meta['frame_boxes'] needs meta['fps'], the frames a second")
    try:
        true_F4 = np.asarray(sample.meta["frame_boxes"], dtype=np.float64).reshape(-1, 4)
        pred_F4 = tracks.interpolate({k - 1.0: box for k, box in pred.items()}, np.arange(len(true_F4)) / fps)
        return _rows(tracks.got10k(pred_F4, true_F4, FRAME_SIZE, sample.meta.get("cover")))[0]
    except (TypeError, ValueError) as error:
        raise DataError(f"sample {sample.id}: meta['frame_boxes'] or meta['cover'] is not usable: {error}") from error


def _rows(columns: dict[str, Floats]) -> list[dict[str, Any]]:
    """A mapping a clip."""
    return [dict(zip(columns, row)) for row in zip(*(column.tolist() for column in columns.values()), strict=True)]
