"""Training curves: metric rows → panels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from onethinker.report.figures import Curve, Panel, panel, span
from onethinker.report.read import MetricRow
from onethinker.report.rollouts import not_rollouts
from onethinker.report.tables import STATUSES

MOST_POINTS = 400
"""Of a drawn line; longer ones are averaged in equal stretches of steps."""

_PANELS = {
    "sft": {"loss": "Loss", "lr": "Learning rate", "grad_norm": "Gradient norm"},
    "rl": {
        "reward": "Mean reward",
        "accuracy": "Mean accuracy",
        "kl": "KL to the reference",
        "entropy": "Entropy",
        "length": "Answer length (tokens)",
        "clip_fraction": "Share of tokens clipped",
        "dropped_groups": "Groups dropped by the filter",
        "truncated": "Share cut off at the limit",
        "loss": "Loss",
        "grad_norm": "Gradient norm",
    },
}
_FROM_ZERO = {"kl", "entropy", "clip_fraction", "dropped_groups", "truncated", "length"}


def smooth(values: Sequence[float], window: int) -> list[float]:
    """Centred mean over up to `window` values, not-a-numbers left out; the ends average what there is."""
    y = np.asarray(values, dtype=np.float64)
    defined = np.isfinite(y)
    total = np.concatenate([[0.0], np.cumsum(np.where(defined, y, 0.0))])
    count = np.concatenate([[0], np.cumsum(defined)])
    half = window // 2
    start = np.clip(np.arange(len(y)) - half, 0, None)
    end = np.clip(np.arange(len(y)) + half + 1, None, len(y))
    n = count[end] - count[start]
    with np.errstate(invalid="ignore", divide="ignore"):
        return ((total[end] - total[start]) / n).tolist()


def thin(x: Sequence[float], y: Sequence[float], most: int = MOST_POINTS) -> tuple[list[float], list[float]]:
    """At most `most` points, each the mean of a stretch; not-a-numbers left out of the means."""
    if len(x) <= most:
        return list(x), list(y)
    parts = [(np.mean(a), _mean(b)) for a, b in zip(np.array_split(x, most), np.array_split(y, most))]
    return [float(a) for a, _ in parts], [b for _, b in parts]


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else math.nan


def curve(rows: Sequence[MetricRow], key: str, label: str, class_: str) -> Curve | None:
    """The values under `key` over steps with their running mean, None where there are none."""
    some = [(row["step"], row[key]) for row in rows if isinstance(row.get(key), int | float)]
    if not some:
        return None
    x, y = thin([float(a) for a, _ in some], [float(b) for _, b in some])
    window = max(3, len(x) // 10)
    return Curve(label, class_, x, y, smooth(y, window) if len(x) > 8 else None)


def stage_panels(rows: Sequence[MetricRow], stage: str) -> list[Panel]:
    """The panels of `sft` or `rl` over all tasks together."""
    class_ = f"stage-{stage}"
    found = ((key, title, curve(rows, key, title, class_)) for key, title in _PANELS[stage].items())
    panels = (panel(title, [c], bounds=span([c], from_zero=key in _FROM_ZERO)) for key, title, c in found if c)
    return [drawn for drawn in panels if drawn]


def task_panels(rows: Sequence[MetricRow], titles: dict[str, str]) -> tuple[list[Curve], list[Panel]]:
    """A panel a task on one scale: the reward, and the standard deviation by which EMA-GRPO divides. With one curve of
    each kind, for the legend of them all."""
    logged = {key.partition("/")[2] for row in rows for key in row if key.startswith(("reward/", "ema_std/"))}
    drawn: dict[str, list[Curve]] = {}
    for task in [*(t for t in titles if t in logged), *sorted(logged - titles.keys())]:
        found = [
            curve(rows, f"reward/{task}", "mean reward", "stage-rl"),
            curve(rows, f"ema_std/{task}", "EMA standard deviation", "stage-std"),
        ]
        if some := [c for c in found if c]:
            drawn[titles.get(task, task.replace("_", " "))] = some
    every = [c for some in drawn.values() for c in some]
    bounds = span(every, from_zero=True)
    panels = (panel(t, some, bounds=bounds, named=False, size=(240, 150)) for t, some in drawn.items())
    return list({c.label: c for c in every}.values()), [each for each in panels if each]


def status_panel(rollouts: Sequence[Path]) -> Panel | None:
    """How the sampled answers of each RL step read, as shares; None without rollouts. Raises RunError for a file that
    holds none."""
    counts: dict[int, Counter[str]] = {}
    for file in rollouts:
        try:
            columns = pq.read_table(file, columns=["step", "status"]).to_pydict()
        except (KeyError, ValueError) as error:
            raise not_rollouts(file, error) from error
        for step, status in zip(columns["step"], columns["status"], strict=True):
            counts.setdefault(step, Counter())[status] += 1
    steps = [float(step) for step in sorted(counts)]
    shares = {status: [counts[s][status] / counts[s].total() for s in sorted(counts)] for status in STATUSES}
    drawn = [Curve(STATUSES[s], f"status-{s}", *thin(steps, y)) for s, y in shares.items() if any(y)]
    return panel("How sampled answers read (share)", drawn, bounds=(0.0, 1.0)) if drawn else None
