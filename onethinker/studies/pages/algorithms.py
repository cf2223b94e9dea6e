"""The page of `onethinker bench algorithms`: the paper's Table 9 on a small model, made of `study.json` alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onethinker.report.tables import duration
from onethinker.studies.contrasts import Contrast, Estimate, estimate, gain, read_contrasts, scale
from onethinker.studies.pages import markdown as md
from onethinker.studies.pages.figures import forest
from onethinker.studies.pages.markdown import Page, Study

START, OURS, MEAN = "sft", "ema_grpo", "Mean"

NAMES = {
    "sft": "SFT, the start", "grpo": "GRPO", "dr_grpo": "Dr.GRPO", "ema_grpo": "EMA-GRPO", "mt_grpo": "MT-GRPO",
    "g2rpo": "G²RPO", "batch_std": "Batch std", "task_batch_std": "Task batch std",
    "task_running_std": "Task running std", "ema_grpo_within": "EMA-GRPO, σ within",
    "ema_grpo_even": "EMA-GRPO, tasks even", "ema_grpo_short": "EMA-GRPO, memory 10",
}  # fmt: skip


def page(study: Study) -> Page:
    """The whole page."""
    conditions = study["conditions"]

    def name(contrast: Contrast) -> tuple[str, str]:
        return f"{arm_name(contrast.a)} − {arm_name(contrast.b)}", conditions[contrast.target]["title"]

    sections: list[str] = []
    pictures: dict[str, str] = {}
    for key, condition in conditions.items():
        parts, drawn = _condition(study, key, condition)
        sections += parts
        pictures |= drawn
    parts = [
        "# Which advantage estimator?",
        "Every estimator from one SFT checkpoint, with the same seeds, prompts, rollouts and updates. What differs is "
        "the advantage alone: all arms share one loss, the token mean, Dr.GRPO too.",
        *md.contrast_section(read_contrasts(study), name),
        *sections,
        *md.provenance(study),
    ]
    return {"README.md": md.join(parts), **pictures}


def arm_name(arm: str) -> str:
    """For people; an estimator of one's own has its own name."""
    return NAMES.get(arm, arm)


def _condition(study: Study, key: str, condition: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
    """A condition's paragraphs and pictures."""
    profile = "" if condition["reward"] == "released" else f" Rewards are of the `{condition['reward']}` profile."
    said = f"{condition['questions']:,} questions.{profile}"
    parts = [f"## Setting: {condition['title']}", said + md.left_out_words(condition["left_out"])]
    pictures = {}
    for measure, title in md.TITLES.items():
        scores = condition["scores"][measure]
        gains = {
            arm: estimate(gain(scores[arm][MEAN], scores[START][MEAN]), scale(measure, change=True))
            for arm in scores
            if arm != START
        }
        gains = dict(sorted(gains.items(), key=lambda item: -item[1].value))
        if len(gains) > 2:
            file = f"{key}-{measure}.svg"
            rows = {arm_name(arm): found for arm, found in gains.items()}
            unit = "over the start, mean over tasks; a dot is a seed, the bar the 95% interval of their mean"
            heading = f"{md.ANSWERS[measure]}: gain in {md.UNIT[measure]}"
            pictures[file] = forest(heading, rows, measure, unit, ours=arm_name(OURS))
            parts.append(f"![Every estimator's gain over the start]({file})")
        parts += [f"**{title}**", _table(study, condition, measure, gains)]
    return [*parts, NOTE], pictures


NOTE = (
    "95% intervals over seeds, not corrected. A group is the plain mean of its tasks, Mean that of all tasks; gain: "
    "over the start. Time: training only, mean over seeds, whatever else the machine did in it. Groups that train: "
    "the others were all right or all wrong, or are not among those that MT-GRPO chose."
)


def _table(study: Study, condition: Mapping[str, Any], measure: str, gains: Mapping[str, Estimate]) -> str:
    scores, cost = condition["scores"][measure], condition["cost"]
    columns = [column for column in (*study["groups"], MEAN) if column in scores[START]]
    rows = []
    for arm in (START, *gains):
        cells = [md.of_seeds(measure, scores[arm][column]) for column in columns]
        last = [md.NOTHING] * 4
        if arm != START:
            seconds, trained, asked = (cost[arm][k] for k in ("seconds", "trained_groups", "asked_groups"))
            lifted = md.with_interval(measure, gains[arm], signed=True)
            last = [
                lifted,
                str(len(seconds)),
                duration(sum(seconds) / len(seconds)),
                f"{sum(trained) / sum(asked):.0%}",
            ]
        rows.append((arm_name(arm), *cells, *last))
    return md.table(("Estimator", *columns, "Gain", "Seeds", "Time a run", "Groups that train"), rows)
