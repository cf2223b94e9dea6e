"""How fast answers are scored, beside a straightforward pure-Python scorer: rows a second per core. Then J&F.

    python -m benchmarks.score [--rows 100000] [--answers 8]

All ways to a score are timed in one process, by processor time, over the same rows: one answer at a time by
`Task.score`; a training step's answers together; evaluation's, with lenient reading; as many as `onethinker score`
takes, with lenient reading; and the plain scorer (`plain_scorer.py`), after it is checked to score every row alike.
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
from onethinker.engines.base import Completion
from onethinker.sample import Sample
from onethinker.sample.answer import read_answer
from onethinker.scoring.rollout import score_completions
from onethinker.scoring.saved import CHUNK_ROWS
from onethinker.scoring.scores import score_many
from onethinker.tasks import TASKS, get_task
from onethinker.tasks.base import Score

STRUCTURED = [name for name, task in TASKS.items() if task.structured and task.released]
Row = tuple[Sample, str]
PASSES = 3
STEP, TOGETHER = 512, 64
"""Answers of a training step, and those that evaluation scores together."""


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
    return TRUTHS[task](rng)


def span(rng: random.Random) -> list[float]:
    start = round(rng.uniform(0, 40), 1)
    return [start, round(start + rng.uniform(8, 32), 1)]


def tube(rng: random.Random) -> dict[str, Any]:
    start, end = span(rng)
    return {"time": [start, end], "boxes": track(rng, range(math.ceil(start), math.floor(end) + 1))}


def track(rng: random.Random, keys: Sequence[int]) -> dict[str, list[int]]:
    return {str(key): box(rng) for key in keys}


def prompts(rng: random.Random) -> dict[str, Any]:
    return {"boxes": box(rng)} | {f"{p}_points": [box(rng)[:2] for _ in range(3)] for p in ("positive", "negative")}


TRUTHS: dict[str, Callable[[random.Random], Any]] = {
    "multiple_choice": lambda rng: rng.choice("ABCD"),
    "numerical": lambda rng: str(rng.randrange(1000)),
    "regression": lambda rng: f"{rng.uniform(0.1, 100):.2f}",
    "math": lambda rng: str(rng.randrange(1000)),
    "ocr": lambda rng: sentence(rng, 12),
    "open_ended": lambda rng: sentence(rng, 20),
    "caption": lambda rng: sentence(rng, 30),
    "spatial_grounding": lambda rng: {"boxes": box(rng)},
    "temporal_grounding": lambda rng: {"time": span(rng)},
    "spatial_temporal_grounding": tube,
    "tracking": lambda rng: {"boxes": track(rng, range(1, rng.randrange(9, 34)))},
    "image_segmentation": prompts,
    "video_segmentation": lambda rng: {"time": round(rng.uniform(0, 40), 1)} | prompts(rng),
}
"""The tasks that are timed, each with a maker of true answers."""


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
        task = list(TRUTHS)[number % len(TRUTHS)]
        truth = true_answer(rng, task)
        options = ("A. red", "B. green", "C. blue", "D. none") if task == "multiple_choice" else ()
        text = truth if isinstance(truth, str) else json.dumps(truth)
        sample = Sample(str(number), task, TASKS[task].modalities[0], "What?", text, options)
        made += [(sample, response_to(rng, task, truth)) for _ in range(answers)]
    return made[:rows]


# ---- timing -----------------------------------------------------------------------------------------------------


def ours(rows: Sequence[Row]) -> list[tuple[Score, float]]:
    scored = score_many([sample for sample, _ in rows], [read_answer(response) for _, response in rows])
    return [(found.score, found.score.reward()) for found in scored]


def one_by_one(rows: Sequence[Row]) -> None:
    for sample, response in rows:
        get_task(sample.task).score(sample, read_answer(response))


def in_steps(rows: Sequence[Row], answers: int) -> None:
    """As training does: a step's groups of answers, and their rewards."""
    for first in range(0, len(rows), STEP):
        for rollouts in score_completions(*groups(rows[first : first + STEP], answers)):
            for rollout in rollouts:
                rollout.score.reward()


def in_evaluation(rows: Sequence[Row]) -> None:
    """As evaluation does: whatever came meanwhile, read strictly and leniently."""
    for first in range(0, len(rows), TOGETHER):
        score_completions(*groups(rows[first : first + TOGETHER], 1), lenient=True)


def groups(rows: Sequence[Row], answers: int) -> tuple[list[Sample], list[list[Completion]]]:
    firsts = range(0, len(rows), answers)
    completions = [[Completion(response, "stop") for _, response in rows[n : n + answers]] for n in firsts]
    return [rows[n][0] for n in firsts], completions


def in_chunks(rows: Sequence[Row]) -> None:
    """As `onethinker score` does, without reading and writing files."""
    for first in range(0, len(rows), CHUNK_ROWS):
        part = rows[first : first + CHUNK_ROWS]
        score_many([sample for sample, _ in part], [read_answer(response) for _, response in part], lenient=True)


def seconds(works: Sequence[Callable[[Sequence[Row]], Any]], rows: Sequence[Row]) -> list[float]:
    """Processor time of each for all rows; the least of `PASSES`."""
    least = [math.inf] * len(works)
    for _ in range(PASSES):
        for place, work in enumerate(works):
            began = time.process_time()
            work(rows)
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
    works: dict[str, Callable[[Sequence[Row]], Any]] = {
        "one by one": one_by_one,
        "RL step": lambda part: in_steps(part, given.answers),
        "evaluation": in_evaluation,
        "score": in_chunks,
        "plain Python": plainly,
    }
    print(f"{'rows a second per core':28}" + "".join(f"{name:>14}" for name in works) + f"{'score/plain':>13}")
    parts = {task: [row for row in rows if row[0].task == task] for task in TRUTHS}
    parts |= {"structured tasks, mixed": [r for r in rows if r[0].task in STRUCTURED], "all tasks, mixed": rows}
    for name, part in parts.items():
        taken = seconds(list(works.values()), part)
        rates = "".join(f"{len(part) / one:14,.0f}" for one in taken)
        print(f"{name:28}{rates}{taken[-1] / taken[-2]:13.1f}", flush=True)
    masks.main()


if __name__ == "__main__":
    main()
