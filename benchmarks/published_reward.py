"""The reward of the published run, written anew from its formulas, part by part, to see where ours differs and why.

Source: EasyR1/verl/reward_function/onethinker_reward.py of tulerfeng/OneThinker and the grader that it imports
(hiyouga/MathRuler); nothing is copied. It reads the published way: tags by an expression after white space around `<`,
`>` and `/` is deleted, numbers by `float`, JSON by `json.loads`. Each habit that ours does not share has a name in
`HABITS`; a reward without it (`without`) is what that part is in this package. `benchmarks/differences.py` counts them.
"""

from __future__ import annotations

import itertools
import json
import math
import re
import struct
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from benchmarks.plain_scorer import edit_distance
from onethinker.measure import text as ours
from onethinker.sample import Sample
from onethinker.sample.answer import read_answer
from onethinker.tasks import get_task
from onethinker.tasks.base import Malformed
from onethinker.tasks.reading import MAX_NUMBER, read_text

HABITS = ("spaces", "tags", "empty", "block", "duplicates", "kinds", "sizes", "numbers", "choices", "math", "text")
"""In the order in which they are left out; see `differences.CAUSES` for what each is."""

Without = frozenset[str]
_WHOLE = re.compile(r"\s*<think>.*?</think>\s*<answer>.*?</answer>\s*", re.DOTALL)
_BLOCK = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_TAG = re.compile(r"\s*<\s*(/?)\s*(think|answer)\s*>\s*")
_AROUND = re.compile(r"\s*([<>/])\s*")


class Published(NamedTuple):
    """overall: 0.9·accuracy + 0.1·format + structure."""

    accuracy: float
    format: float
    structure: float

    @property
    def overall(self) -> float:
        return 0.9 * self.accuracy + 0.1 * self.format + self.structure


def reward(sample: Sample, response: str, without: Without = frozenset()) -> Published:
    """What a response earns. without: habits that are left out."""
    said = response
    if "spaces" not in without:
        said = _AROUND.sub(r"\1", response)
    elif "tags" not in without:
        said = _TAG.sub(r"<\1\2>", response)
    block, first = _BLOCK.search(said), ""
    if block:
        first = block[1].strip()
    if "block" in without:
        first = text = read_answer(said).text
    else:
        text = first if block and "empty" in without else first or said.strip()
    whole = float(_WHOLE.fullmatch(said) is not None)
    kind, video = get_task(sample.task).published_name, sample.modality == "video"
    try:
        accuracy = _accuracy(kind, text, sample, video, without)
    except Exception:  # as published: whatever fails earns nothing
        accuracy = 0.0
    return Published(accuracy, whole, _structure(kind, first, sample.truth, video, without) if whole else 0.0)


# ---- numbers, boxes and spans -----------------------------------------------------------------------------------


def _is_number(value: Any, without: Without) -> bool:
    if "kinds" in without and (isinstance(value, bool) or not isinstance(value, int | float)):
        return False
    try:
        return abs(float(value)) <= MAX_NUMBER if "sizes" in without else float(value) is not None
    except (TypeError, ValueError, OverflowError):
        return False


def _numbers(value: Any, count: int, without: Without) -> list[float] | None:
    """A list of that many numbers, None for anything else."""
    if not isinstance(value, list) or len(value) != count or not all(_is_number(v, without) for v in value):
        return None
    return [float(v) for v in value]


def _span_iou(a: Any, b: Any, without: Without) -> float:
    pred, true = _numbers(a, 2, without), _numbers(b, 2, without)
    if pred is None or true is None:
        return 0.0
    hull = max(pred[1], true[1]) - min(pred[0], true[0])
    return max(0.0, min(pred[1], true[1]) - max(pred[0], true[0])) / hull if hull > 1e-12 else 0.0


def _box_iou(a: Any, b: Any, without: Without) -> float:
    pred, true = _numbers(a, 4, without), _numbers(b, 4, without)
    if pred is None or true is None:
        return 0.0
    width = max(0.0, min(pred[2], true[2]) - max(pred[0], true[0]))
    height = max(0.0, min(pred[3], true[3]) - max(pred[1], true[1]))
    areas = [max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1]) for box in (pred, true)]
    union = areas[0] + areas[1] - width * height
    return width * height / union if union > 1e-12 else 0.0


def _points(value: Any, without: Without) -> list[list[float]] | None:
    if not isinstance(value, list) or len(value) != 3:
        return None
    points = [_numbers(point, 2, without) for point in value]
    return None if None in points else points  # type: ignore[return-value]


def _near(pred: Sequence[Sequence[float]], true: Sequence[Sequence[float]]) -> float:
    least = math.inf
    for order in itertools.permutations(pred):
        apart = [math.hypot(p[0] - t[0], p[1] - t[1]) for p, t in zip(order, true)]
        if not any(map(math.isinf, apart)):
            least = min(least, sum(apart))
    return 0.0 if math.isinf(least) else math.exp(-((least / 3) ** 2) / (2 * 50.0**2))


def _float(text: str, without: Without) -> float | None:
    if "numbers" in without:
        return ours.number(text)
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def _single(value: float) -> float:
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def _mra(pred: float, true: float) -> float:
    """In 32 bits, as torch computes it."""
    pred, true = _single(pred), _single(true)
    error = _single(_single(abs(_single(pred - true))) / _single(abs(true) + _single(1e-8)))
    return sum(error < _single(1 - _single(0.5 + 0.05 * k)) for k in range(10)) / 10


# ---- answers ----------------------------------------------------------------------------------------------------


def _json(text: str, without: Without) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if "duplicates" in without and len(dict(pairs)) != len(pairs):
            raise ValueError("a key stands twice")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError):
        return None


def _accuracy(kind: str, text: str, sample: Sample, video: bool, without: Without) -> float:
    if kind in _TEXTS:
        if kind not in ("numerical", "regression"):
            try:
                text = read_text(text) if "text" in without else text
            except Malformed:
                return 0.0
        return _TEXTS[kind](text, sample, without)
    pred, true = _json(text, without), json.loads(sample.truth)
    if not isinstance(pred, dict):
        return 0.0
    if kind == "temporal grounding":
        return _span_iou(pred.get("time"), true["time"], without)
    boxes = pred.get("boxes")
    if kind == "spatial grounding":
        return _box_iou(boxes, true["boxes"], without)
    if kind == "segmentation":
        return _segmentation(pred, true, video, without)
    found: Mapping[str, Any] = boxes if isinstance(boxes, dict) else {}
    if kind == "tracking":
        return sum(_box_iou(found.get(k), box, without) for k, box in true["boxes"].items()) / len(true["boxes"])
    common = [_box_iou(box, true["boxes"][k], without) for k, box in found.items() if k in true["boxes"]]
    return 0.5 * _span_iou(pred.get("time"), true["time"], without) + 0.5 * sum(common) / max(len(common), 1)


def _segmentation(pred: dict[str, Any], true: dict[str, Any], video: bool, without: Without) -> float:
    iou, near = _box_iou(pred.get("boxes"), true["boxes"], without), []
    for key in ("positive_points", "negative_points"):
        said, there = _points(pred.get(key), without), _points(true[key], without)
        if said is None or there is None:
            return 0.0
        near.append(_near(said, there))
    if not video:
        return 0.5 * iou + 0.25 * sum(near)
    time = pred.get("time")
    if not isinstance(time, int | float) or not _is_number(time, without):
        return 0.0
    return 0.3 * iou + 0.3 * math.exp(-abs(float(time) - float(true["time"])) / 2) + 0.2 * sum(near)


def _structure(kind: str, text: str, truth: str, video: bool, without: Without) -> float:
    if kind in _TEXTS:
        return 0.5
    pred = _json(text, without)
    if not isinstance(pred, dict):
        return 0.0
    boxes, time = pred.get("boxes"), pred.get("time")
    if kind in ("tracking", "spatial-temporal grounding"):
        track = isinstance(boxes, dict) and all(_numbers(box, 4, without) for box in boxes.values())
        valid = track and (kind == "tracking" or (isinstance(time, list) and len(time) == 2))
        keys = json.loads(truth)["boxes"].keys()
        shared = len(boxes.keys() & keys) / len(keys) if isinstance(boxes, dict) else 0.0
        return 0.25 * valid + 0.25 * shared
    if kind == "temporal grounding":
        return 0.5 * (_numbers(time, 2, without) is not None)
    valid = _numbers(boxes, 4, without) is not None
    if kind == "segmentation":
        valid &= all(_points(pred.get(f"{side}_points"), without) is not None for side in ("positive", "negative"))
        valid &= not video or (isinstance(time, int | float) and _is_number(time, without))
    return 0.5 * valid


# ---- text -------------------------------------------------------------------------------------------------------


def _numerical(text: str, sample: Sample, without: Without) -> float:
    pred, true = _float(text, without), _float(sample.truth, without)
    return float(pred is not None and true is not None and round(pred, 2) == round(true, 2))


def _regression(text: str, sample: Sample, without: Without) -> float:
    pred, true = _float(text, without), _float(sample.truth, without)
    return 0.0 if pred is None or true is None else _mra(pred, true)


def _choice(text: str, sample: Sample, without: Without) -> float:
    if "choices" in without:
        return float(ours.choice(text, sample.options) == sample.truth)
    return float(grade(text, sample.truth))


def _math(text: str, sample: Sample, without: Without) -> float:
    if "math" in without:
        return float(bool(text) and ours.math_equal(text, sample.truth))
    from math_verify import parse, verify

    try:
        return float(bool(verify(parse(sample.truth), parse(text))))
    except Exception:  # as published
        return float(grade(text, sample.truth))


def _ocr(text: str, sample: Sample, without: Without) -> float:
    true = sample.truth.split()
    return max(0.0, 1 - edit_distance(true, text.split()) / max(1, len(true)))


def _rouge(text: str, sample: Sample, without: Without) -> float:
    found = _rouge_scorer().score(sample.truth, text)
    return float(sum(one.fmeasure for one in found.values()) / 3)


@cache
def _rouge_scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)


_TEXTS = {
    "multiple choice": _choice, "numerical": _numerical, "regression": _regression, "math": _math, "ocr": _ocr,
    "OCR": _ocr, "open-ended": _rouge, "caption": _rouge,
}  # fmt: skip

_UNITS = re.compile(
    r"(?:degree|centimeter|cm|meter|mile|second|minute|hour|day|week|month|year|foot|feet|inch|yard)(?:es)?s?"
    r" *(?:\^\d+)?"
)


def grade(said: str, true: str) -> bool:
    """Whether MathRuler takes an answer for a short truth: alike without case, spaces, braces, `$`, `%` and units,
    within one pair of brackets or not, or equal to sympy where there are at most two letters."""
    a, b = (_plain(text) for text in (said, true))
    if a == b:
        return True
    a, b = (text[1:-1] if len(text) > 2 and text[0] in "([" and text[-1] in ")]" else text for text in (a, b))
    if not a or any(c in a for c in "()[],"):
        return False
    letters = {c for c in a + b if c.isalpha()}
    return a == b or (len(letters) <= 2 and "^" not in a and a.isascii() and _same_to_sympy(a, b))


def _plain(text: str) -> str:
    text = text.strip().replace("\n", "")
    inner = re.fullmatch(r"\\text\{(.+?)\}", text)
    text = inner[1] if inner else text
    text = re.sub(r"\\[%$!]|[$%]", "", text).replace(" or ", ",").replace(" and ", ",")
    return re.sub(r"[\s{}]", "", _UNITS.sub("", text)).lower()


@cache
def _same_to_sympy(a: str, b: str) -> bool:
    import sympy
    from sympy.parsing import sympy_parser

    if len(a) > 20:
        return False
    try:
        rules = (*sympy_parser.standard_transformations, sympy_parser.implicit_multiplication_application)
        return bool(sympy.simplify(sympy_parser.parse_expr(f"({a})-({b})", transformations=rules)) == 0)
    except Exception:  # what sympy cannot read is not equal
        return False
