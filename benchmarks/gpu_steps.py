"""The parts `sft` and `rl` of `benchmarks.gpu`: steps of the published 2B's shape, beside what `plan` says of them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from benchmarks.gpu_work import Sizes, Tell, build, known_gpu, make_groups, make_prompt, peak, seconds
from onethinker.engines.base import Request, Sampling
from onethinker.engines.encode import Prompt
from onethinker.engines.local import LocalEngine
from onethinker.media import MediaBudget
from onethinker.models import mini
from onethinker.models.compat import enable_checkpointing
from onethinker.models.forward import autocast
from onethinker.plan.estimate import GB, Plan, make_plan
from onethinker.plan.machine import Rate, Typical
from onethinker.recipes import Recipe, load_recipe
from onethinker.train.advantage import make
from onethinker.train.distributed import DistributedModel
from onethinker.train.loss import Batch, denominator, policy_loss
from onethinker.train.optimizer import make_optimizer, update
from onethinker.train.parallel import SINGLE_PROCESS
from onethinker.train.prefix import TokenGroup, answer_logps
from onethinker.train.sft import Example, train_step


def step_recipe(sizes: Sizes) -> tuple[Recipe, Plan]:
    """The published settings at these numbers, and what is planned for them."""
    pixels = sizes.side**2
    settings = [
        f"model.base={sizes.base}", "parallel=ddp", f"media.image_pixels={pixels}", f"sft.batch={sizes.samples}",
        f"sft.budget.image_pixels={pixels}", f"rl.prompts={sizes.prompts}", f"rl.minibatch={sizes.prompts}",
        f"rl.group={sizes.group}", f"rl.max_tokens={sizes.answer}", "sft.max_tokens=8192", "rl.max_prompt_tokens=2048",
        f"rl.decode_batch_size={sizes.prompts * sizes.group}",
    ]  # fmt: skip
    typical = Typical(text_tokens=sizes.text, answer_tokens=sizes.answer, images=1.0)
    recipe = load_recipe("qwen3_vl_2b", settings)
    return recipe, make_plan(recipe, 1, Rate(known_gpu(sizes.device)), typical)


def tell_step(tell: Tell, sizes: Sizes, stage: str, plan: Plan, took: float, tokens: int, memory: float) -> None:
    """A step beside its plan. The share of the peak counts what the model needs, not what is computed again."""
    planned = plan.stages[stage]
    flops = sum(f for name, f in planned.flops.items() if name != "computed again")
    gpu = known_gpu(sizes.device)
    tell(step=stage, seconds=took, planned_seconds=planned.seconds, tokens_a_second=tokens / took,
         mfu=flops / took / (gpu.tflops * 1e12), peak_gb=memory, planned_gb=planned.peak / GB)  # fmt: skip


def sft(sizes: Sizes, tell: Tell) -> None:
    recipe, plan = step_recipe(sizes)
    model = build(sizes.large, sizes.device).train()
    for parameter in model.model.visual.parameters():
        parameter.requires_grad_(False)
    enable_checkpointing(model)
    distributed = DistributedModel(model, SINGLE_PROCESS, recipe.parallel, recipe.model.dtype)
    optimizer = make_optimizer(model, recipe.sft.optimizer)
    groups = make_groups(model.config, sizes, sizes.samples, answers=1)
    examples = [Example(group.prompt, group.answers[0], "open_ended") for group in groups]

    def step() -> None:
        tell(loss=train_step(distributed, optimizer, recipe, examples, 1.0)["loss"])

    step()
    memory = peak(sizes.device, step)
    took = seconds(step, sizes.device, 1)
    tell_step(tell, sizes, "SFT", plan, took, sum(map(len, examples)), memory)


@dataclass(frozen=True)
class Given:
    """An encoder of prompts that are made already; a request's id is its prompt's place."""

    prompts: Sequence[Prompt]
    tokenizer: Any

    def encode(self, request: Request) -> Prompt:
        return self.prompts[int(request.id)]


def rl(sizes: Sizes, tell: Tell) -> None:
    """Rollouts by the local engine, the reference's pass, an update."""
    recipe, plan = step_recipe(sizes)
    model = build(sizes.large, sizes.device).train()
    enable_checkpointing(model)
    reference = copy.deepcopy(model).requires_grad_(False).eval()
    if sizes.device == "cuda":
        reference = reference.bfloat16()
    distributed = DistributedModel(model, SINGLE_PROCESS, recipe.parallel, recipe.model.dtype)
    optimizer = make_optimizer(model, recipe.rl.optimizer)
    prompts = [make_prompt(model.config, sizes, i) for i in range(sizes.prompts)]
    engine = LocalEngine(
        distributed.rollout_model, Given(prompts, mini.processor().tokenizer), identity="policy",
        decode_batch_size=recipe.rl.decode_batch_size, dtype=recipe.model.dtype,
    )  # fmt: skip
    engine.stops = set()
    requests = [Request(str(i), "", (), MediaBudget()) for i in range(sizes.prompts)]
    sampling = Sampling(n=sizes.group, temperature=1.0, max_tokens=sizes.answer, seed=0)
    answered: list[Any] = []

    def rollouts() -> None:
        with distributed.unsharded():
            answered[:] = [c for _, group in sorted(engine.answer(requests, sampling)) for c in group]

    memory, took = peak(sizes.device, rollouts), seconds(rollouts, sizes.device, 1)
    written = sum(len(c.token_ids) for c in answered)
    tell_step(tell, sizes, "RL rollouts", plan, took, written, memory)
    groups = [TokenGroup(p, [c.token_ids for c in answered[i * sizes.group :][: sizes.group]])
              for i, p in enumerate(prompts)]  # fmt: skip

    def updates() -> None:
        tell(**update_step(model, reference, optimizer, recipe, groups, answered, engine.banned))

    updates()
    memory, took = peak(sizes.device, updates), seconds(updates, sizes.device, 1)
    tell_step(tell, sizes, "RL updates", plan, took, written + sum(map(len, prompts)), memory)


def update_step(
    model: Any, reference: Any, optimizer: Any, recipe: Recipe, groups: Sequence[TokenGroup], answered: Sequence[Any],
    banned: list[int],
) -> dict[str, float]:  # fmt: skip
    """One update, a group a pass; how far the probabilities of the rollouts are from those of the pass."""
    device, config, size = model.lm_head.weight.device, recipe.rl, recipe.rl.group
    rewards = torch.arange(len(answered)).numpy() % size / size
    advantages = make("grpo")(rewards, [str(i // size) for i in range(len(answered))], ["task"] * len(answered))
    batches = []
    for i in range(len(groups)):
        mine = answered[i * size :][:size]
        batches.append(Batch(
            lengths_A=torch.tensor([len(c.token_ids) for c in mine], device=device),
            advantages_A=torch.tensor(advantages[i * size :][:size], dtype=torch.float32, device=device),
            tasks=["task"] * size,
            old_logps_N=torch.tensor([p for c in mine for p in c.logps], device=device),
        ))  # fmt: skip
    total, away = sum(denominator(batch, config) for batch in batches), []
    for group, batch in zip(groups, batches, strict=True):
        with autocast(device, recipe.model.dtype):
            with torch.no_grad():
                kept, _ = answer_logps(reference, [group], banned=banned)
            logps, entropies = answer_logps(model, [group], banned=banned)
        loss, _ = policy_loss(logps, replace(batch, ref_logps_N=kept.float()), config, total, entropies)
        loss.backward()
        away.append(float((logps.detach() - batch.old_logps_N).abs().mean()))
    return {"rollout_and_pass_differ": max(away), "grad_norm": update(model, optimizer, config.optimizer, 1.0)}
