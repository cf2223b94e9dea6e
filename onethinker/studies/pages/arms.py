"""The arms of an estimator study on its page: their names and their curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from onethinker.report.figures import Curve

OURS = "ema_grpo"

NAMES = {
    "sft": "SFT, the start", "grpo": "GRPO", "dr_grpo": "Dr.GRPO", "ema_grpo": "EMA-GRPO", "mt_grpo": "MT-GRPO",
    "g2rpo": "G²RPO", "batch_std": "Batch std", "task_batch_std": "Task batch std",
    "task_running_std": "Task running std", "ema_grpo_within": "EMA-GRPO, σ within",
    "ema_grpo_even": "EMA-GRPO, tasks even", "ema_grpo_short": "EMA-GRPO, memory 10",
    "ema_grpo_group_std": "EMA-GRPO, released guard", "ema_grpo_unguarded": "EMA-GRPO, no guard",
    "dr_grpo_loss": "Dr.GRPO, own loss",
}  # fmt: skip


def name_of(arm: str) -> str:
    return NAMES.get(arm, arm)


def curve(arm: str, classes: Mapping[str, str], x: Sequence[float], y: Sequence[float | None]) -> Curve:
    return Curve(name_of(arm), classes[arm], x, known(y))


def known(values: Sequence[float | None]) -> list[float]:
    """Not-a-numbers for what a study does not know."""
    return [float("nan") if v is None else v for v in values]
