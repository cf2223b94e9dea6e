"""What was run, in sentences made from a run folder's files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onethinker.report.read import Evaluation, MetricRow, Run
from onethinker.report.tables import NOTHING, UNREAD, Tile, duration, percent, plain
from onethinker.util.terminal import counted


def recipe_of(run: Run) -> dict[str, Any]:
    """The recipe as the latest stage's config holds it, empty if no config does."""
    return _recipe(run, ("rl", "sft", "run"))


def _recipe(run: Run, stages: Sequence[str]) -> dict[str, Any]:
    for name in stages:
        config = run.configs.get(name, {})
        recipe = config.get("recipe", config)
        if isinstance(recipe, dict) and "model" in recipe:
            return recipe
    return {}


def sentences(run: Run) -> list[str]:
    """One paragraph: the recipe, the stages as their rows tell them, and the evaluation."""
    recipe = recipe_of(run)
    said = []
    if recipe:
        base = _recipe(run, ("run", "sft", "rl"))["model"].get("base", "?")  # RL's own is what SFT made
        said.append(
            f"Recipe {recipe.get('name', '?')} (seed {recipe.get('seed', 0)}) starts from {base} "
            f"with the prompt set {recipe.get('prompts', '?')}."
        )
    sft, rl = run.stage("sft"), run.stage("rl")
    if sft:
        batch = (recipe.get("sft") or {}).get("batch")
        each = f" of {batch} worked answers" if batch else ""
        said.append(f"The SFT cold start {_steps(sft)}{each}{_time(sft)}{_change(sft, 'loss', 'the loss fell')}.")
    if rl:
        config = recipe.get("rl") or {}
        each = f" of {config['prompts']} prompts, each answered {config['group']} times" if "prompts" in config else ""
        name = str(config.get("algorithm", "RL")).replace("_", "-").upper()
        said.append(f"{name} {_steps(rl)}{each}{_time(rl)}{_change(rl, 'reward', 'the mean reward went')}.")
    if run.evaluations:
        said.append(_evaluation(run.evaluations[-1], len(run.evaluations)))
    return said


def _steps(rows: list[MetricRow]) -> str:
    step, steps = rows[-1]["step"], rows[-1].get("steps", 0)
    return f"took {step:,} steps" if step >= steps else f"has taken {step:,} of {steps:,} steps"


def _time(rows: list[MetricRow]) -> str:
    seconds = rows[-1].get("seconds")
    return f" in {duration(float(seconds))}" if isinstance(seconds, int | float) else ""


def _change(rows: list[MetricRow], key: str, words: str) -> str:
    """How a value moved from the first to the last tenth of the steps."""
    values = [float(r[key]) for r in rows if isinstance(r.get(key), int | float)]
    if len(values) < 2:
        return ""
    part = max(1, len(values) // 10)
    return f"; {words} from {sum(values[:part]) / part:.2f} to {sum(values[-part:]) / part:.2f}"


def _evaluation(evaluation: Evaluation, count: int) -> str:
    summary = evaluation.summary
    config = summary["config"]
    times = "once" if count == 1 else f"at {count} points of the run"
    sampled = f", and by {counted(config['sampled'], 'answer')} sampled at temperature {config['temperature']:g}"
    return (
        f"It was measured {times} on {asked(evaluation)} over {counted(len(summary['tasks']), 'task')}, "
        f"by greedy answers of at most {config['max_tokens']:,} tokens{sampled if config['sampled'] else ''}."
    )


_HELD_OUT = ("test", "validation", "val", "valid", "dev", "zeroshot", "held-out", "heldout", "held_out")


def asked(evaluation: Evaluation) -> str:
    """How many questions, and of what: held out or trained on, as far as their data's path tells."""
    summary = evaluation.summary
    path = str(summary["data"]["path"])
    names = [part.removesuffix(Path(part).suffix) for part in Path(path).parts[-2:]]
    path = "/".join(Path(path).parts[-2:])
    if any(name in _HELD_OUT for name in names):
        return counted(summary["questions"], "held-out question")
    words = counted(summary["questions"], "question")
    if any(name in ("train", "training") for name in names):
        return f"{words} of training data ({path}; not held out)"
    return f"{words} of {path}" if path else words


def tiles(run: Run) -> list[Tile]:
    """The first and the last main evaluation's means, and what of the last could not be read."""
    main = run.main or run.evaluations
    if not main:
        return []
    summaries = [evaluation.summary for evaluation in main]
    last = summaries[-1]
    found = [_tile(summaries, "headline", percent, "mean over tasks, greedy, %")]
    if "sampled_reward" in last["mean"]:
        found.append(_tile(summaries, "sampled_reward", plain, "mean reward of sampled answers"))
    unread = sum(e["status"].get(s, 0) for e in last["tasks"].values() for s in UNREAD)
    found.append(Tile("", f"{unread / max(1, last['n']):.1%}", f"of the last answers not readable ({unread:,})"))
    found.append(
        Tile(
            "",
            f"{last['questions']:,}",
            f"{_word(last['questions'], 'question')}, {counted(last['errors'], 'error')}, {last['missing']:,} missing",
        )
    )
    return found


def _word(count: int, word: str) -> str:
    return word if count == 1 else word + "s"


def _tile(summaries: Sequence[dict[str, Any]], key: str, write: Any, words: str) -> Tile:
    """The value of every stage that has one, in order."""
    values = [summary["mean"].get(key, {}).get("value") for summary in summaries]
    earlier = [write(value) for value in values[:-1] if value is not None]
    return Tile(" → ".join(earlier), write(values[-1]) if values[-1] is not None else NOTHING, words)
