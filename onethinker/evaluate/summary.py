"""Rows → summary: a pure function, so that a summary can always be made again from the rows alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from onethinker.sample import DataError, Sample
from onethinker.sample.answer import Status, read_answer
from onethinker.scoring.bootstrap import (
    STANDARD,
    Bootstrap,
    Bounds,
    Estimate,
    average,
    mean,
    pooled,
    ratios,
    reward_bounds,
)
from onethinker.scoring.consensus import calibration, consensus
from onethinker.scoring.results import Row, is_error, lenient_score_of, score_of
from onethinker.tasks import get_task, list_tasks
from onethinker.tasks.base import MetricProfile, RewardProfile

Summary = dict[str, Any]

ENOUGH = 3
"""Sampled answers to a question from which on they have a consensus."""


def summarise(
    rows: Sequence[Row],
    samples: Sequence[Sample],
    *,
    metric_profile: MetricProfile = "official",
    reward: RewardProfile = "released",
    bootstrap: Bootstrap = STANDARD,
) -> Summary:
    """Reduce the rows that count (`results.current`) to one entry a task and the mean over tasks.

    Per task: `questions` asked, `n` of them scored, `errors` and `missing` (no row yet) left out of every average,
    `headline` naming the first of `metrics`, `released` (metrics by the published run's formulas, values alone),
    `accuracy`, `sampled` (mean reward and accuracy of sampled answers, and the `consensus` of three or more; None
    without), `status` counts, `truncated` at the length limit, `lenient` (how many read otherwise, and the headline
    then), `seconds`, `tokens` and `prompt_tokens` an answer. Every estimate is {value, low, high} with a 95 % interval
    over questions (`scoring.bootstrap`).
    """
    tasks: dict[str, Any] = {}
    means: dict[str, list[Estimate]] = {"headline": [], "accuracy": [], "sampled_reward": [], "sampled_accuracy": []}
    present = {s.task for s in samples}
    for task in [name for name in list_tasks() if name in present]:
        questions = {s.id for s in samples if s.task == task}
        of_task = [row for row in rows if row["task"] == task and row["id"] in questions]
        greedy = sorted((r for r in of_task if r["decoding"] == "greedy"), key=lambda r: str(r["id"]))
        sampled = [r for r in of_task if r["decoding"] == "sampled"]
        entry, found = _greedy_entry(task, questions, greedy, metric_profile, bootstrap.of(task))
        tasks[task] = entry | {"sampled": None}
        if sampled:
            tasks[task]["sampled"], more = _sampled_entry(
                sampled, reward, reward_bounds(reward, task), bootstrap.of(task)
            )
            found |= more
            of_samples = [s for s in samples if s.task == task]
            tasks[task]["sampled"]["consensus"] = _consensus_entry(sampled, of_samples, bootstrap.of(task))
        for name, value in found.items():
            means[name].append(value)
    return {
        "questions": sum(t["questions"] for t in tasks.values()),
        "n": sum(t["n"] for t in tasks.values()),
        "errors": sum(t["errors"] for t in tasks.values()),
        "missing": sum(t["missing"] for t in tasks.values()),
        "tasks": tasks,
        "mean": {name: average(values).row() for name, values in means.items() if values},
    }


def _greedy_entry(
    task: str, questions: set[str], rows: list[Row], profile: MetricProfile, bootstrap: Bootstrap
) -> tuple[dict[str, Any], dict[str, Estimate]]:
    scored = [row for row in rows if not is_error(row)]
    counts = Counter(row["status"] for row in rows)
    entry: dict[str, Any] = {
        "title": get_task(task).title,
        "questions": len(questions),
        "n": len(scored),
        "errors": len(rows) - len(scored),
        "missing": len(questions - {row["id"] for row in rows}),
        "status": {status.value: counts.get(status.value, 0) for status in Status},
        "truncated": sum(row["finish"] == "length" for row in scored),
        "headline": None,
        "metrics": {},
        "released": {},
        "accuracy": None,
        "lenient": None,
        **{name: _mean_of(scored, name) for name in ("seconds", "tokens", "prompt_tokens")},
    }
    if not scored:
        return entry, {}

    kind = get_task(task)
    scores = [score_of(row) for row in scored]
    metrics = ratios([kind.counted(score, profile) for score in scores], bootstrap)
    metrics |= pooled(task, scores, profile, bootstrap)
    accuracy = mean([row["accuracy"] for row in scored], bootstrap)
    headline = next(iter(metrics))
    lenient = kind.metrics([lenient_score_of(row) for row in scored], profile)
    entry |= {
        "headline": headline,
        "metrics": {name: value.row() for name, value in metrics.items()},
        "released": {name: _finite(value) for name, value in kind.metrics(scores, "released").items()},
        "accuracy": accuracy.row(),
        "lenient": {"needed": sum(row["lenient"] is not None for row in scored), "value": _finite(lenient[headline])},
    }
    return entry, {"headline": metrics[headline], "accuracy": accuracy}


def _sampled_entry(
    rows: list[Row], reward: RewardProfile, bounds: Bounds, bootstrap: Bootstrap
) -> tuple[dict[str, Any], dict[str, Estimate]]:
    by_question: dict[str, list[Row]] = {}
    for row in rows:
        if not is_error(row):
            by_question.setdefault(row["id"], []).append(row)
    order = sorted(by_question)
    rewards = [float(np.mean([score_of(r).reward(reward) for r in by_question[q]])) for q in order]
    accuracies = [float(np.mean([r["accuracy"] for r in by_question[q]])) for q in order]
    found = {
        "sampled_reward": mean(rewards, bootstrap, bounds),
        "sampled_accuracy": mean(accuracies, bootstrap),
    }
    entry: dict[str, Any] = {
        "questions": len(order),
        "answers": sum(map(len, by_question.values())),
        "errors": sum(is_error(row) for row in rows),
        "reward": found["sampled_reward"].row(),
        "accuracy": found["sampled_accuracy"].row(),
    }
    return entry, found


def _consensus_entry(rows: list[Row], samples: Sequence[Sample], bootstrap: Bootstrap) -> dict[str, Any] | None:
    """Of questions with several sampled answers: the accuracy of the answer that the others agree with most, and how
    well their agreement tells it. None where there are fewer than three answers a question, or none can be compared."""
    by_question: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (str(row["id"]), row["index"])):
        if not is_error(row):
            by_question.setdefault(row["id"], []).append(row)
    asked = [sample for sample in samples if len(by_question.get(sample.id, ())) >= ENOUGH]
    if not asked:
        return None
    given = [by_question[sample.id] for sample in asked]
    try:
        chosen = consensus(asked, [[read_answer(r["response"], r["finish"]) for r in rows] for rows in given])
    except DataError:
        return None
    accuracies = [float(of_one[c.index]["accuracy"]) for of_one, c in zip(given, chosen, strict=True)]
    told = calibration([c.agreement for c in chosen], accuracies)
    return {"questions": len(asked), "accuracy": mean(accuracies, bootstrap).row(), **told}


def _mean_of(rows: Sequence[Row], name: str) -> float | None:
    return float(np.mean([row[name] for row in rows])) if rows else None


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
