"""What a recipe needs before anything is trained, on a terminal: parameters, memory, time, and what to change."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from onethinker.plan.cluster import (
    PUBLISHED,
    RL_SAMPLES,
    SFT_SAMPLES,
    Cluster,
    bottlenecks,
    make_clusters,
    memory_variants,
)
from onethinker.plan.estimate import GB, USABLE, Plan, make_plan
from onethinker.plan.machine import Rate, Typical
from onethinker.recipes import Recipe
from onethinker.recipes.base import override

SHARDED = ("parallel=fsdp",)
CHECKPOINTING = ("sft.gradient_checkpointing=true", "rl.gradient_checkpointing=true")
LORA = ("lora.rank=64",)
ONE_NODE, TIMES_WIDER = 8, 4
"""More GPUs are advised up to a node's, or up to so many times what was asked about."""


def print_plan(
    recipe: Recipe,
    gpus: int,
    rate: Rate | None = None,
    typical: Typical | None = None,
    samples: int | None = None,
    rl_samples: int | None = None,
) -> bool:
    """Print what a recipe needs on so many GPUs and return whether it fits. samples, rl_samples: of either's data."""
    rate, typical, console = rate or Rate(), typical or Typical(), Console()
    memory = rate.gpu.memory
    plan = make_plan(recipe, gpus, rate, typical, samples)
    console.print(
        f"[bold]{recipe.name}[/]: {recipe.model.base} on {gpus} × {memory:g} GB{_spread(recipe, gpus)}", highlight=False
    )
    console.print(_parameters(plan))
    console.print(_memory(plan))
    for name, kept in plan.activations.items():
        console.print(
            f"{name}'s longest pass keeps {_gb(kept[False])} GB of activations without gradient checkpointing, "
            f"{_gb(kept[True])} with it",
            highlight=False,
        )
    console.print(_variants(recipe, gpus))
    console.print(_time(plan))
    if sft := plan.stages["SFT"].length:
        console.print(f"SFT takes {sft}", highlight=False)
    console.print(_parts(plan))
    corpora = (samples or SFT_SAMPLES, rl_samples or RL_SAMPLES)
    clusters = make_clusters(recipe, gpus, rate, typical, corpora)
    console.print(_clusters(clusters))
    console.print(f"(hours of SFT on {corpora[0]:,} samples, of RL on {corpora[1]:,}, dollars for both)")
    for cluster in clusters:
        console.print(_slowest(cluster), highlight=False)
    console.print(f"({PUBLISHED}; its answers' length and its hardware's share are not known)", highlight=False)
    console.print(f"assumed: {rate}; {typical}; {USABLE:.0%} of the memory usable", style="dim", highlight=False)
    _verdict(console, recipe, plan, memory)
    return plan.fits(memory)


def _spread(recipe: Recipe, gpus: int) -> str:
    """How several processes hold the model, in words."""
    held = {"ddp": "a copy of the model on each", "fsdp": "a part of every weight on each"}[recipe.parallel]
    return f", parallel={recipe.parallel}: {held}" if gpus > 1 else ""


def advice(recipe: Recipe, gpus: int, memory: float) -> Iterator[str]:
    """Changes that make the recipe fit, as command-line options, the mildest first: parts of the weights in place of
    copies, gradient checkpointing, fewer answers at once; then adapters; more GPUs last. None that holds another."""
    given: list[set[str]] = []
    for changes in _changes(recipe, gpus):
        if any(fewer <= set(changes) for fewer in given):
            continue
        if make_plan(override(recipe, list(changes)), gpus).fits(memory):
            # Of fewer answers at once only the most is advised, so any other number counts as the same change.
            given.append({change for change in changes if not change.startswith(FEWER)})
            yield " ".join(f"--set {change}" for change in changes)
    sharded = override(recipe, list(SHARDED))
    for number in _wider(gpus):
        if make_plan(sharded, number).fits(memory):
            yield f"--gpus {number}" + ("" if sharded == recipe else f" --set {SHARDED[0]}")
            return


FEWER = "rl.decode_batch_size="


def _changes(recipe: Recipe, gpus: int) -> Iterator[tuple[str, ...]]:
    """Sets of settings, from mild to harsh."""
    sharded = [SHARDED] if gpus > 1 and recipe.parallel != "fsdp" else []
    lacking = not (recipe.sft.gradient_checkpointing and recipe.rl.gradient_checkpointing)
    checkpointed = [CHECKPOINTING] if lacking else []
    fewer = [(f"{FEWER}{recipe.rl.decode_batch_size >> n}",) for n in range(recipe.rl.decode_batch_size.bit_length())]
    mild = [(), *sharded, *checkpointed, *(s + c for s in sharded for c in checkpointed)]
    for adapters in ((), LORA) if not recipe.lora.rank else ((),):
        yield from (adapters + changes for changes in mild if adapters or changes)
        yield from (adapters + changes + less for changes in mild for less in fewer[1:])


def _wider(gpus: int) -> Iterator[int]:
    """Doubled numbers of GPUs."""
    number = 2 * gpus
    while number <= max(ONE_NODE, TIMES_WIDER * gpus):
        yield number
        number *= 2


def _verdict(console: Console, recipe: Recipe, plan: Plan, memory: float) -> None:
    name, stage = max(plan.stages.items(), key=lambda item: item[1].peak)
    asked = f"{_gb(stage.peak)} GB a GPU at most ({name}), {USABLE * memory:.1f} GB usable"
    if plan.fits(memory):
        console.print(f"[bold green]yes, it fits[/]: {asked}", highlight=False)
        return
    part, size = max(stage.memory.items(), key=lambda item: item[1])
    console.print(f"[bold red]no, it does not fit[/]: {asked}; most of it {part}, {_gb(size)} GB", highlight=False)
    changes = list(advice(recipe, plan.gpus, memory))
    for change in changes:
        console.print(f"  fits with {change}", highlight=False)
    if not changes:
        console.print(f"  no single change makes it fit: a smaller model, or a GPU with more than {memory:g} GB")


def _table(*columns: str) -> Table:
    """The first column is of words, the others of numbers."""
    table = Table(columns[0], box=None, header_style="bold")
    for name in columns[1:]:
        table.add_column(name, justify="right")
    return table


def _parameters(plan: Plan) -> Table:
    table = _table("parameters", "")
    for name, count in plan.parameters.items():
        table.add_row(name, f"{count:,}" if count else "tied to the embedding")
    table.add_row("all", f"{sum(plan.parameters.values()):,}", style="bold")
    table.add_row("trained by SFT", f"{plan.stages['SFT'].trained:,}")
    table.add_row("trained by RL", f"{plan.stages['RL updates'].trained:,}")
    return table


def _memory(plan: Plan) -> Table:
    table = _table("memory, GB a GPU", *plan.stages)
    for part in dict.fromkeys(part for stage in plan.stages.values() for part in stage.memory):
        table.add_row(part, *(_gb(s.memory[part]) if part in s.memory else "" for s in plan.stages.values()))
    table.add_row("all", *(_gb(stage.peak) for stage in plan.stages.values()), style="bold")
    return table


def _variants(recipe: Recipe, gpus: int) -> Table:
    variants = memory_variants(recipe, gpus)
    table = _table("GB a GPU, otherwise held", *next(iter(variants.values())))
    for name, found in variants.items():
        table.add_row(name, *(_gb(size * GB) for size in found.values()))
    return table


def _time(plan: Plan) -> Table:
    columns = ("tokens a step: prompts", "answers", "PFLOP a step", "seconds a step", "steps", "hours")
    table = _table("time", *columns)
    for name, stage in plan.stages.items():
        hours = "by the data" if stage.steps is None else f"{stage.steps * stage.seconds / 3600:,.1f}"
        steps = "by the data" if stage.steps is None else f"{stage.steps:,}"
        flops = f"{sum(stage.flops.values()) / 1e15:,.3g}"
        tokens = (f"{count:,.0f}" for count in stage.tokens.values())
        table.add_row(name, *tokens, flops, f"{stage.seconds:,.3g}", steps, hours)
    return table


def _parts(plan: Plan) -> Table:
    """Seconds of a step by what takes them, and the rollouts' share of an RL step."""
    found = bottlenecks(plan)
    table = _table("seconds a step, by part", *plan.stages)
    for part in dict.fromkeys(part for stage in plan.stages.values() for part in stage.parts):
        table.add_row(part, *(f"{s.parts[part]:,.3g}" if part in s.parts else "" for s in plan.stages.values()))
    both = sum(plan.stages[name].seconds for name in ("RL rollouts", "RL updates"))
    shares = (f"{plan.stages[name].seconds / both:.0%}" for name in ("RL rollouts", "RL updates"))
    table.add_row("share of an RL step", "", *shares)
    table.add_row("received by a GPU, GB", *(f"{s.exchanged.volume / GB:,.3g}" for s in plan.stages.values()))
    table.add_row("most of it", *found.values(), style="bold")
    return table


def _clusters(clusters: list[Cluster]) -> Table:
    table = _table("GPUs", "GB a GPU", "SFT step, s", "RL step, s", "GB received", "SFT hours", "RL hours", "dollars")
    for cluster in clusters:
        exchanged = sum(cluster.exchanged[name] for name in ("RL rollouts", "RL updates"))
        hours = (f"{number:,.0f}" for number in cluster.hours.values())
        table.add_row(
            f"{cluster.gpus}", _gb(cluster.peak * GB), f"{sum(cluster.sft.values()):,.3g}",
            f"{sum(cluster.rl.values()):,.3g}", f"{exchanged:,.0f}", *hours, f"{cluster.price:,.0f}",
        )  # fmt: skip
    return table


def _slowest(cluster: Cluster) -> str:
    """What takes most of each stage's time, in a line: a table has no room for it on a terminal of 80 columns."""
    told = (f"{name} {part}" for name, part in cluster.bottlenecks.items())
    return f"most of the time on {cluster.gpus:,}: {', '.join(told)}"


def _gb(size: float) -> str:
    return f"{size / GB:,.1f}" if size >= 0.05 * GB else f"{size / GB:.3f}"
