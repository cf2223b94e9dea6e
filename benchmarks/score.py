"""How fast answers are scored, beside a straightforward pure-Python scorer: rows a second per core. Then J&F.

    python -m benchmarks.score [--rows 100000] [--answers 8]

Both scorers (the other is `plain_scorer.py`) are timed in one process, by processor time, over the same rows, 500 at a
time, after it is checked that they give the same scores.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import masks
from benchmarks.plain_scorer import Found, baseline, score_plainly
from onethinker.answer import read_answer
from onethinker.sample import Sample
from onethinker.tasks import TASKS
from onethinker.tasks.base import Score
from onethinker.tasks.batch import score_both, score_many

STRUCTURED = [name for name, task in TASKS.items() if task.structured]


# ---- rows -------------------------------------------------------------------------------------------------------

WORDS = (
    *("the", "a", "red", "blue", "small", "large", "dog", "woman", "man", "car", "ball", "table", "behind", "left"),
    *("right", "of", "near", "holds", "throws", "walks", "stands", "under", "window", "open", "bright", "corner"),
    *("second", "then", "after", "while", "picture", "shows", "looking", "carefully", "first", "object", "moves"),
)


def sentence(rng: random.Random, count: int) -> str:
    return " ".join(rng.choices(WORDS, k=count))


def box(rng: random.Random) -> list[int]:
    x, y = rng.randrange(800), rng.randrange(800)
    return [x, y, x + rng.randrange(60, 200), y + rng.randrange(60, 200)]


def true_answer(rng: random.Random, task: str) -> Any:
    """An answer of realistic size: clips of 32 seconds, tubes of 4 to 20, captions of 30 words."""
    start = round(rng.uniform(0, 40), 1)
    span = [start, round(start + rng.uniform(4, 20), 1)]
    keys = range(math.ceil(span[0]), math.floor(span[1]) + 1)
    prompt = {"boxes": box(rng)} | {f"{p}_points": [box(rng)[:2] for _ in range(3)] for p in ("positive", "negative")}
    return {
        "multiple_choice": lambda: rng.choice("ABCD"),
        "numerical": lambda: str(rng.randrange(1000)),
        "regression": lambda: f"{rng.uniform(0.1, 100):.2f}",
        "math": lambda: str(rng.randrange(1000)),
        "ocr": lambda: sentence(rng, 12),
        "open_ended": lambda: sentence(rng, 20),
        "caption": lambda: sentence(rng, 30),
        "spatial_grounding": lambda: {"boxes": box(rng)},
        "temporal_grounding": lambda: {"time": span},
        "spatial_temporal_grounding": lambda: {"time": span, "boxes": {str(k): box(rng) for k in keys}},
        "tracking": lambda: {"boxes": {str(k): box(rng) for k in range(1, 33)}},
        "image_segmentation": lambda: prompt,
        "video_segmentation": lambda: {"time": start} | prompt,
    }[task]()


def shaken(rng: random.Random, value: Any) -> Any:
    """The same answer, a little off everywhere."""
    if isinstance(value, dict):
        return {key: shaken(rng, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shaken(rng, inner) for inner in value]
    if isinstance(value, str):
        return " ".join(rng.choice(WORDS) if len(value) > 9 and rng.random() < 0.3 else w for w in value.split())
    return value + rng.randrange(-20, 21) if isinstance(value, int) else round(value + rng.uniform(-2, 2), 1)


def make_rows(rows: int, answers: int, seed: int = 0) -> list[tuple[Sample, str]]:
    """`answers` responses to each question, one in twenty malformed, in an order that mixes the tasks."""
    rng, made = random.Random(seed), []
    for number in range(math.ceil(rows / answers)):
        task = list(TASKS)[number % len(TASKS)]
        truth = true_answer(rng, task)
        options = ("A. red", "B. green", "C. blue", "D. none") if task == "multiple_choice" else ()
        text = truth if isinstance(truth, str) else json.dumps(truth)
        sample = Sample(str(number), task, TASKS[task].modalities[0], "What?", text, options)
        for _ in range(answers):
            given = shaken(rng, truth)
            said = given if isinstance(given, str) else json.dumps(given)
            if rng.random() < 0.05:
                said = said[: len(said) // 2] if TASKS[task].structured else ""
            thinking = sentence(rng, rng.randrange(40, 200))
            made.append((sample, f"<think>{thinking}</think><answer>{said}</answer>"))
    rng.shuffle(made)
    return made[:rows]


# ---- timing -----------------------------------------------------------------------------------------------------


def ours(rows: Sequence[tuple[Sample, str]]) -> list[Any]:
    return score_many([sample for sample, _ in rows], [read_answer(response) for _, response in rows])


def both(rows: Sequence[tuple[Sample, str]]) -> list[Any]:
    return score_both([sample for sample, _ in rows], [read_answer(response) for _, response in rows])


def seconds(work: Callable[[Sequence[tuple[Sample, str]]], Any], rows: Sequence[tuple[Sample, str]]) -> float:
    """Processor time for all rows, 500 at a time as `onethinker score` takes them."""
    work(rows[:50])
    began = time.process_time()
    for first in range(0, len(rows), 500):
        work(rows[first : first + 500])
    return time.process_time() - began


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return a == b or (isinstance(a, (int, float)) and math.isclose(a, b, abs_tol=1e-9))


def check(rows: Sequence[tuple[Sample, str]], scorers: dict[str, Callable[[str, str], Found]]) -> int:
    """How many rows score the same by both. Raises AssertionError with the first that does not."""
    for (sample, response), score in zip(rows, ours(rows), strict=True):
        assert isinstance(score, Score), score
        plain = score_plainly(sample, response, scorers)
        if plain["status"] != "ok":
            assert score.accuracy == 0 and score.status == plain["status"], (sample.task, response, score)
            continue
        assert all(same(plain[k], getattr(score, k)) for k in plain if k != "status"), (sample.task, plain, score)
    return len(rows)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--rows", type=int, default=100_000)
    asked.add_argument("--answers", type=int, default=8, help="answers to each question, as in a group of RL")
    given = asked.parse_args()
    rows, scorers = make_rows(given.rows, given.answers), baseline()

    def plainly(part: Sequence[tuple[Sample, str]]) -> None:
        for sample, response in part:
            score_plainly(sample, response, scorers)

    checked = check(rows[: min(len(rows), 5000)], scorers)
    print(f"{len(rows)} rows, {given.answers} answers a question; {checked} checked: both scorers agree")
    print(f"{'rows a second per core':28}{'ours':>10}{'with lenient':>14}{'plain Python':>14}{'ratio':>8}")
    totals = dict.fromkeys(("structured tasks", "all tasks"), (0, 0.0, 0.0, 0.0))
    for task in TASKS:
        part = [row for row in rows if row[0].task == task]
        times = [seconds(work, part) for work in (ours, both, plainly)]
        show(task, len(part), *times)
        for name in totals if task in STRUCTURED else ("all tasks",):
            totals[name] = tuple(a + b for a, b in zip(totals[name], (len(part), *times)))  # type: ignore[assignment]
    for name, sums in totals.items():
        show(name, *sums)
    masks.main()


def show(name: str, count: int, mine: float, lenient: float, plain: float) -> None:
    print(f"{name:28}{count / mine:10,.0f}{count / lenient:14,.0f}{count / plain:14,.0f}{plain / mine:8.1f}")


if __name__ == "__main__":
    main()
