"""Whose gradient it is: what each task weighs in an RL run's updates, from the rollouts that it wrote.

The gradient of the token-mean loss at ratio 1 is −Σ A_i·∇log π(token) / tokens, over the tokens of every answer i: so
an answer weighs tokens·|A|, and this module calls a task's share of Σ tokens·|A| its share of the gradient. It bounds
what the task can move while tokens' score vectors are of like length, costs nothing, and needs no second backward
pass; directions, which may cancel, are not in it.

Two imbalances, as the paper names them, each a coefficient of variation (0: even):

- between tasks: of the mean |A| a token over tasks;
- within tasks: of the gain std(A)/std(R) over a task's groups (population standard deviations; groups of equal rewards
  have none), averaged over tasks. GRPO's gain is 1/std(R), so a group whose answers hardly differ weighs as much as one
  whose answers differ widely; an estimator that divides a whole task by one number has 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from onethinker.train.algorithms.base import SHARED_STATISTICS

COLUMNS = ["step", "id", "task", "tokens", "reward", "advantage"]


def blocks_of(steps: int, blocks: int) -> list[range]:
    """The steps 1…steps in at most so many stretches of like length."""
    edges = np.linspace(0, steps, min(blocks, steps) + 1).round().astype(int)
    return [range(int(a) + 1, int(b) + 1) for a, b in pairwise(edges)]


def influence(rollouts: Path, blocks: list[range]) -> dict[str, Any]:
    """A run's shares by block of steps: `gradient` and `tokens` (task → one share a block), `between` and `within`.

    rollouts: the run's folder of Parquet files. Answers that were not trained on count in nothing.
    """
    found: list[dict[str, Any]] = [_block(list(_trained(rollouts, block))) for block in blocks]
    tasks = sorted({task for block in found for task in block["gradient"]})
    return {
        "gradient": {task: [block["gradient"].get(task, 0.0) for block in found] for task in tasks},
        "tokens": {task: [block["tokens"].get(task, 0.0) for block in found] for task in tasks},
        "between": [block["between"] for block in found],
        "within": [block["within"] for block in found],
    }


def _trained(rollouts: Path, block: range) -> Iterator[dict[str, Any]]:
    for step in block:
        for row in pq.read_table(rollouts / f"step-{step:06d}.parquet", columns=COLUMNS).to_pylist():
            if row["advantage"] is not None:
                yield row


def _block(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares and imbalances of the trained answers of some steps."""
    weight: dict[str, float] = {}
    tokens: dict[str, float] = {}
    groups: dict[tuple[str, int, str], list[tuple[float, float]]] = {}
    for row in rows:
        task = row["task"]
        weight[task] = weight.get(task, 0.0) + row["tokens"] * abs(row["advantage"])
        tokens[task] = tokens.get(task, 0.0) + row["tokens"]
        if row["reward"] is not None and not math.isnan(row["reward"]):
            groups.setdefault((task, row["step"], row["id"]), []).append((row["reward"], row["advantage"]))
    whole, length = sum(weight.values()), sum(tokens.values())
    gains: dict[str, list[float]] = {}
    for (task, _, _), pairs in groups.items():
        rewards, advantages = np.array(pairs).T
        if rewards.std() > 1e-9:
            gains.setdefault(SHARED_STATISTICS.get(task, task), []).append(float(advantages.std() / rewards.std()))
    inner = [_variation(values) for values in gains.values() if len(values) > 1]
    return {
        "gradient": {task: value / whole if whole else 0.0 for task, value in weight.items()},
        "tokens": {task: value / length for task, value in tokens.items()},
        "between": _variation([weight[task] / tokens[task] for task in weight if tokens[task]]),
        "within": float(np.mean(inner)) if inner else math.nan,
    }


def _variation(values: list[float]) -> float:
    """Population standard deviation over the mean; NaN of fewer than two values or where all are 0."""
    mean = float(np.mean(values)) if len(values) > 1 else 0.0
    return float(np.std(values)) / mean if mean else math.nan
