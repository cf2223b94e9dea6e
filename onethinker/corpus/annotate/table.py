"""What annotation came to, by task: how many samples were kept, what that cost, and yield and quality against the
threshold, so that one is chosen and not guessed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from onethinker.corpus.annotate.choose import Verdict, best
from onethinker.corpus.annotate.journal import Amount
from onethinker.corpus.annotate.settings import Settings
from onethinker.sample import Sample
from onethinker.tasks import get_task

STEPS = 20
"""Thresholds of a curve: 0, 1/20, …, 1."""
EXACT = "exact_truth"
"""Key of `meta` under which a world with a truth that errs keeps the exact one."""


@dataclass
class TaskCounts:
    """One task's sums. best_S1: samples by the accuracy of their best answer that passes the checks (in STEPS steps,
    rounded down), quality_S1: the sums of those answers' accuracy, on the exact truth where a sample has one."""

    samples: int = 0
    asked: int = 0
    answers: int = 0
    kept: int = 0
    accuracy: float = 0.0
    paid: Amount = field(default_factory=Amount)
    refused: Counter[str] = field(default_factory=Counter)
    best_S1: np.ndarray = field(default_factory=lambda: np.zeros(STEPS + 1))
    quality_S1: np.ndarray = field(default_factory=lambda: np.zeros(STEPS + 1))

    def add(self, sample: Sample, verdicts: Sequence[Verdict], paid: Amount, problem: str) -> None:
        """Count one sample. problem: why it has no answers, or fewer."""
        self.samples += 1
        self.asked += bool(verdicts)
        self.answers += len(verdicts)
        self.paid += paid
        chosen = best(verdicts)
        if chosen:
            self.kept += 1
            self.accuracy += chosen.accuracy
        else:
            self.refused.update(reasons_of(verdicts, problem))
        passing = [v for v in verdicts if not v.reasons.keys() - {"score"}]
        if passing:
            top = max(passing, key=lambda v: (v.accuracy, -v.index))
            place = int(top.accuracy * STEPS + 1e-9)
            self.best_S1[place] += 1
            self.quality_S1[place] += _exact(sample, top)

    def curve(self) -> list[dict[str, float]]:
        """At each threshold: `yield` (share of the asked samples that are kept), `quality` (their mean accuracy, null
        where none is kept) and `dollars` for each kept one."""
        kept, quality = self.best_S1[::-1].cumsum()[::-1], self.quality_S1[::-1].cumsum()[::-1]
        return [
            {
                "threshold": step / STEPS,
                "yield": kept[step] / max(self.asked, 1),
                "quality": quality[step] / kept[step] if kept[step] else float("nan"),
                "dollars": self.paid.dollars / kept[step] if kept[step] else float("nan"),
            }
            for step in range(STEPS + 1)
        ]


def reasons_of(verdicts: Sequence[Verdict], problem: str) -> set[str]:
    """Why nothing of a sample was kept, each reason once; `budget` or `failed` where it was not answered."""
    if not verdicts:
        return {problem if problem == "budget" else "failed"}
    return {name for verdict in verdicts for name in verdict.reasons}


def _exact(sample: Sample, verdict: Verdict) -> float:
    exact = sample.meta.get(EXACT)
    if not isinstance(exact, str):
        return verdict.accuracy
    from dataclasses import replace

    return get_task(sample.task).score(replace(sample, truth=exact), verdict.answer).accuracy


def rows(counts: Mapping[str, TaskCounts], settings: Settings) -> list[dict[str, Any]]:
    """The table, a row a task and one for all (`task` is "all")."""
    made = [_row(task, found, settings.threshold(task)) for task, found in counts.items() if found.samples]
    return [*made, _row("all", _sum(counts.values()), None)] if len(made) > 1 else made


def _sum(counts: Iterable[TaskCounts]) -> TaskCounts:
    total = TaskCounts()
    for one in counts:
        for name in ("samples", "asked", "answers", "kept", "accuracy", "paid", "best_S1", "quality_S1"):
            setattr(total, name, getattr(total, name) + getattr(one, name))
        total.refused.update(one.refused)
    return total


def _row(task: str, found: TaskCounts, threshold: float | None) -> dict[str, Any]:
    return {
        "task": task,
        "threshold": threshold,
        "samples": found.samples,
        "asked": found.asked,
        "answers": found.answers,
        "kept": found.kept,
        "yield": found.kept / max(found.asked, 1),
        "accuracy": found.accuracy / found.kept if found.kept else None,
        "tokens": found.paid.tokens,
        "dollars": found.paid.dollars,
        "dollars_a_kept": found.paid.dollars / found.kept if found.kept else None,
        "refused": dict(found.refused.most_common()),
    }


def print_table(table: Sequence[Mapping[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    shown = Table("task", box=None, header_style="bold")
    for name in ("threshold", "asked", "kept", "yield", "accuracy", "tokens", "$", "$ a kept"):
        shown.add_column(name, justify="right")
    shown.add_column("refused for (samples)")
    for row in table:
        refused = ", ".join(f"{name} {count}" for name, count in row["refused"].items())
        numbers = (_number(row["threshold"], 2), str(row["asked"]), str(row["kept"]), f"{100 * row['yield']:.0f}%")
        money = (
            _number(row["accuracy"], 3),
            f"{row['tokens']:,}",
            f"{row['dollars']:.4f}",
            _number(row["dollars_a_kept"], 5),
        )
        shown.add_row(row["task"], *numbers, *money, refused)
    Console(width=None if Console().is_terminal else 170).print(shown)


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
