"""The judge that a recipe names."""

from __future__ import annotations

from pathlib import Path

from onethinker.recipes.base import JudgeConfig
from onethinker.scoring.judge import Judge, make_judge


def open_judge(config: JudgeConfig, out: Path, rank: int) -> Judge | None:
    """The recipe's judge, None if it names none. Raises JudgeError.

    Each process keeps its grades in a file of its own, so that a resumed run asks nothing twice.
    """
    if not config.url:
        return None
    return make_judge(config.url, out / f"judge-{rank}.sqlite", kind=config.kind, model=config.model)
