"""A straightforward pure-Python scorer: the same formulas as the package's, and the same scores, one answer at a time.

The baseline of `benchmarks/score.py`. It reads the standard way (`json`, one check a number) and measures pair by pair.
Only multiple choice and mathematics are less than the package's: they compare text.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise, permutations
from typing import Any

from onethinker.sample import Sample

Box = Sequence[float]
Tracks = dict[int, Box]


# ---- reading --------------------------------------------------------------------------------------


def number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= 1e12:
        raise ValueError(f"not a number: {value}")
    return float(value)


def numbers(value: Any, count: int) -> list[float]:
    if not isinstance(value, list) or len(value) != count:
        raise ValueError(f"not {count} numbers: {value}")
    return [number(v) for v in value]


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("duplicate key")
    return dict(pairs)


def no_constant(name: str) -> None:
    raise ValueError(f"not finite: {name}")


def load(text: str) -> dict[str, Any]:
    found = json.loads(text, object_pairs_hook=unique, parse_constant=no_constant)
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def track(value: Any) -> Tracks:
    if not isinstance(value, dict) or not value:
        raise ValueError("no boxes")
    made: Tracks = {}
    for key, box in value.items():
        if not re.fullmatch("0|[1-9][0-9]{0,8}", key):
            raise ValueError(f"not a second: {key}")
        made[int(key)] = numbers(box, 4)
    return made


def points(value: Any) -> list[list[float]]:
    if not isinstance(value, list) or len(value) != 3:
        raise ValueError("not three points")
    return [numbers(point, 2) for point in value]


# ---- formulas -------------------------------------------------------------------------------------


def area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def iou(a: Box, b: Box) -> float:
    area_a, area_b = area(a), area(b)
    if not area_a or not area_b:
        return 0.0
    common = area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    return common / (area_a + area_b - common)


def span_iou(a: Sequence[float], b: Sequence[float]) -> float:
    hull = max(a[1], b[1]) - min(a[0], b[0])
    return max(min(a[1], b[1]) - max(a[0], b[0]), 0.0) / hull if hull > 1e-12 else 0.0


def span_iou_official(a: Sequence[float], b: Sequence[float]) -> float:
    a, b = sorted(a), sorted(b)
    common = max(min(a[1], b[1]) - max(a[0], b[0]), 0.0)
    union = (a[1] - a[0]) + (b[1] - b[0]) - common
    return common / union if union > 1e-12 else 0.0


def near(pred: Sequence[Box], true: Sequence[Box]) -> float:
    least = min(sum(math.dist(p, t) for p, t in zip(pred, order)) for order in permutations(true))
    return math.exp(-((least / 3 / 50) ** 2) / 2)


def clip(box: Box) -> Box:
    x, y = min(max(box[0], 0.0), 1000.0), min(max(box[1], 0.0), 1000.0)
    width = min(max(box[2] - box[0], 0.0), 1000.0 - x)
    height = min(max(box[3] - box[1], 0.0), 1000.0 - y)
    return x, y, x + width, y + height


def edit_distance(a: Sequence[str], b: Sequence[str]) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        left, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            left, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, left + (x != y))
    return row[-1]


def common_length(a: Sequence[str], b: Sequence[str]) -> int:
    row = [0] * (len(b) + 1)
    for x in a:
        left = 0
        for j, y in enumerate(b, 1):
            left, row[j] = row[j], left + 1 if x == y else max(row[j], row[j - 1])
    return row[-1]


def f_measure(a: Counter[Any], b: Counter[Any]) -> float:
    shared = sum((a & b).values())
    return 2 * shared / (sum(a.values()) + sum(b.values())) if shared else 0.0


def stems(text: str, stemmer: Any) -> list[str]:
    return [stemmer.stem(word) if len(word) > 3 else word for word in re.findall("[a-z0-9]+", text.lower())]


def mra(pred: float, true: float, slack: float) -> float:
    if pred == true:
        return 1.0
    error = abs(pred - true) / abs(true) if true else math.inf
    return sum(error < (100 - percent) / 100 + slack for percent in range(50, 100, 5)) / 10


# ---- tasks ---------------------------------------------------------------------------------------------------

Found = tuple[float, dict[str, Any], dict[str, Any], float, float, float]
"""accuracy, components, evidence, R_acc of `paper` and of `hardened`, structure."""


def plain_text(pred: str, true: str) -> Found:
    value = float(pred.strip().upper() == true.strip().upper())
    return value, {}, {}, value, value, 0.5


def numerical(pred: str, true: str) -> Found:
    value = float(round(float(pred.replace(",", "")), 2) == round(float(true.replace(",", "")), 2))
    return value, {}, {}, value, value, 0.5


def regression(pred: str, true: str) -> Found:
    a, b = float(pred.replace(",", "")), float(true.replace(",", ""))
    value = mra(a, b, -1e-9)
    return value, {"mra": value}, {"mra_official": mra(a, b, 1e-9)}, value, value, 0.5


def ocr(pred: str, true: str) -> Found:
    words = true.split()
    errors = edit_distance(words, pred.split())
    value = max(0.0, 1 - errors / len(words))
    return value, {"1-WER": value}, {"words": len(words), "errors": errors}, value, value, 0.5


def make_rouge() -> Callable[[str, str], Found]:
    from nltk.stem.porter import PorterStemmer

    stemmer = PorterStemmer()

    def rouge(pred: str, true: str) -> Found:
        a, b = stems(true, stemmer), stems(pred, stemmer)
        common = common_length(a, b)
        one, two = f_measure(Counter(a), Counter(b)), f_measure(Counter(pairwise(a)), Counter(pairwise(b)))
        long = 2 * common / (len(a) + len(b)) if common else 0.0
        value = (one + two + long) / 3
        return value, {"rouge1": one, "rouge2": two, "rougeL": long}, {}, value, value, 0.5

    return rouge


def spatial(pred: str, true: str) -> Found:
    value = iou(numbers(load(pred).get("boxes"), 4), numbers(load(true).get("boxes"), 4))
    return value, {"iou": value}, {}, value, value, 0.5


def temporal(pred: str, true: str) -> Found:
    a, b = numbers(load(pred).get("time"), 2), numbers(load(true).get("time"), 2)
    value = span_iou(a, b)
    return value, {"tiou": value}, {"tiou_official": span_iou_official(a, b)}, value, value, 0.5


def tube(pred: str, true: str) -> Found:
    said, known = load(pred), load(true)
    a, b = numbers(said.get("time"), 2), numbers(known.get("time"), 2)
    boxes, truth = track(said.get("boxes")), track(known.get("boxes"))
    ious = {k: iou(boxes[k], truth[k]) for k in boxes if k in truth}
    tiou, common = span_iou(a, b), sum(ious.values()) / max(len(ious), 1)
    union = sum(ious.values()) / len(boxes.keys() | truth.keys())
    starts, ends = [math.ceil(s) for s, _ in (a, b)], [math.floor(e) for _, e in (a, b)]
    seconds = set(range(starts[0], ends[0] + 1)) | set(range(starts[1], ends[1] + 1))
    inside = sum(v for k, v in ious.items() if max(starts) <= k <= min(ends))
    evidence = {
        "tiou_official": span_iou_official(a, b),
        "siou_true": sum(ious.values()) / len(truth),
        "siou_union": union,
        "viou": inside / max(len(seconds), 1),
    }
    structure = 0.25 + 0.25 * len(ious) / len(truth)
    parts = {"tiou": tiou, "siou": common}
    return 0.5 * tiou + 0.5 * common, parts, evidence, tiou + common, tiou + union, structure


def tracking(pred: str, true: str) -> Found:
    boxes, truth = track(load(pred).get("boxes")), track(load(true).get("boxes"))
    ious = {k: iou(boxes[k], truth[k]) if k in boxes else 0.0 for k in truth}
    value = sum(ious.values()) / len(truth)
    frames = [iou(clip(boxes[k]), clip(truth[k])) if k in boxes else 0.0 for k in sorted(truth)][1:]
    searched = {k for k in boxes.keys() | truth.keys() if k != 1 or len(truth) == 1}
    hardened = sum(v for k, v in ious.items() if k in searched) / max(len(searched), 1)
    evidence = {
        "got10k": {
            "frames": float(len(frames)),
            "iou": float(sum(frames)),
            "above_0.5": float(sum(v > 0.5 for v in frames)),
            "above_0.75": float(sum(v > 0.75 for v in frames)),
        },
        "seconds": {
            "frames": float(len(ious)),
            "above_0.5": float(sum(v > 0.5 for v in ious.values())),
            "above_0.75": float(sum(v > 0.75 for v in ious.values())),
        },
    }
    structure = 0.25 + 0.25 * len(boxes.keys() & truth.keys()) / len(truth)
    return value, {"miou": value}, evidence, value, hardened, structure


def prompts(pred: str, true: str) -> tuple[dict[str, float], dict[str, Any], dict[str, Any]]:
    said, known = load(pred), load(true)
    parts = {"iou": iou(numbers(said.get("boxes"), 4), numbers(known.get("boxes"), 4))}
    for part in ("positive", "negative"):
        parts[part] = near(points(said.get(f"{part}_points")), points(known.get(f"{part}_points")))
    return parts, said, known


def image_segmentation(pred: str, true: str) -> Found:
    parts, _, _ = prompts(pred, true)
    accuracy = 0.5 * parts["iou"] + 0.25 * parts["positive"] + 0.25 * parts["negative"]
    return accuracy, parts, {}, sum(parts.values()), sum(parts.values()), 0.5


def video_segmentation(pred: str, true: str) -> Found:
    parts, said, known = prompts(pred, true)
    away = abs(number(said.get("time")) - number(known.get("time")))
    total = sum(parts.values()) + math.exp(-(away**2) / 2)
    parts["time"] = math.exp(-away / 2)
    accuracy = 0.3 * parts["iou"] + 0.3 * parts["time"] + 0.2 * parts["positive"] + 0.2 * parts["negative"]
    return accuracy, parts, {}, total, total, 0.5


def baseline() -> dict[str, Callable[[str, str], Found]]:
    """Task → its scorer."""
    rouge = make_rouge()
    return {
        "multiple_choice": plain_text, "numerical": numerical, "regression": regression, "math": plain_text, "ocr": ocr,
        "open_ended": rouge, "caption": rouge, "spatial_grounding": spatial, "temporal_grounding": temporal,
        "spatial_temporal_grounding": tube, "tracking": tracking, "image_segmentation": image_segmentation,
        "video_segmentation": video_segmentation,
    }  # fmt: skip


ANSWER = re.compile(r"<think>(.*?)</think>\s*<answer>(.*?)</answer>", re.DOTALL)


def score_plainly(sample: Sample, response: str, scorers: dict[str, Callable[[str, str], Found]]) -> dict[str, Any]:
    """One row by the baseline. Status, format and structure as the design has them for whole responses."""
    match = ANSWER.fullmatch(response.strip())
    if match is None:
        return {"status": "no_answer"}
    tidy = (
        all(response.count(tag) == 1 for tag in ("<think>", "</think>", "<answer>", "</answer>")) and match[1].strip()
    )
    try:
        accuracy, parts, evidence, paper, hardened, structure = scorers[sample.task](match[2].strip(), sample.truth)
    except (ValueError, RecursionError):
        return {"status": "malformed"}
    return {
        "status": "ok", "accuracy": accuracy, "format": 1, "structure": structure, "components": parts,
        "evidence": evidence, "r_acc": {"paper": paper, "hardened": hardened}, "tidy": int(bool(tidy)),
    }  # fmt: skip
