"""The `released` reward against a transcription of the published formulas, written here afresh in plain Python.

Left out of the random answers is what strict reading refuses on purpose and the published run took: NaN, duplicate
keys, and texts or booleans in the place of numbers.
"""

from __future__ import annotations

import json
import random
import re
from itertools import permutations
from math import exp, hypot
from typing import Any

import pytest

from onethinker.sample import Sample
from onethinker.tasks import score
from tests.amount import many
from tests.tasks.examples import RELEASED_JSON, sample_of

CASES = 400


# ---- the published formulas -------------------------------------------------------------------------------------


def numbers(value: Any, count: int) -> bool:
    return isinstance(value, list) and len(value) == count and all(isinstance(v, int | float) for v in value)


def span_iou(a: Any, b: Any) -> float:
    if not numbers(a, 2):
        return 0.0
    hull = max(a[1], b[1]) - min(a[0], b[0])
    return max(0.0, min(a[1], b[1]) - max(a[0], b[0])) / hull if hull > 1e-12 else 0.0


def box_iou(a: Any, b: Any) -> float:
    if not numbers(a, 4):
        return 0.0
    inter = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [max(0.0, x[2] - x[0]) * max(0.0, x[3] - x[1]) for x in (a, b)]
    union = sum(areas) - inter
    return inter / union if union > 1e-12 else 0.0


def three_points(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(numbers(p, 2) for p in value)


def gaussian(pred: Any, true: Any) -> float:
    least = min(sum(hypot(p[0] - t[0], p[1] - t[1]) for p, t in zip(order, true)) for order in permutations(pred))
    return exp(-((least / 3) ** 2) / (2 * 50**2))


def published_accuracy(task: str, pred: dict[str, Any], true: dict[str, Any]) -> float:
    boxes = pred.get("boxes")
    if task == "temporal_grounding":
        return span_iou(pred.get("time"), true["time"])
    if task == "spatial_grounding":
        return box_iou(boxes, true["boxes"])
    if task == "spatial_temporal_grounding":
        common = [k for k in boxes if k in true["boxes"]] if isinstance(boxes, dict) else []
        mean = sum(box_iou(boxes[k], true["boxes"][k]) for k in common) / len(common) if common else 0.0
        return 0.5 * span_iou(pred.get("time"), true["time"]) + 0.5 * mean
    if task == "tracking":
        if not isinstance(boxes, dict):
            return 0.0
        return sum(box_iou(boxes.get(k, []), box) for k, box in true["boxes"].items()) / len(true["boxes"])
    positive, negative = pred.get("positive_points"), pred.get("negative_points")
    if not three_points(positive) or not three_points(negative):
        return 0.0
    iou = box_iou(boxes, true["boxes"])
    g_pos, g_neg = gaussian(positive, true["positive_points"]), gaussian(negative, true["negative_points"])
    if task == "image_segmentation":
        return 0.5 * iou + 0.25 * g_pos + 0.25 * g_neg
    if not isinstance(pred.get("time"), int | float):
        return 0.0
    return 0.3 * iou + 0.3 * exp(-abs(pred["time"] - true["time"]) / 2) + 0.2 * g_pos + 0.2 * g_neg


def published_structure(task: str, pred: dict[str, Any], true: dict[str, Any]) -> float:
    boxes, when = pred.get("boxes"), pred.get("time")
    if task == "temporal_grounding":
        return 0.5 * numbers(when, 2)
    if task == "spatial_grounding":
        return 0.5 * numbers(boxes, 4)
    if task in ("spatial_temporal_grounding", "tracking"):
        valid = isinstance(boxes, dict) and all(numbers(b, 4) for b in boxes.values())
        if task == "spatial_temporal_grounding":
            valid = valid and isinstance(when, list) and len(when) == 2
        shared = len(boxes.keys() & true["boxes"].keys()) if isinstance(boxes, dict) else 0
        return 0.25 * valid + 0.25 * shared / len(true["boxes"])
    points = three_points(pred.get("positive_points")) and three_points(pred.get("negative_points"))
    timed = task == "image_segmentation" or isinstance(when, int | float)
    return 0.5 * (points and timed and numbers(boxes, 4))


def published_reward(task: str, response: str, truth: str) -> tuple[float, int, float]:
    """accuracy, format and the whole reward, 0.9·accuracy + 0.1·format + structure."""
    whole = re.fullmatch(r"\s*<think>.*?</think>\s*<answer>.*?</answer>\s*", response, re.DOTALL)
    block = re.search(r"<answer>\s*(.*?)\s*</answer>", response, re.DOTALL)
    answer = block.group(1).strip() if block else ""
    try:
        pred = json.loads(answer or response.strip())
    except ValueError:
        pred = None
    true = json.loads(truth)
    accuracy = published_accuracy(task, pred, true) if isinstance(pred, dict) else 0.0
    structure = published_structure(task, pred, true) if whole and isinstance(pred, dict) else 0.0
    return accuracy, int(whole is not None), 0.9 * accuracy + 0.1 * (whole is not None) + structure


# ---- random answers ---------------------------------------------------------------------------------------------


def near(rng: random.Random, value: Any) -> Any:
    """The value with its numbers shaken, by nothing up to beyond recognition."""
    if isinstance(value, dict):
        return {k: near(rng, v) for k, v in value.items()}
    if isinstance(value, list):
        return [near(rng, v) for v in value]
    return value if rng.random() < 0.3 else round(value + rng.gauss(0, rng.choice([1, 20, 300])), rng.choice([0, 2]))


def broken(rng: random.Random, value: Any) -> Any:
    """One thing wrong somewhere inside."""
    inside = isinstance(value, dict | list) and len(value) > 0 and rng.random() < 0.75
    if isinstance(value, dict) and inside:
        key = rng.choice(list(value))
        return {k: broken(rng, v) if k == key else v for k, v in value.items()}
    if isinstance(value, list) and inside:
        place = rng.randrange(len(value))
        return [broken(rng, v) if i == place else v for i, v in enumerate(value)]
    return rng.choice(
        [None, [], {}, [1], [5, 5], [9, 2], [1, 2, 3], [800, 700, 100, 50], "x", 7, [[1, 2]], {"a": [0, 0, 9, 9]}]
    )


def random_answer(rng: random.Random, true: dict[str, Any]) -> str:
    answer = near(rng, true)
    boxes = answer.get("boxes")
    if isinstance(boxes, dict):
        for key in list(boxes):
            if rng.random() < 0.15:
                del boxes[key]
        for key in ("0", "2", "7", "31", "first", "05", "4.0", "-1"):
            if rng.random() < 0.08:
                boxes[key] = [rng.randrange(1000) for _ in range(4)]
    for _ in range(rng.choice([0, 0, 1, 2])):
        answer = broken(rng, answer)
    if isinstance(answer, dict) and answer and rng.random() < 0.1:
        del answer[rng.choice(list(answer))]
    return json.dumps(answer) + ("," if rng.random() < 0.03 else "")


def random_response(rng: random.Random, answer: str) -> str:
    return rng.choice(
        [f"<think>so</think><answer>{answer}</answer>"] * 5
        + [
            f" <think>so\n</think>\n <answer>\n{answer} </answer>\n",
            f"<think></think><answer>{answer}</answer>",
            f"<answer>{answer}</answer>",
            f"Well: <think>so</think><answer>{answer}</answer>",
            f"<think>so</think>Here: <answer>{answer}</answer>",
            f"<think>so</think><answer>{answer}</answer>.",
            answer,
            f"<think>so</think>{answer}",
            f"<think>so</think><answer>{answer}",
        ]
    )


def random_truth(rng: random.Random, sample: Sample) -> str:
    true = near(rng, json.loads(sample.truth))
    if isinstance(true.get("time"), list):
        true["time"] = sorted(true["time"])
    return json.dumps(true)


@pytest.mark.parametrize("task", RELEASED_JSON)
def test_released_reward_is_the_published_one(task: str) -> None:
    rng = random.Random(task)
    seen: set[tuple[int, bool, bool]] = set()
    for _ in range(many(CASES, CASES // 8)):
        sample = sample_of(task)
        sample = sample_of(task, truth=random_truth(rng, sample))
        response = random_response(rng, random_answer(rng, json.loads(sample.truth)))
        accuracy, form, reward = published_reward(task, response, sample.truth)
        found = score(sample, response)
        assert found.accuracy == pytest.approx(accuracy, abs=1e-9), response
        assert found.format == form, response
        assert found.reward("released") == pytest.approx(reward, abs=1e-9), response
        seen.add((form, accuracy > 0, reward > 0.5))
    assert len(seen) >= 5, "the random answers are too much alike"


@pytest.mark.parametrize("task", RELEASED_JSON)
def test_paper_and_hardened_pay_ok_answers_alone(task: str) -> None:
    rng = random.Random(task)
    for _ in range(100):
        sample = sample_of(task)
        found = score(sample, random_response(rng, random_answer(rng, json.loads(sample.truth))))
        if found.status.value != "ok":
            assert found.reward("paper") == found.reward("hardened") == 0.0
        assert found.reward("hardened") <= found.reward("paper") + 1e-12 or task == "tracking"
