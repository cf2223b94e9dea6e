"""A straightforward pure-Python scorer: the same formulas as the package's, and the same scores, one answer at a time.

The baseline of `benchmarks/score.py`. It reads the standard way (a regular expression for the tags, `json`, one check a
number), measures pair by pair, and shares no code with the package. What it does less: multiple choice and mathematics
compare text, an answer is readable or not (no partial credit), and nothing is read leniently.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise, permutations
from typing import Any

from onethinker.sample import Sample

Box = Sequence[float]
Tracks = dict[int, Box]
POINTS = ("positive", "negative")


# ---- reading --------------------------------------------------------------------------------------


def number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= 1e12:
        raise ValueError(f"not a number: {value}")
    return float(value)


def numbers(value: Any, count: int) -> list[float]:
    if not isinstance(value, list) or len(value) != count:
        raise ValueError(f"not {count} numbers: {value}")
    return [number(v) for v in value]


def choice(text: str) -> str:
    if not text.strip():
        raise ValueError("nothing")
    return text.strip().upper()


def words(text: str) -> list[str]:
    if not text.split():
        raise ValueError("nothing")
    return text.split()


def finite(text: str) -> float:
    value = float(text.replace(",", ""))
    if not math.isfinite(value):
        raise ValueError(f"not finite: {text}")
    return value


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("duplicate key")
    return dict(pairs)


def load(text: str) -> dict[str, Any]:
    found = json.loads(text, object_pairs_hook=unique)
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


def read_box(text: str) -> list[float]:
    return numbers(load(text).get("boxes"), 4)


def read_span(text: str) -> list[float]:
    return numbers(load(text).get("time"), 2)


def read_path(text: str) -> Tracks:
    return track(load(text).get("boxes"))


def read_tube(text: str) -> tuple[list[float], Tracks]:
    found = load(text)
    return numbers(found.get("time"), 2), track(found.get("boxes"))


def read_prompts(text: str) -> dict[str, Any]:
    return prompts(load(text))


def read_timed_prompts(text: str) -> dict[str, Any]:
    found = load(text)
    return prompts(found) | {"time": number(found.get("time"))}


def prompts(found: dict[str, Any]) -> dict[str, Any]:
    return {"boxes": numbers(found.get("boxes"), 4)} | {p: points(found.get(f"{p}_points")) for p in POINTS}


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


def single(value: float) -> float:
    """Rounded to 32 bits."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


RELEASED = [single(1 - single(0.5 + 0.05 * k)) for k in range(10)]
REPORTED = [1.0 - (0.5 + 0.05 * k) for k in range(10)]
OFFICIAL = [1 - (0.5 + 0.45 / 9 * k) for k in range(9)] + [1 - 0.95]


def mra(pred: float, true: float) -> float:
    pred, true = single(pred), single(true)
    error = single(single(abs(single(pred - true))) / single(abs(true) + single(1e-8)))
    return sum(error < slack for slack in RELEASED) / 10


def mra_reported(pred: float, true: float) -> float:
    return sum(abs(pred - true) / abs(true) < slack for slack in REPORTED) / 10 if abs(true) >= 1e-12 else 0.0


def mra_official(pred: float, true: float) -> float:
    if pred == true:
        return 1.0
    return sum(abs(pred - true) / abs(true) <= slack for slack in OFFICIAL) / 10 if true else 0.0


# ---- tasks ---------------------------------------------------------------------------------------------------

Found = tuple[float, dict[str, Any], dict[str, Any], float, float, float]
"""accuracy, components, evidence, R_acc of `paper` and of `hardened`, structure."""


def equal(pred: str, true: str) -> Found:
    value = float(pred == true)
    return value, {}, {}, value, value, 0.5


def numerical(pred: float, true: float) -> Found:
    value = float(round(pred, 2) == round(true, 2))
    return value, {}, {}, value, value, 0.5


def regression(pred: float, true: float) -> Found:
    if not math.isfinite(pred):
        return 0.0, {"mra": 0.0}, {"mra_official": 0.0, "mra_reported": 0.0}, 0.0, 0.0, 0.5
    value = mra(pred, true)
    evidence = {"mra_official": mra_official(pred, true), "mra_reported": mra_reported(pred, true)}
    return value, {"mra": value}, evidence, value, value, 0.5


def ocr(pred: list[str], true: list[str]) -> Found:
    errors = edit_distance(true, pred)
    value = max(0.0, 1 - errors / len(true))
    return value, {"1-WER": value}, {"words": len(true), "errors": errors}, value, value, 0.5


def make_rouge() -> Callable[[list[str], list[str]], Found]:
    from nltk.stem.porter import PorterStemmer

    stemmer = PorterStemmer()

    def rouge(pred: list[str], true: list[str]) -> Found:
        a, b = stems(" ".join(true), stemmer), stems(" ".join(pred), stemmer)
        common = common_length(a, b)
        one, two = f_measure(Counter(a), Counter(b)), f_measure(Counter(pairwise(a)), Counter(pairwise(b)))
        long = 2 * common / (len(a) + len(b)) if common else 0.0
        value = (one + two + long) / 3
        return value, {"rouge1": one, "rouge2": two, "rougeL": long}, {}, value, value, 0.5

    return rouge


def spatial(pred: Box, true: Box) -> Found:
    value = iou(pred, true)
    return value, {"iou": value}, {}, value, value, 0.5


def temporal(pred: Box, true: Box) -> Found:
    value = span_iou(pred, true)
    return value, {"tiou": value}, {"tiou_official": value}, value, value, 0.5


def tube(pred: tuple[Box, Tracks], true: tuple[Box, Tracks]) -> Found:
    (a, boxes), (b, truth) = pred, true
    ious = {k: iou(boxes[k], truth[k]) for k in boxes if k in truth}
    tiou, common = span_iou(a, b), sum(ious.values()) / max(len(ious), 1)
    union = sum(ious.values()) / len(boxes.keys() | truth.keys())
    starts, ends = [math.ceil(s) for s, _ in (a, b)], [math.floor(e) for _, e in (a, b)]
    seconds = set(range(starts[0], ends[0] + 1)) | set(range(starts[1], ends[1] + 1))
    inside = sum(v for k, v in ious.items() if max(starts) <= k <= min(ends))
    evidence = {
        "siou_true": sum(ious.values()) / len(truth),
        "siou_union": union,
        "viou": inside / max(len(seconds), 1),
    }
    structure = 0.25 + 0.25 * len(ious) / len(truth)
    parts = {"tiou": tiou, "siou": common}
    return 0.5 * tiou + 0.5 * common, parts, evidence, tiou + common, tiou + union, structure


def tracking(boxes: Tracks, truth: Tracks) -> Found:
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


def overlap(pred: dict[str, Any], true: dict[str, Any]) -> dict[str, float]:
    return {"iou": iou(pred["boxes"], true["boxes"])} | {p: near(pred[p], true[p]) for p in POINTS}


def image_segmentation(pred: dict[str, Any], true: dict[str, Any]) -> Found:
    parts = overlap(pred, true)
    accuracy = 0.5 * parts["iou"] + 0.25 * parts["positive"] + 0.25 * parts["negative"]
    return accuracy, parts, {}, sum(parts.values()), sum(parts.values()), 0.5


def video_segmentation(pred: dict[str, Any], true: dict[str, Any]) -> Found:
    parts, away = overlap(pred, true), abs(pred["time"] - true["time"])
    total = sum(parts.values()) + math.exp(-(away**2) / 2)
    parts["time"] = math.exp(-away / 2)
    accuracy = 0.3 * parts["iou"] + 0.3 * parts["time"] + 0.2 * parts["positive"] + 0.2 * parts["negative"]
    return accuracy, parts, {}, total, total, 0.5


Scorer = tuple[Callable[[str], Any], Callable[[Any, Any], Found], Any]
"""Reads an answer's text or raises ValueError; measures what was read; what stands for one that cannot be read."""
_NO_BOX, _AWAY = [0.0] * 4, [[math.inf, math.inf]] * 3
_NO_PROMPTS = {"boxes": _NO_BOX, "positive": _AWAY, "negative": _AWAY}


def baseline() -> dict[str, Scorer]:
    """Task → its scorer."""
    rouge = make_rouge()
    return {
        "multiple_choice": (choice, equal, ""),
        "numerical": (finite, numerical, math.nan),
        "regression": (finite, regression, math.nan),
        "math": (choice, equal, ""),
        "ocr": (words, ocr, []),
        "open_ended": (words, rouge, []),
        "caption": (words, rouge, []),
        "spatial_grounding": (read_box, spatial, _NO_BOX),
        "temporal_grounding": (read_span, temporal, [0.0, 0.0]),
        "spatial_temporal_grounding": (read_tube, tube, ([0.0, 0.0], {})),
        "tracking": (read_path, tracking, {}),
        "image_segmentation": (read_prompts, image_segmentation, _NO_PROMPTS),
        "video_segmentation": (read_timed_prompts, video_segmentation, _NO_PROMPTS | {"time": math.inf}),
    }


ANSWER = re.compile(r"<think>(.*?)</think>\s*<answer>(.*?)</answer>", re.DOTALL)
TEXT_TASKS = ("multiple_choice", "numerical", "regression", "math", "ocr", "open_ended", "caption")
TAGS = ("<think>", "</think>", "<answer>", "</answer>")


def score_plainly(sample: Sample, response: str, scorers: dict[str, Scorer]) -> dict[str, Any]:
    """One row by the baseline. Status, format and structure as the design has them for whole responses."""
    read, measure, nothing = scorers[sample.task]
    response = response.strip()
    match = ANSWER.fullmatch(response)
    status, text, form, tidy = "no_answer", response, 0, 0
    if match is not None:
        status, text, form = "ok", match[2].strip(), 1
        tidy = int(all(response.count(tag) == 1 for tag in TAGS) and bool(match[1].strip()))
    try:
        pred = read(text)
    except (ValueError, RecursionError):
        status, pred = "malformed" if form else status, nothing
    accuracy, parts, evidence, paper, hardened, structure = measure(pred, read(sample.truth))
    ok = status == "ok"
    given = structure if form and (ok or sample.task in TEXT_TASKS) else 0.0
    return {
        "status": status, "accuracy": accuracy, "format": form, "components": parts, "evidence": evidence,
        "structure": given, "tidy": tidy, "reward": 0.9 * accuracy + 0.1 * form + given,
        "r_acc": {"paper": paper if ok else 0.0, "hardened": hardened if ok else 0.0},
    }  # fmt: skip
