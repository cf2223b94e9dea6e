"""A recipe on more or fewer GPUs: what takes the time there and what it costs; what a GPU must hold otherwise."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from onethinker.plan.estimate import GB, Plan, Stage, make_plan
from onethinker.plan.machine import Rate, Typical
from onethinker.plan.pace import idle_share, longest_part
from onethinker.recipes import Recipe
from onethinker.recipes.base import override

CLUSTERS = (8, 32, 256)
SFT_SAMPLES, RL_SAMPLES = 340_000, 600_000
"""The published corpora, each gone through once."""
PUBLISHED = "arXiv 2512.03043 took about ten days on 32 H800 for both"

IDLE = "GPUs without work"


@dataclass(frozen=True)
class Cluster:
    """A recipe on so many GPUs. sft, rl: seconds of a step by part, those of RL's rollouts and updates under their
    names. exchanged: GB a GPU receives in a step. hours, price: of both corpora; price in dollars of all GPUs."""

    gpus: int
    peak: float
    sft: dict[str, float]
    rl: dict[str, float]
    exchanged: dict[str, float]
    bottlenecks: dict[str, str]
    hours: dict[str, float]
    price: float


def make_clusters(
    recipe: Recipe, gpus: int, rate: Rate, typical: Typical, samples: tuple[int, int] = (SFT_SAMPLES, RL_SAMPLES)
) -> list[Cluster]:
    """Of 8, 32 and 256 GPUs and the number asked about. samples: that SFT and RL go through."""
    return [
        _cluster(recipe, make_plan(recipe, number, rate, typical), rate, samples)
        for number in sorted({*CLUSTERS, gpus})
    ]


def _cluster(recipe: Recipe, plan: Plan, rate: Rate, samples: tuple[int, int]) -> Cluster:
    sft, rollouts, updates = plan.stages.values()
    seconds = {"SFT": sft.seconds, "RL": rollouts.seconds + updates.seconds}
    steps = {"SFT": samples[0] / recipe.sft.batch, "RL": samples[1] / recipe.rl.prompts}
    hours = {name: steps[name] * seconds[name] / 3600 for name in seconds}
    peak = max(stage.peak for stage in plan.stages.values()) / GB
    rl = {f"rollouts: {part}": s for part, s in rollouts.parts.items()}
    rl |= {f"updates: {part}": s for part, s in updates.parts.items()}
    exchanged = {name: stage.exchanged.volume / GB for name, stage in plan.stages.items()}
    return Cluster(
        plan.gpus, peak, dict(sft.parts), rl, exchanged, bottlenecks(plan), hours,
        sum(hours.values()) * plan.gpus * rate.gpu.price,
    )  # fmt: skip


def bottlenecks(plan: Plan) -> dict[str, str]:
    """Of each stage what takes most of its time: a part, or that there are more GPUs than there is work to deal out."""
    return {name: _bottleneck(stage, plan.gpus) for name, stage in plan.stages.items()}


def _bottleneck(stage: Stage, gpus: int) -> str:
    part, idle = longest_part(stage.parts), idle_share(stage.items, gpus)
    if idle * stage.seconds > stage.parts[part] / 2:
        return f"{IDLE} ({stage.items} to deal out)"
    return part


VARIANTS = {
    "all weights, a copy on each GPU": ("lora.rank=0", "parallel=ddp"),
    "all weights, a part on each GPU": ("lora.rank=0", "parallel=fsdp"),
    "adapters of rank 64, a copy on each GPU": ("lora.rank=64", "parallel=ddp"),
    "adapters of rank 64, a part on each GPU": ("lora.rank=64", "parallel=fsdp"),
}


def memory_variants(recipe: Recipe, gpus: int) -> dict[str, dict[str, float]]:
    """GB a GPU of each way to hold the model, for SFT and RL, with and without gradient checkpointing."""
    found: dict[str, dict[str, float]] = {}
    for name, changes in VARIANTS.items():
        found[name] = {}
        for keeps, flag in (("", "false"), (", checkpointing", "true")):
            told = [f"{stage}.gradient_checkpointing={flag}" for stage in ("sft", "rl")]
            stages = make_plan(override(recipe, [*changes, *told]), gpus).stages
            found[name][f"SFT{keeps}"] = stages["SFT"].peak / GB
            found[name][f"RL{keeps}"] = max(stages[s].peak for s in ("RL rollouts", "RL updates")) / GB
    return found


def record(
    recipe: Recipe,
    gpus: int,
    rate: Rate,
    typical: Typical | None = None,
    samples: int | None = None,
    rl_samples: int | None = None,
) -> dict[str, Any]:
    """Everything that is printed, as one JSON object."""
    typical = typical or Typical()
    plan = make_plan(recipe, gpus, rate, typical, samples)
    corpora = (samples or SFT_SAMPLES, rl_samples or RL_SAMPLES)
    stages = {
        name: asdict(stage) | {"seconds": stage.seconds, "peak": stage.peak} for name, stage in plan.stages.items()
    }
    return {
        "recipe": recipe.name,
        "model": recipe.model.base,
        "gpus": gpus,
        "fits": plan.fits(rate.gpu.memory),
        "parameters": dict(plan.parameters),
        "stages": stages,
        "bottlenecks": bottlenecks(plan),
        "activations": {
            name: {"kept": kept[False], "checkpointing": kept[True]} for name, kept in plan.activations.items()
        },
        "variants": memory_variants(recipe, gpus),
        "clusters": [asdict(cluster) for cluster in make_clusters(recipe, gpus, rate, typical, corpora)],
        "corpora": {"SFT": corpora[0], "RL": corpora[1]},
        "assumed": asdict(rate) | asdict(typical),
    }
