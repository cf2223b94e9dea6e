"""The clipped policy-gradient loss over packed answer tokens, and what is logged of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from onethinker.recipes.base import RLConfig

MAX_LOG_RATIO = 20.0
"""Log-probabilities further apart count as this far: exp(20) is clipped all the same, and still a number."""


@dataclass(frozen=True, eq=False)
class Batch:
    """What is known of the N answer tokens of A answers before the update, answers one after the other.

    lengths_A: tokens of each answer. advantages_A. tasks: a name for each answer, for the log. old_logps_N: when they
    were sampled. ref_logps_N: under the reference; None where the KL coefficient is 0. importance_N: truncated weights
    for sampling probabilities that are not quite ours. truncated_A: answers cut at the length limit. scored_A: answers
    that have a reward; all if None.
    """

    lengths_A: Tensor
    advantages_A: Tensor
    tasks: Sequence[str]
    old_logps_N: Tensor
    ref_logps_N: Tensor | None = None
    importance_N: Tensor | None = None
    truncated_A: Tensor | None = None
    scored_A: Tensor | None = None

    def kept_A(self, config: RLConfig) -> Tensor:
        """Which answers count: all with a token and a reward, without the truncated ones where these are masked."""
        kept = self.lengths_A > 0 if self.scored_A is None else (self.lengths_A > 0) & self.scored_A
        return kept & ~self.truncated_A if config.mask_truncated and self.truncated_A is not None else kept


@dataclass
class WeightedMeans:
    """Weighted means by name; those of several microbatches or processes add up."""

    sums: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    weights: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, name: str, total: float, weight: float) -> None:
        self.sums[name] += total
        self.weights[name] += weight

    def merge(self, others: Iterable[WeightedMeans]) -> WeightedMeans:
        for other in others:
            for name, total in other.sums.items():
                self.add(name, total, other.weights[name])
        return self

    def values(self) -> dict[str, float]:
        return {name: total / self.weights[name] for name, total in self.sums.items() if self.weights[name]}


def denominator(batch: Batch, config: RLConfig) -> float:
    """What the summed loss of a whole minibatch is divided by; microbatches' and processes' denominators add up.

    token_mean: tokens that count. sequence_mean: answers that count. dr_grpo: all answers times the length limit.
    """
    kept = batch.kept_A(config)
    if config.loss == "token_mean":
        return float(batch.lengths_A[kept].sum())
    if config.loss == "sequence_mean":
        return float(kept.sum())
    return float(len(batch.lengths_A) * config.max_tokens)


def policy_loss(
    logps_N: Tensor, batch: Batch, config: RLConfig, total: float, entropies_N: Tensor | None = None
) -> tuple[Tensor, WeightedMeans]:
    """`(loss, means)` of some answers of a minibatch; the losses of all its microbatches sum to the minibatch's.

    With ratio r = exp(logp − old) of each token (`token`; PPO), or of the answer's mean (`sequence`; GSPO, 2507.18071),

        L = max(−A·r, −A·clip(r, 1 − clip_low, 1 + clip_high)), at most −A·dual_clip where A < 0 (1912.09729),

    times the importance weight, plus kl·k3 with k3 = exp(ref − logp) − (ref − logp) − 1. Summed over tokens and divided
    by the whole minibatch's tokens (DAPO, 2503.14476), by each answer's tokens and the number of answers (GRPO,
    2402.03300), or by the answers times `max_tokens` (Dr.GRPO, 2503.20783).

    total: `denominator` of the whole minibatch, all processes together. entropies_N: logged only.
    """
    if config.kl and batch.ref_logps_N is None:
        raise ValueError(f"kl is {config.kl}, so the reference's log-probabilities are needed; got none")
    answer_N = torch.repeat_interleave(batch.lengths_A)
    advantage_N = batch.advantages_A.to(logps_N)[answer_N]
    ratio_N = _ratio(logps_N, batch, answer_N, config)
    clipped_N = ratio_N.clamp(1 - config.clip_low, 1 + config.clip_high)
    loss_N = torch.maximum(-advantage_N * ratio_N, -advantage_N * clipped_N)
    loss_N = torch.where(advantage_N < 0, loss_N.clamp(max=-advantage_N * config.dual_clip), loss_N)
    if batch.importance_N is not None:
        loss_N = loss_N * batch.importance_N
    logged = {"ratio": ratio_N, "clip_fraction": _clipped(ratio_N, advantage_N, config)}
    if batch.ref_logps_N is not None:
        away_N = (batch.ref_logps_N - logps_N).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
        logged["kl"] = away_N.expm1() - away_N  # exp(away) − 1 would leave nothing but rounding near the reference
        if config.kl:
            loss_N = loss_N + config.kl * logged["kl"]
    if entropies_N is not None:
        logged["entropy"] = entropies_N
    weight_A = batch.kept_A(config).to(loss_N)
    if config.loss == "sequence_mean":
        weight_A = weight_A / batch.lengths_A.clamp(min=1)
    loss = (loss_N * weight_A[answer_N]).sum() / max(total, 1.0)
    return loss, _means(logged, batch, answer_N)


def _ratio(logps_N: Tensor, batch: Batch, answer_N: Tensor, config: RLConfig) -> Tensor:
    log_ratio_N = logps_N - batch.old_logps_N
    if config.ratio == "sequence":
        sums_A = logps_N.new_zeros(len(batch.lengths_A)).index_add(0, answer_N, log_ratio_N)
        log_ratio_N = (sums_A / batch.lengths_A.clamp(min=1))[answer_N]
    return log_ratio_N.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()


def _clipped(ratio_N: Tensor, advantage_N: Tensor, config: RLConfig) -> Tensor:
    """Where the clipped value is the one that counts, so that the token has no gradient."""
    above = (advantage_N > 0) & (ratio_N > 1 + config.clip_high)
    below = (advantage_N < 0) & (ratio_N < 1 - config.clip_low)
    far = (advantage_N < 0) & (ratio_N > config.dual_clip)
    return above | below | far


@torch.no_grad()
def _means(logged: Mapping[str, Tensor], batch: Batch, answer_N: Tensor) -> WeightedMeans:
    """Means over tokens of what is logged, and over answers of the length: of all, and of each task as `name/task`."""
    means = WeightedMeans()
    names = sorted(set(batch.tasks))
    task_A = torch.tensor([names.index(t) for t in batch.tasks], dtype=torch.long, device=answer_N.device)
    per_answer = {name: values.double() for name, values in logged.items()}
    table = {name: (task_A[answer_N], values) for name, values in per_answer.items()}
    table["length"] = (task_A, batch.lengths_A.double())
    for name, (task, values) in table.items():
        sums = values.new_zeros(len(names)).index_add(0, task, values).tolist()
        counts = torch.bincount(task, minlength=len(names)).tolist()
        means.add(name, sum(sums), sum(counts))
        for label, total, count in zip(names, sums, counts, strict=True):
            means.add(f"{name}/{label}", total, count)
    return means
