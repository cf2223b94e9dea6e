"""A result as JSON: one form for Python (`Result.to_json`), the command line (`ask --json`), the server and the page.

Version 1, one object:

    schema, version     "onethinker.result", 1
    task, question, options
    inferred            why this task, where the question's words decided (`inference.infer`); else empty
    media               a list of {name, kind ("image" | "clip"), width, height, duration (s), frames, fps}, upright;
                        name is without its folder, empty for media from memory
    model               the identity of who answered
    status              ok | no_answer | malformed | truncated | error
    problem             what was expected and found where status is not ok; else empty
    thinking, answer    the text between the tags
    value               the parsed answer in the task's own form; null where it is not in form
    boxes               a list of {label, thing, second (null in a picture), box [x1, y1, x2, y2] in 0–1000,
                        pixels: the same in pixels}; boxes of one thing are of one object
    points              a list of {label, thing, second, positive, point [x, y] in 0–1000, pixels}
    span                [from, to] in seconds, or null
    masks               a list of {label, second, size [height, width], counts}: COCO's compressed run lengths
                        (column by column, as pycocotools reads them); null where they were not asked for
    tokens, seconds     of the answer
    agreement           of several sampled answers how far the others agree with this one, 0-1; else null
    turns               a list of {text, tool, failed, response}, one a tool call before the answer; response: a list of
                        words and of pictures, {png: base64 of the file}
    convention          the above in a few words, so that a record explains itself

A field may be added within a version; none changes its meaning.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from onethinker.engines.base import Turn
from onethinker.measure.masks import encode

if TYPE_CHECKING:
    from onethinker.inference.result import Result

SCHEMA, VERSION = "onethinker.result", 1
CONVENTION = {
    "box": "[left, top, right, bottom], 0-1000 of width and height",
    "point": "[x, y], 0-1000 of width and height",
    "pixels": "the same in pixels of the upright first medium, 0 at its left and top edge",
    "time": "seconds from the first frame",
    "masks": "COCO compressed run lengths, size [height, width]",
}


def record_of(result: Result, masks: bool = True) -> dict[str, Any]:
    """The record of version 1. Raises MediaError for media that are gone, SegmenterError."""
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "task": result.task,
        "question": result.question,
        "options": list(result.sample.options),
        "inferred": str(result.sample.meta.get("inferred", "")),
        "media": _media(result),
        "model": result.model,
        "status": result.status.value,
        "problem": result.problem,
        "thinking": result.thinking,
        "answer": result.text,
        "value": plain(result.value),
        "boxes": _boxes(result),
        "points": _points(result),
        "span": plain(result.span),
        "masks": _masks(result) if masks else None,
        "tokens": result.tokens,
        "seconds": round(result.seconds, 4),
        "agreement": result.agreement,
        "turns": [turn_row(turn) for turn in result.turns],
        "convention": CONVENTION,
    }


def turn_row(turn: Turn) -> dict[str, Any]:
    """A turn with its call, as plain JSON values."""
    response = [{"png": base64.b64encode(p).decode()} if isinstance(p, bytes) else p for p in turn.response]
    return {"text": turn.text, "tool": turn.tool, "failed": turn.failed, "response": response}


def read_turn(row: Mapping[str, Any]) -> Turn:
    """A turn of a record again."""
    response = tuple(base64.b64decode(p["png"]) if isinstance(p, Mapping) else p for p in row["response"])
    return Turn(row["text"], response, row["tool"], row["failed"])


def _media(result: Result) -> list[dict[str, Any]]:
    names = result.names or ("",) * len(result.media)
    return [
        {
            "name": name, "kind": info.kind, "width": info.width, "height": info.height,
            "duration": round(info.duration, 6), "frames": info.frames, "fps": round(info.fps, 6),
        }
        for name, info in zip(names, result.infos, strict=True)
    ]  # fmt: skip


def _boxes(result: Result) -> list[dict[str, Any]]:
    boxes = result.boxes
    rows = zip(boxes.labels, boxes.things, boxes.seconds, boxes.xyxy_1000, boxes.xyxy, strict=True)
    return [
        {"label": label, "thing": int(thing), "second": plain(second), "box": plain(box), "pixels": _pixels(pixels)}
        for label, thing, second, box, pixels in rows
    ]


def _points(result: Result) -> list[dict[str, Any]]:
    points = result.points
    rows = zip(
        points.labels, points.things, points.seconds, points.positive, points.xy_1000, points.xy, strict=True
    )  # fmt: skip
    return [
        {
            "label": label, "thing": int(thing), "second": plain(second), "positive": bool(positive),
            "point": plain(point), "pixels": _pixels(pixels),
        }
        for label, thing, second, positive, point, pixels in rows
    ]  # fmt: skip


def _masks(result: Result) -> list[dict[str, Any]]:
    masks = result.masks
    return [
        {"label": masks.label, "second": plain(second), **encode(mask)}
        for second, mask in zip(masks.seconds, masks.data, strict=True)
    ]


def _pixels(values: np.ndarray) -> list[float]:
    """To a hundredth of a pixel."""
    return [round(float(value), 2) for value in values]


def plain(value: Any) -> Any:
    """A parsed answer as JSON values: dataclasses and mappings as objects, arrays and sequences as lists; what is not
    finite is null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
