"""A result in the forms that others read: supervision, COCO, MOTChallenge, DAVIS."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from onethinker.measure.masks import encode
from onethinker.measure.tracks import interpolate
from onethinker.media import MediaError, frame_times
from onethinker.util.files import replacing

if TYPE_CHECKING:
    from supervision import Detections, KeyPoints

    from onethinker.inference.result import Result

DAVIS_PALETTE = (0, 0, 0, 128, 0, 0)
"""The first two colours of DAVIS's annotations: the ground and object 1."""


def to_supervision(result: Result, second: float | None = None) -> Detections | KeyPoints:
    """`supervision.Detections`: xyxy in pixels, class_id by the order in which labels appear, `data["class_name"]`,
    in a clip `tracker_id` and `data["second"]`; a segmentation's rows are its masks, each with the box around it.

    An answer of points and nothing else is `supervision.KeyPoints`, one point a skeleton. second: of a clip, the boxes
    that its frame then has, between two seconds interpolated, the mask nearest in time. Raises MediaError for a second
    of a picture, RuntimeError without supervision.
    """
    try:
        import supervision
    except ImportError as error:
        raise RuntimeError("to_supervision needs the package: pip install supervision") from error
    if second is not None and not result.of_clip:
        raise MediaError(f"second={second:g} is of a clip; this question is about a picture")
    if _is_pointed(result):
        points = result.points
        names = np.array(points.labels, dtype=str)
        return supervision.KeyPoints(points.xy[:, None].astype(np.float32), data={"class_name": names})
    masks = result.masks
    if len(masks):
        whole = masks.data.any(axis=(1, 2))
        if second is not None:
            whole &= np.arange(len(masks)) == np.abs(masks.seconds - second).argmin()
        rows = np.flatnonzero(whole)
        labels, seconds, mask = [masks.label] * len(rows), masks.seconds[rows], masks.data[rows]
        xyxy, things = masks.xyxy[rows], np.ones(len(rows), np.int64)
    elif second is not None:
        xyxy, labels, things = _boxes_at(result, second)
        seconds, mask = np.full(len(labels), second), None
    else:
        boxes = result.boxes
        xyxy, labels, things, seconds, mask = boxes.xyxy, list(boxes.labels), boxes.things, boxes.seconds, None
    named: list[str] = [str(label) for label in labels]
    classes = list(dict.fromkeys(named))
    data: dict[str, Any] = {"class_name": np.array(named, dtype=str)}
    return supervision.Detections(
        xyxy=xyxy.astype(np.float32).reshape(-1, 4),
        mask=mask,
        class_id=np.array([classes.index(label) for label in named], dtype=np.int64),
        tracker_id=things.astype(int) if result.of_clip else None,
        data=data | ({"second": seconds} if result.of_clip else {}),
    )


def to_coco(result: Result) -> dict[str, Any]:
    """`images`, `annotations` and `categories` as pycocotools loads them. Boxes are [left, top, width, height] in
    pixels; a segmentation's annotations have run lengths and the box around them, points are keypoints of one each.

    Of a clip each second that holds something is an image, with its `second`.
    """
    rows = _coco_rows(result)
    name, (width, height) = (result.names or ("",))[0] or "picture", result.size
    labels = list(dict.fromkeys(label for _, label, _ in rows))
    seconds: list[float | None] = [*sorted({s for s, _, _ in rows if s is not None})] if result.of_clip else [None]
    images = [
        {"id": n, "file_name": name, "width": width, "height": height} | ({} if second is None else {"second": second})
        for n, second in enumerate(seconds, 1)
    ]
    image_of = {second: n for n, second in enumerate(seconds, 1)}
    annotations = [
        {"id": n, "image_id": image_of[second], "category_id": labels.index(label) + 1, "iscrowd": 0} | fields
        for n, (second, label, fields) in enumerate(rows, 1)
    ]
    pointed: dict[str, Any] = {"keypoints": ["point"], "skeleton": []} if _is_pointed(result) else {}
    categories = [{"id": n, "name": label or "object"} | pointed for n, label in enumerate(labels, 1)]
    return {"info": {"description": result.question}, "images": images, "annotations": annotations,
            "categories": categories}  # fmt: skip


def to_mot(result: Result, fps: float | None = None) -> str:
    """One line a frame and object: `frame, id, left, top, width, height, conf, x, y, z`, comma-separated.

    As TrackEval's kit for MOTChallenge says, frames, ids, left and top count from 1 (the first pixel is 1, 1); x, y, z
    are −1. Boxes between two seconds of the answer are interpolated, none is made up before the first or after the
    last. fps: frames a second that are counted; the clip's own frames, whatever their times, unless given. A picture is
    frame 1.
    """
    if not result.of_clip:
        frames = {1: (result.boxes.xyxy, np.arange(len(result.boxes)) + 1)}
    else:
        times = frame_times(result.media[0])
        if fps is not None:
            times = np.arange(max(1, round(result.infos[0].duration * fps))) / fps
        frames = {}
        for n, second in enumerate(times, 1):
            xyxy, _, things = _boxes_at(result, float(second))
            frames[n] = xyxy, things
    lines = []
    for frame, (xyxy, things) in frames.items():
        for (left, top, right, bottom), thing in zip(xyxy, things, strict=True):
            place = (f"{value:.2f}" for value in (left + 1, top + 1, right - left, bottom - top))
            lines.append(",".join([str(frame), str(thing), *place, "1", "-1", "-1", "-1"]))
    return "".join(f"{line}\n" for line in lines)


def to_davis(result: Result, folder: Path) -> list[Path]:
    """Write `00000.png`, `00001.png`, …: palette pictures at the file's size, 0 the ground and 1 the object, of a clip
    one for each of its frames, as davis2017-evaluation opens them. Raises MediaError where the answer has no masks."""
    times = frame_times(result.media[0]) if result.of_clip else None
    masks = result.masks_at(times)
    if not len(masks):
        raise MediaError(f"the answer to {result.question!r:.80} has no masks; ask by the verb `segment`")
    made = []
    for n, mask in enumerate(masks.data):
        picture = Image.fromarray(mask.astype(np.uint8))
        picture.putpalette(DAVIS_PALETTE)
        file = folder / f"{n:05d}.png"
        with replacing(file) as aside:
            picture.save(aside, "PNG")
        made.append(file)
    return made


def _boxes_at(result: Result, second: float) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Boxes (M, 4) in pixels, labels and things (M,) of a clip's frame: of each object whose first box is not later and
    whose last is not earlier, both to a millisecond, within the answer's span where it has one."""
    boxes, span = result.boxes, result.span
    if span and not min(span) - 1e-3 <= second <= max(span) + 1e-3:
        return np.zeros((0, 4)), [], np.zeros(0, np.int64)
    found, labels, things = [], [], []
    for thing in dict.fromkeys(boxes.things.tolist()):
        rows = np.flatnonzero(boxes.things == thing)
        known = {float(boxes.seconds[row]): tuple(boxes.xyxy[row]) for row in rows}
        if min(known) - 1e-3 <= second <= max(known) + 1e-3:
            found.append(interpolate(known, [second])[0])
            labels.append(boxes.labels[rows[0]])
            things.append(thing)
    return np.array(found).reshape(-1, 4), labels, np.array(things, np.int64)


def _is_pointed(result: Result) -> bool:
    """Whether the answer is points and nothing else."""
    return len(result.points) > 0 and not len(result.boxes)


def _coco_rows(result: Result) -> list[tuple[float | None, str, dict[str, Any]]]:
    """(second or None, label, the annotation's own fields)."""
    masks, boxes, points = result.masks, result.boxes, result.points
    if len(masks):
        placed = zip(masks.seconds, masks.data, masks.xyxy, strict=True)
        return [
            (_second(s), masks.label, {"segmentation": encode(mask), "area": float(mask.sum()), "bbox": _xywh(box)})
            for s, mask, box in placed
            if mask.any()
        ]
    if _is_pointed(result):
        return [
            (_second(s), label, {"keypoints": [*_rounded(xy), 2], "num_keypoints": 1, "area": 0.0,
                                 "bbox": [*_rounded(xy), 0.0, 0.0], "segmentation": []})
            for s, label, xy in zip(points.seconds, points.labels, points.xy, strict=True)
        ]  # fmt: skip
    return [
        (_second(s), label, {"bbox": _xywh(box), "area": float(np.prod(box[2:] - box[:2])), "segmentation": []})
        for s, label, box in zip(boxes.seconds, boxes.labels, boxes.xyxy, strict=True)
    ]


def _second(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _xywh(box: np.ndarray) -> list[float]:
    return _rounded([box[0], box[1], box[2] - box[0], box[3] - box[1]])


def _rounded(values: Any) -> list[float]:
    return [round(float(value), 3) for value in values]
