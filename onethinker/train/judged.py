"""A judge's grades in place of ROUGE, for the free text among a step's answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from onethinker.recipes.base import JudgeConfig
from onethinker.sample.answer import Status
from onethinker.scoring.judge import Judge, JudgeError, make_judge, regrade
from onethinker.scoring.rollout import Rollout
from onethinker.tasks.base import Score

Group = tuple[int, list[Rollout]]


def open_judge(config: JudgeConfig, out: Path, rank: int) -> Judge | None:
    """The recipe's judge, None if it names none. Raises JudgeError.

    Each process keeps its grades in a file of its own, so that a resumed run asks nothing twice.
    """
    if not config.url:
        return None
    return make_judge(config.url, out / f"judge-{rank}.sqlite", kind=config.kind, model=config.model)


def judged(groups: Sequence[Group], judge: Judge | None, in_group: bool) -> list[Group]:
    """The same answers, all graded at once; one that the judge fails on is an error, which trains nothing."""
    if judge is None:
        return list(groups)
    flat = [rollout for _, rollouts in groups for rollout in rollouts]
    grades = regrade(
        [r.sample for r in flat], [r.answer for r in flat], [r.score for r in flat], judge, in_group=in_group
    )
    graded = (_with(rollout, grade) for rollout, grade in zip(flat, grades, strict=True))
    return [(position, [next(graded) for _ in rollouts]) for position, rollouts in groups]


def _with(rollout: Rollout, grade: Score | JudgeError) -> Rollout:
    if isinstance(grade, Score):
        return replace(rollout, score=grade)
    failed = replace(rollout.completion, error=f"judge: {grade}")
    return replace(rollout, completion=failed, score=Score(Status.ERROR))
