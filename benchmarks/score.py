"""How fast answers are scored, beside a straightforward pure-Python scorer: rows a second per core. Then J&F.

    python -m benchmarks.score [--rows 100000] [--answers 8]

Both scorers (the other is `plain_scorer.py`) are timed in one process, by processor time, over the same rows, as many
at a time as `onethinker score` takes, after it is checked that they score every row alike.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import masks
from benchmarks.plain_scorer import Scorer, baseline, score_plainly
from onethinker.sample import Sample
from onethinker.sample.answer import read_answer
from onethinker.scoring.saved import CHUNK_ROWS
from onethinker.tasks import TASKS
from onethinker.tasks.base import Score
from onethinker.tasks.batch import score_both, score_many

STRUCTURED = [name for name, task in TASKS.items() if task.structured]
Row = tuple[Sample, str]
PASSES = 3


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
    """An answer of realistic size: tracks and tubes of 8 to 32 boxes, captions of 30 words."""
    start, keys = round(rng.uniform(0, 40), 1), range(1, rng.randrange(9, 34))
    span = [start, round(start + rng.uniform(8, 32), 1)]
    within = range(math.ceil(span[0]), math.floor(span[1]) + 1)
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
        "spatial_temporal_grounding": lambda: {"time": span, "boxes": {str(k): box(rng) for k in within}},
        "tracking": lambda: {"boxes": {str(k): box(rng) for k in keys}},
        "image_segmentation": lambda: prompt,
        "video_segmentation": lambda: {"time": start} | prompt,
    }[task]()


def shaken(rng: random.Random, value: Any) -> Any:
    """The same answer, a little off everywhere; of a track one box in sixteen is missing."""
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if not k.isdigit() or rng.random() < 15 / 16}
        return {key: shaken(rng, inner) for key, inner in kept.items()}
    if isinstance(value, list):
        return [shaken(rng, inner) for inner in value]
    if isinstance(value, str):
        return " ".join(rng.choice(WORDS) if len(value) > 9 and rng.random() < 0.3 else w for w in value.split())
    return value + rng.randrange(-20, 21) if isinstance(value, int) else round(value + rng.uniform(-2, 2), 1)


def response_to(rng: random.Random, task: str, truth: Any) -> str:
    """A thought of 100 to 400 words, one in twenty with a `<` in it, and an answer; one in twenty cannot be read."""
    given = shaken(rng, truth)
    said = given if isinstance(given, str) else json.dumps(given)
    thinking = sentence(rng, rng.randrange(100, 401)) + (" so x < y." if rng.random() < 0.05 else "")
    whole = f"<think>{thinking}</think><answer>{said}</answer>"
    if rng.random() < 0.95:
        return whole
    if not TASKS[task].structured:
        return f"<think>{thinking}</think><answer></answer>"
    cut_short = whole[: len(whole) - len(said) // 2 - 9]
    return rng.choice((cut_short, f"<think>{thinking}</think><answer>{said[: len(said) // 2]}</answer>"))


def make_rows(rows: int, answers: int, seed: int = 0) -> list[Row]:
    """`answers` responses to each question, one after another; the questions' tasks take turns."""
    rng, made = random.Random(seed), []
    for number in range(math.ceil(rows / answers)):
        task = list(TASKS)[number % len(TASKS)]
        truth = true_answer(rng, task)
        options = ("A. red", "B. green", "C. blue", "D. none") if task == "multiple_choice" else ()
        text = truth if isinstance(truth, str) else json.dumps(truth)
        sample = Sample(str(number), task, TASKS[task].modalities[0], "What?", text, options)
        made += [(sample, response_to(rng, task, truth)) for _ in range(answers)]
    return made[:rows]


# ---- timing -----------------------------------------------------------------------------------------------------


def ours(rows: Sequence[Row]) -> list[tuple[Any, float]]:
    scores = score_many([sample for sample, _ in rows], [read_answer(response) for _, response in rows])
    return [(score, score.reward()) for score in scores if isinstance(score, Score)]


def both(rows: Sequence[Row]) -> list[Any]:
    return score_both([sample for sample, _ in rows], [read_answer(response) for _, response in rows])


def seconds(works: Sequence[Callable[[Sequence[Row]], Any]], rows: Sequence[Row]) -> list[float]:
    """Processor time of each for all rows, as many at a time as `onethinker score` takes; the least of `PASSES`."""
    least = [math.inf] * len(works)
    for _ in range(PASSES):
        for place, work in enumerate(works):
            began = time.process_time()
            for first in range(0, len(rows), CHUNK_ROWS):
                work(rows[first : first + CHUNK_ROWS])
            least[place] = min(least[place], time.process_time() - began)
    return least


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return a == b or (isinstance(a, (int, float)) and math.isclose(a, b, abs_tol=1e-9))


def check(rows: Sequence[Row], scorers: dict[str, Scorer]) -> None:
    """That every row scores the same by both. Raises AssertionError with the first that does not."""
    for first in range(0, len(rows), CHUNK_ROWS):
        part = rows[first : first + CHUNK_ROWS]
        for (sample, response), (score, reward) in zip(part, ours(part), strict=True):
            plain = score_plainly(sample, response, scorers)
            assert same(plain.pop("reward"), reward), (sample, response, plain, score)
            assert all(same(plain[k], getattr(score, k)) for k in plain), (sample, response, plain, score)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--rows", type=int, default=100_000)
    asked.add_argument("--answers", type=int, default=8, help="answers to each question, as in a group of RL")
    given = asked.parse_args()
    rows, scorers = make_rows(given.rows, given.answers), baseline()

    def plainly(part: Sequence[Row]) -> list[Any]:
        return [score_plainly(sample, response, scorers) for sample, response in part]

    check(rows, scorers)
    gc.freeze()  # the rows are not the scorers' garbage
    print(f"{len(rows)} rows, {given.answers} answers a question: both scorers agree on every one")
    print(f"{'rows a second per core':28}{'ours':>14}{'with lenient':>14}{'plain Python':>14}{'ratio':>8}")
    parts = {task: [row for row in rows if row[0].task == task] for task in TASKS}
    parts |= {"structured tasks, mixed": [r for r in rows if r[0].task in STRUCTURED], "all tasks, mixed": rows}
    for name, part in parts.items():
        mine, lenient, plain = seconds((ours, both, plainly), part)
        rates = "".join(f"{len(part) / taken:14,.0f}" for taken in (mine, lenient, plain))
        print(f"{name:28}{rates}{plain / mine:8.1f}")
    masks.main()


if __name__ == "__main__":
    main()
