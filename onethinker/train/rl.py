"""Reinforcement learning on scored answers. `run_rl` reads top to bottom: collect → score → advantage → loss → step."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from onethinker.engines.local import LocalEngine
from onethinker.models.encode import Encoder
from onethinker.models.forward import autocast, banned_ids, unwrap
from onethinker.models.load import load
from onethinker.progress import bar
from onethinker.recipes.base import Recipe
from onethinker.runs import locked, open_run
from onethinker.sample import Samples
from onethinker.tasks.prompts import load_prompts
from onethinker.train import checkpoint
from onethinker.train.advantage import make
from onethinker.train.algorithms.base import Algorithm, Candidate
from onethinker.train.experience import Answered, Collected, Collector, write_rollouts
from onethinker.train.loss import Batch, Means, denominator, policy_loss
from onethinker.train.optimizer import Optimizer, make_optimizer, schedule, update
from onethinker.train.prefix import Group, answer_logps, microbatches, take
from onethinker.train.sampler import Sampler
from onethinker.train.sft import fingerprint, prepare_model
from onethinker.train.watch import Metrics


def run_rl(recipe: Recipe, samples: Samples, out: Path, *, fresh: bool = False, stop_after: int | None = None) -> Path:
    """Train as the recipe says, from `recipe.model.base`; return the folder of the trained model.

    The same call resumes a killed run, exactly. stop_after: leave after this many steps of the schedule, for tests.
    """
    out = open_run(out, {"kind": "rl", "recipe": recipe.deciding(), "samples": fingerprint(samples)}, fresh=fresh)
    with locked(out):
        return _train(recipe, samples, out, stop_after)


def _train(recipe: Recipe, samples: Samples, out: Path, stop_after: int | None) -> Path:
    config = recipe.rl
    saved = checkpoint.folders(out)
    model, processor = prepare_model(
        recipe, str(saved[-1]) if saved else recipe.model.base, vision=config.freeze_vision,
        projector=config.freeze_projector, checkpointing=config.gradient_checkpointing,
    )  # fmt: skip
    policy = Policy(model, banned_ids(processor.tokenizer), recipe)
    optimizer = make_optimizer(model, config.optimizer)
    encoder = Encoder(processor)
    sampler = Sampler(config.sampler, samples, recipe.seed)
    algorithm = make(config.algorithm, **config.algorithm_options)
    engine = LocalEngine(model, encoder, rows=config.rows, identity="policy", dtype=recipe.model.dtype)
    collector = Collector(samples, engine, encoder, sampler, load_prompts(recipe.prompts), recipe)
    step, seconds = 0, 0.0
    if saved:
        state = checkpoint.load_state(saved[-1])
        step, seconds = state["step"], state["seconds"]
        checkpoint.restore(state, optimizer)
        sampler.load_state_dict(state["sampler"])
        algorithm.load_state_dict(state["algorithm"])
    else:
        torch.manual_seed(recipe.seed)
    last = min(config.steps, stop_after or config.steps)
    with Metrics(out, recipe.watch, step, config.steps) as log, bar("RL", last, done=step) as advance:
        while step < last:
            began = time.perf_counter()
            collected = collector.collect(step, algorithm.task_weights())
            _select(algorithm, collected, config.prompts)
            rolled = time.perf_counter()
            advantages = _advantages(algorithm, collected.kept)
            share = schedule(config.optimizer, step, config.steps)
            stats = _update(policy, optimizer, collected.kept, advantages, share)
            step, now = step + 1, time.perf_counter()
            seconds += now - began
            row = _summary(recipe, collected) | algorithm.stats() | stats
            times = {"seconds": seconds, "seconds/rollout": rolled - began, "seconds/update": now - rolled}
            log.append({"step": step, "stage": "rl", "lr": config.optimizer.lr * share, **times, **row})
            kept = {id(group): a for group, a in zip(collected.kept, advantages, strict=True)}
            write_rollouts(out / "rollouts" / f"step-{step:06d}.parquet", step, collected, kept)
            advance(1, f"reward {row['reward']:.3f}")
            if step % config.save_every == 0 or step == last:
                whole = {"seconds": seconds, "sampler": sampler.state_dict(), "algorithm": algorithm.state_dict()}
                checkpoint.save_checkpoint(out, step, model, processor, optimizer, recipe, whole, config.keep)
    return checkpoint.folders(out)[-1]


def _select(algorithm: Algorithm, collected: Collected, count: int) -> None:
    """Leave to train what the algorithm wants of the groups that may; it sees the dropped ones too."""
    candidates = [Candidate(g.sample.task, tuple(g.rewards_G.tolist())) for g in collected.groups]
    chosen = set(algorithm.select(candidates, count))
    collected.dropped += [g for i, g in enumerate(collected.kept) if i not in chosen]
    collected.kept = [g for i, g in enumerate(collected.kept) if i in chosen]


def _advantages(algorithm: Algorithm, groups: Sequence[Answered]) -> list[np.ndarray]:
    """(G,) advantages a group. Statistics see the rewards that are trained on, and no others."""
    if not groups:
        return []
    sizes = [len(g.rewards_G) for g in groups]
    values = algorithm(
        np.concatenate([g.rewards_G for g in groups]),
        np.repeat([f"{i}:{g.sample.id}" for i, g in enumerate(groups)], sizes).tolist(),
        np.repeat([g.sample.task for g in groups], sizes).tolist(),
    )
    return np.split(values, np.cumsum(sizes)[:-1])


class Policy:
    """The model that trains, and the reference it is held to: its own start, or itself without its adapters."""

    def __init__(self, model: Any, banned: list[int], recipe: Recipe) -> None:
        self.model, self.banned, self.recipe = model, banned, recipe
        self.device = unwrap(model).lm_head.weight.device
        self._start: Any = None
        if recipe.rl.kl and not recipe.lora.rank:
            self._start, _ = load(
                recipe.model.base, device=recipe.model.device, dtype=recipe.model.dtype,
                attention=recipe.model.attention, seed=recipe.seed,
            )  # fmt: skip
            self._start.eval().requires_grad_(False)

    def logps(self, groups: Sequence[Group]) -> tuple[Tensor, Tensor]:
        """Log-probabilities and entropies (N,) of the groups' answer tokens, with gradients."""
        with autocast(self.device, self.recipe.model.dtype):
            return answer_logps(self.model, groups, banned=self.banned, temperature=self.recipe.rl.temperature)

    @torch.no_grad()
    def reference_logps(self, groups: Sequence[Group]) -> Tensor:
        """Log-probabilities (N,) of the same tokens under the reference."""
        model = self.model if self._start is None else self._start
        with autocast(self.device, self.recipe.model.dtype), self._adapters_off():
            return answer_logps(model, groups, banned=self.banned, temperature=self.recipe.rl.temperature)[0]

    def _adapters_off(self) -> AbstractContextManager[Any]:
        return self.model.disable_adapter() if self._start is None else nullcontext()


def _update(
    policy: Policy,
    optimizer: Optimizer,
    groups: Sequence[Answered],
    advantages: Sequence[np.ndarray],
    share: float,
) -> dict[str, float]:
    """Updates over the step's groups in minibatches; what was logged, averaged over tokens."""
    config, means, losses, norms = policy.recipe.rl, Means(), [], []
    for start in range(0, len(groups), config.minibatch):
        part = slice(start, start + config.minibatch)
        packed = [g.group for g in groups[part]]
        total = denominator(_batch(groups[part], advantages[part], policy.device), config)
        losses.append(0.0)
        for pieces in microbatches(packed, config.micro_tokens):
            cut = [groups[part][p.group].answers(p.first, p.last) for p in pieces]
            values = [advantages[part][p.group][p.first : p.last] for p in pieces]
            batch, micro = _batch(cut, values, policy.device), take(packed, pieces)
            if config.kl:
                batch = replace(batch, ref_logps_N=policy.reference_logps(micro))
            logps, entropies = policy.logps(micro)
            loss, logged = policy_loss(logps, batch, config, total, entropies)
            loss.backward()
            means.merge([logged])
            losses[-1] += float(loss.detach())
        norms.append(update(policy.model, optimizer, config.optimizer, share))
    if not groups:
        return {"updates": 0}
    return means.values() | {"loss": float(np.mean(losses)), "grad_norm": float(np.mean(norms)), "updates": len(norms)}


def _batch(groups: Sequence[Answered], advantages: Sequence[np.ndarray], device: torch.device) -> Batch:
    """What was known of the groups' answers when they were sampled."""
    completions = [r.completion for g in groups for r in g.rollouts]
    return Batch(
        lengths_A=torch.tensor([len(c.token_ids) for c in completions], device=device),
        advantages_A=torch.tensor(np.concatenate(advantages), dtype=torch.float32, device=device),
        tasks=[g.sample.task for g in groups for _ in g.rollouts],
        old_logps_N=torch.tensor([p for c in completions for p in c.logps], device=device),
        truncated_A=torch.tensor([c.finish == "length" for c in completions], device=device),
    )


def _summary(recipe: Recipe, collected: Collected) -> dict[str, Any]:
    """Rewards and accuracies of every answer asked for, dropped groups included, in all and by task."""
    row: dict[str, Any] = {"groups": len(collected.kept), "dropped_groups": len(collected.dropped)}
    tasks = sorted({g.sample.task for g in collected.groups})
    for name, groups in [("", collected.groups), *((f"/{t}", collected.of_task(t)) for t in tasks)]:
        rewards = np.concatenate([g.rewards_G for g in groups]) if groups else np.array([np.nan])
        known = rewards[~np.isnan(rewards)]
        row[f"reward{name}"] = float(known.mean()) if len(known) else math.nan
        row[f"reward_std{name}"] = float(known.std()) if len(known) else math.nan
        row[f"accuracy{name}"] = float(np.nanmean([g.accuracy for g in groups])) if len(known) else math.nan
    rollouts = [r for g in collected.groups for r in g.rollouts]
    row["truncated"] = float(np.mean([r.completion.finish == "length" for r in rollouts])) if rollouts else 0.0
    row["errors"] = sum(r.completion.finish == "error" for r in rollouts)
    row["unreadable"] = collected.unreadable
    row["too_long"], (row["longest_prompt"], row["longest_prompt_id"]) = collected.too_long, collected.longest
    return row
