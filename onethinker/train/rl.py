"""Reinforcement learning on scored answers. `run_rl` reads top to bottom: collect → score → advantage → loss → step."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from onethinker.engines.encode import Encoder
from onethinker.models.forward import banned_ids
from onethinker.recipes.base import Recipe
from onethinker.recipes.tools import recipe_prompts, with_recipe_tools
from onethinker.sample.answer import Status
from onethinker.sample.stream import TrainingSet
from onethinker.train import checkpoint
from onethinker.train.advantage import make
from onethinker.train.algorithms.base import Algorithm, AlgorithmError, Candidate
from onethinker.train.distributed import DUMMY_GROUP, DistributedModel
from onethinker.train.experience import Collector, ScoredGroup, StepGroups, write_rollouts
from onethinker.train.judged import open_judge
from onethinker.train.loss import Batch, WeightedMeans, denominator, policy_loss
from onethinker.train.mismatch import correct
from onethinker.train.optimizer import Optimizer, make_optimizer, schedule, update
from onethinker.train.parallel import Processes, join_processes, run_folder, stopped
from onethinker.train.policy import Policy
from onethinker.train.prefix import TokenGroup, microbatches, slice_groups
from onethinker.train.rollout_engine import RolloutEngine, make_rollout_engine
from onethinker.train.roster import fingerprint
from onethinker.train.sampler import Sampler
from onethinker.train.sft import prepare_model
from onethinker.train.start import check_start, say_idle
from onethinker.train.step_prompts import StepPrompts
from onethinker.train.trackers import metric_logger
from onethinker.train.unreadable import Unreadable
from onethinker.util.interrupt import finish_step
from onethinker.util.plugins import plugin_identity
from onethinker.util.runs import METRICS, JsonLines


def run_rl(
    recipe: Recipe, samples: TrainingSet, out: Path, *, fresh: bool = False, stop_after: int | None = None
) -> Path:
    """Train as the recipe says, from `recipe.model.base`; return the folder of the trained model.

    The same call resumes a killed run, exactly. stop_after: leave after this many steps of the schedule, for tests.
    """
    processes = join_processes()
    if recipe.rl.group == 1 and processes.is_main:
        print("rl.group is 1: an answer is compared with none, so nothing is learnt; take 2 or more", file=sys.stderr)
    say_idle(processes, "rl.minibatch", min(recipe.rl.minibatch, recipe.rl.prompts))
    check_start(recipe, out, fresh=fresh)
    make(recipe.rl.algorithm, **recipe.rl.algorithm_options)
    config = {"kind": "rl", "recipe": recipe.deciding(), "samples": fingerprint(samples)} | plugin_identity()
    with run_folder(processes, out, config, fresh=fresh) as folder:
        return _train(recipe, samples, folder, stop_after, processes)


@dataclass
class _Training:
    """What a run goes on with from step to step. seconds: of all steps so far."""

    policy: Policy
    optimizer: Optimizer
    algorithm: Algorithm
    rollouts: RolloutEngine
    collector: Collector
    saver: checkpoint.Saver
    seconds: float

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds beside weights, optimiser and random states."""
        return {
            "seconds": self.seconds, "unreadable": self.collector.unreadable.times,
            "sampler": self.collector.sampler.state_dict(), "algorithm": self.algorithm.state_dict(),
        }  # fmt: skip


def _begin(recipe: Recipe, samples: TrainingSet, out: Path, processes: Processes) -> _Training:
    """As the recipe says, or as the run's last checkpoint left it."""
    config = recipe.rl
    saved = checkpoint.found(out, recipe, processes)
    model, processor = prepare_model(
        recipe, str(saved[-1]) if saved else recipe.model.base, vision=config.freeze_vision,
        projector=config.freeze_projector, checkpointing=config.gradient_checkpointing,
    )  # fmt: skip
    policy = Policy(
        DistributedModel(model, processes, recipe.parallel, recipe.model.dtype), banned_ids(processor.tokenizer), recipe
    )
    optimizer = make_optimizer(model, config.optimizer)
    encoder = Encoder(processor)
    sampler = Sampler(config.sampler, samples, recipe.seed)
    algorithm = make(config.algorithm, **config.algorithm_options)
    rollouts = make_rollout_engine(recipe, policy.distributed, processor, encoder, out)
    prompts, engine = recipe_prompts(recipe), with_recipe_tools(rollouts.engine, recipe)
    step_prompts = StepPrompts(encoder, recipe.media, processes)
    state: dict[str, Any] = checkpoint.load_state(saved[-1], recipe) if saved else {"step": 0, "seconds": 0.0}
    unreadable = Unreadable("RL", out, recipe.data.max_unreadable, len(samples), processes, state.get("unreadable", 0))
    judge = open_judge(config.judge, out, processes.rank)
    collector = Collector(samples, engine, sampler, prompts, recipe, step_prompts, unreadable, judge)
    if saved:
        checkpoint.restore(state, optimizer, processes)
        sampler.load_state_dict(state["sampler"])
        algorithm.load_state_dict(state["algorithm"])
    else:
        torch.manual_seed(recipe.seed)
    saver = checkpoint.Saver(out, model, processor, optimizer, recipe, config.keep, processes, state["step"])
    return _Training(policy, optimizer, algorithm, rollouts, collector, saver, state["seconds"])


def _train(recipe: Recipe, samples: TrainingSet, out: Path, stop_after: int | None, processes: Processes) -> Path:
    config, run = recipe.rl, _begin(recipe, samples, out, processes)
    policy, algorithm, step_prompts = run.policy, run.algorithm, run.collector.step_prompts
    step, last = run.saver.step, min(config.steps, stop_after or config.steps)
    logger = metric_logger("RL", out, recipe.watch, step, config.steps, last, writes=processes.is_main)
    with logger as note, finish_step("RL") as asked:
        while step < last:
            began = time.perf_counter()
            with run.saver.saved_first(step, run.state()), run.rollouts.ready():
                collected = run.collector.collect(step, algorithm)
            step_prompts.release(_select(algorithm, collected, config.prompts))
            rolled = time.perf_counter()
            mismatch: dict[str, float] = {}
            if not run.rollouts.exact:
                collected.kept, mismatch = correct(policy, step_prompts, collected.kept)
            advantages, share = _advantages(algorithm, collected.kept), schedule(config.optimizer, step, config.steps)
            stats = _update(policy, run.optimizer, step_prompts, collected.kept, advantages, share)
            step, now = step + 1, time.perf_counter()
            run.seconds += now - began
            row = {"step": step, "stage": "rl", "lr": config.optimizer.lr * share, "seconds": run.seconds}
            row |= {"seconds/rollout": rolled - began, "seconds/update": now - rolled}
            row |= algorithm.stats() | _summary(recipe, collected) | stats | mismatch
            row["unreadable"] = run.collector.unreadable.times
            note(row, f"reward {row['reward']:.3f}{'' if collected.kept else ', no group trains'}")
            if processes.is_main:
                write_rollouts(out / "rollouts" / f"step-{step:06d}.parquet", step, collected, advantages)
            stop = processes.any(asked())
            if step % config.save_every == 0 or step == last or stop:
                run.saver.save(step, run.state())
            if stop:
                raise stopped(out, step, config.steps, stop)
    if processes.is_main:
        _say_untaught(JsonLines(out / METRICS).rows())
    return checkpoint.folders(out)[-1]


def _say_untaught(log: Sequence[Mapping[str, Any]]) -> None:
    """A run of which no group trained has the weights that it began with, which its end should not hide."""
    if log and not any(row["groups"] for row in log):
        print(
            f"nothing was learnt: no step of {len(log)} had a group that trains, all answers to a prompt were right or "
            "all wrong; take questions of which some are answered right, or rl.filter_groups=false where accuracy is "
            "only a part of the reward",
            file=sys.stderr,
        )


def _select(algorithm: Algorithm, collected: StepGroups, count: int) -> list[ScoredGroup]:
    """Leave to train what the algorithm wants of the groups that may; it sees the dropped ones too. Returns the rest
    of those that might have trained."""
    candidates = [
        Candidate(g.sample.task, tuple(g.rewards_G.tolist()), trains=i < len(collected.kept))
        for i, g in enumerate(collected.groups)
    ]
    chosen = set(algorithm.select(candidates, count))
    if wrong := [i for i in chosen if isinstance(i, bool | np.bool_) or i not in range(len(candidates))]:
        raise AlgorithmError(
            f"{type(algorithm).__name__}.select gave {wrong[0]!r}; expected places among its {len(candidates)} "
            f"candidates, from 0 to {len(candidates) - 1}"
        )
    unused = [g for i, g in enumerate(collected.kept) if i not in chosen]
    collected.dropped += unused
    collected.kept = [g for i, g in enumerate(collected.kept) if i in chosen]
    return unused


def _advantages(algorithm: Algorithm, groups: Sequence[ScoredGroup]) -> list[np.ndarray]:
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


def _update(
    policy: Policy,
    optimizer: Optimizer,
    step_prompts: StepPrompts,
    groups: Sequence[ScoredGroup],
    advantages: Sequence[np.ndarray],
    share: float,
) -> dict[str, float]:
    """Updates over the step's groups in minibatches; what was logged, averaged over tokens."""
    config, processes, means, losses, norms = policy.recipe.rl, policy.distributed.processes, WeightedMeans(), [], []
    for start in range(0, len(groups), config.minibatch):
        part = slice(start, start + config.minibatch)
        total = denominator(_batch(groups[part], advantages[part], policy.device), config)
        own, encoded = step_prompts.share(groups[part], release=True)
        chosen, values = [groups[part][i] for i in own], [advantages[part][i] for i in own]
        # Popped one by one: `packed` then holds the only reference to each prompt.
        packed = [step_prompts.packed(group, encoded.pop(0)) for group in chosen]
        losses.append(_backward(policy, packed, chosen, values, total, means))
        if not any(g.sample.media for g in groups[part]):
            policy.distributed.drop_unused_vision_gradients()
        norms.append(update(policy.distributed.model, optimizer, config.optimizer, share))
    if not groups:
        return {"updates": 0}
    parts = processes.gather((losses, means))
    loss = float(np.mean(np.sum([losses for losses, _ in parts], axis=0)))
    logged = WeightedMeans().merge(means for _, means in parts)
    return logged.values() | {"loss": loss, "grad_norm": float(np.mean(norms)), "updates": len(norms)}


def _backward(
    policy: Policy,
    packed: list[TokenGroup],
    groups: Sequence[ScoredGroup],
    advantages: Sequence[np.ndarray],
    total: float,
    means: WeightedMeans,
) -> float:
    """Gradients of this process's part of a minibatch, in microbatches; returns its loss and adds to the means.

    packed: the groups' tokens. Each is replaced by a dummy after its last microbatch, which frees its media.
    """
    config, found = policy.recipe.rl, 0.0
    for pieces in policy.distributed.passes(microbatches(packed, config.micro_tokens)):
        if pieces is None:
            policy.dummy_pass()
            continue
        cut = [groups[p.group].answers(p.first, p.last) for p in pieces]
        values = [advantages[p.group][p.first : p.last] for p in pieces]
        batch, micro = _batch(cut, values, policy.device), slice_groups(packed, pieces)
        if config.kl:
            batch = replace(batch, ref_logps_N=policy.reference_logps(micro))
        logps, entropies = policy.logps(micro)
        loss, logged = policy_loss(logps, batch, config, total, entropies)
        policy.distributed.backward(loss)
        means.merge([logged])
        found += float(loss.detach())
        for piece in pieces:
            if piece.last == len(groups[piece.group].rollouts):
                packed[piece.group] = DUMMY_GROUP
    return found


def _batch(groups: Sequence[ScoredGroup], advantages: Sequence[np.ndarray], device: torch.device) -> Batch:
    """What was known of the groups' answers when they were sampled."""
    completions = [r.completion for g in groups for r in g.rollouts]
    weights = [w for g in groups for w in g.importance]
    return Batch(
        lengths_A=torch.tensor([len(c.token_ids) for c in completions], device=device),
        advantages_A=torch.tensor(np.concatenate(advantages), dtype=torch.float32, device=device),
        tasks=[g.sample.task for g in groups for _ in g.rollouts],
        old_logps_N=torch.tensor([p for c in completions for p in c.logps], device=device),
        importance_N=torch.tensor(np.concatenate(weights), dtype=torch.float32, device=device) if weights else None,
        truncated_A=torch.tensor([c.finish == "length" for c in completions], device=device),
        scored_A=torch.tensor(~np.isnan(np.concatenate([g.rewards_G for g in groups])), device=device),
    )


def _tool_use(groups: Sequence[ScoredGroup]) -> dict[str, float]:
    """Of the answers: how many called a tool, calls and turns an answer, the share of calls that no tool could answer,
    and tokens an answer."""
    completions = [r.completion for g in groups for r in g.rollouts]
    turns = [turn for c in completions for turn in c.turns]
    count = max(len(completions), 1)
    return {
        "used": sum(bool(c.turns) for c in completions) / count,
        "calls": len(turns) / count,
        "turns": 1 + len(turns) / count,
        "failed": sum(turn.failed for turn in turns) / max(len(turns), 1),
        "tokens": sum(c.tokens for c in completions) / count,
    }


def _summary(recipe: Recipe, collected: StepGroups) -> dict[str, Any]:
    """Rewards and accuracies of every answer asked for, dropped groups included, in all and by task."""
    row: dict[str, Any] = {"groups": len(collected.kept), "dropped_groups": len(collected.dropped)}
    tasks = sorted({g.sample.task for g in collected.groups})
    for name, groups in [("", collected.groups), *((f"/{t}", collected.of_task(t)) for t in tasks)]:
        rewards = np.concatenate([g.rewards_G for g in groups]) if groups else np.array([np.nan])
        known = rewards[~np.isnan(rewards)]
        row[f"reward{name}"] = float(known.mean()) if len(known) else math.nan
        row[f"reward_std{name}"] = float(known.std()) if len(known) else math.nan
        row[f"accuracy{name}"] = float(np.nanmean([g.accuracy for g in groups])) if len(known) else math.nan
        if recipe.tools.names:
            row |= {f"tools/{key}{name}": value for key, value in _tool_use(groups).items()}
    rollouts = [r for g in collected.groups for r in g.rollouts]
    row["truncated"] = float(np.mean([r.completion.finish == "length" for r in rollouts])) if rollouts else 0.0
    row["errors"] = sum(r.score.status is Status.ERROR for r in rollouts)
    row["too_long"], (row["longest_prompt"], row["longest_prompt_id"]) = collected.too_long, collected.longest
    return row
