"""The page of `onethinker bench biased`: what a biased annotator taught and which estimator mends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from onethinker.report.tables import duration
from onethinker.studies.contrasts import Contrast, read_contrasts
from onethinker.studies.pages import markdown as md
from onethinker.studies.pages.algorithms import arm_name
from onethinker.studies.pages.figures import forest, lines
from onethinker.studies.pages.markdown import Page, Study
from onethinker.tasks import get_task

BASE, START, OURS, BIN, SHARE_MADE_GOOD = "base", "sft", "ema_grpo", 10, 0.9
SIGMAS = {
    "ema_grpo_within": "the moving average is of the variance within groups, without what prompts differ by.",
    "ema_grpo_short": "it remembers ten steps instead of a hundred.",
    "ema_grpo_even": "σ is the mean absolute advantage of a task over ten steps, so that tasks get alike.",
}
Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Arm → the rows of its cells, a seed each."""


def page(study: Study) -> Page:
    """The whole page."""
    rows = study["rows"]
    names = dict.fromkeys(cell.partition("/")[0] for cell in rows if "/" in cell)
    arms = {arm: [row for cell, row in rows.items() if cell.partition("/")[0] == arm] for arm in names}
    contrasts = read_contrasts(study)

    def name(contrast: Contrast) -> tuple[str, str]:
        return f"{arm_name(contrast.a)} − {arm_name(contrast.b)}", contrast.target

    model = md.plain(study["settings"]["model"])
    start, base = _mean(rows[START], "headline"), _mean(rows[BASE], "headline")
    pictures = {"curves.svg": _curves(arms)} | {
        f"{key}.svg": forest(
            f"{title}: {arm_name(contrasts[0].a)} minus each other, points",
            {f"− {arm_name(c.b)}": c.estimate for c in contrasts if c.target == target},
            measure,
            "a dot is a seed, the bar the 95% interval of their mean",
        )
        for key, target, measure, title in (
            ("held-out", "held out", "headline", "Held-out questions"),
            ("training", "while training", "accuracy", "While training"),
        )
        if contrasts
    }
    parts = [
        "# A biased annotator, and which estimator mends it",
        f"`{model}` answers {base:.1%} of the held-out questions in the mean over tasks. After SFT on worked answers "
        f"with the bias `{study['annotator']}` it answers {start:.1%}. From there every estimator trains on exact "
        "truth, with the same seeds, prompts and number of rollouts and updates.",
        *md.contrast_section(contrasts, name),
        "*held out*: the headline metric of greedy answers after the last step, mean over tasks. *while training*: the "
        "accuracy of all sampled answers of the run, mean over tasks and steps, the area under the curve below.",
        *(f"![{file}]({file})" for file in pictures),
        "## Every estimator",
        _arms_table(arms, rows[START], rows[BASE], model),
        "Means over seeds with 95% intervals that are not corrected. To nine tenths: the first step whose "
        "trailing mean over ten steps has made good nine tenths of what the annotator cost, with the base's own "
        "sampled accuracy as the ceiling; – for a seed that never did. Time: training only, whatever else the machine "
        "did in it.",
        "## Task by task",
        _tasks_table(arms, rows[START], rows[BASE]),
        "Greedy answers, headline metric in percent, means over seeds.",
        "## Who gets the gradient",
        _share_table(arms),
        "Each task's share of the absolute advantages of all trained tokens, in percent, mean over seeds.",
        *_own_question(study, name),
        *_sigma(arms),
        *md.provenance(study, _settings(study)),
    ]
    return {"README.md": md.join(parts), **pictures}


def in_short(study: Study) -> str:
    """What the annotator does to the model and what the estimators make of it, for the model's card."""
    rows, settings = study["rows"], study["settings"]
    finals: dict[str, list[float]] = {}
    for cell, row in rows.items():
        if "/" in cell:
            finals.setdefault(cell.partition("/")[0], []).append(_mean(row, "headline"))
    ends = ", ".join(f"{arm_name(arm)} {md.of_seeds('headline', values)}" for arm, values in finals.items())
    return (
        f"SFT on worked answers with the bias `{study['annotator']}` (boxes two grid steps too far right, events half "
        f"a second late) takes {settings['model']} from {_mean(rows[BASE], 'headline'):.1%} to "
        f"{_mean(rows[START], 'headline'):.1%} of greedy answers, mean over tasks at difficulty 0. {settings['steps']} "
        f"steps of RL on exact truth bring it to, in percent over {md.counted(settings['seeds'], 'seed')}: {ends} "
        "([the study](../../../docs/results/biased/README.md)). So look at a corpus's habits before its size, or let "
        "rewards of exact truth mend them."
    )


def steps_to_ceiling(curve: Sequence[float], start: float, ceiling: float) -> int | None:
    """The first step whose trailing mean of ten steps has made good nine tenths of ceiling − start; None if none."""
    goal = start + SHARE_MADE_GOOD * (ceiling - start)
    means = (fmean(curve[step - BIN : step]) for step in range(BIN, len(curve) + 1))
    return next((BIN + i for i, value in enumerate(means) if value >= goal), None)


def _mean(row: Mapping[str, Any], measure: str) -> float:
    return fmean(row["scores"][measure].values())


def _curves(arms: Rows) -> str:
    """Mean accuracy while training, in bins of ten steps, mean over seeds."""
    curves = {}
    for arm, rows in arms.items():
        steps = [fmean(values) for values in zip(*(row["curve"] for row in rows), strict=True)]
        binned = [fmean(steps[i : i + BIN]) for i in range(0, len(steps), BIN)]
        curves[arm_name(arm)] = [(BIN * i + min(BIN, len(steps)) / 2, 100 * value) for i, value in enumerate(binned)]
    return lines("Accuracy of sampled answers while training, %", curves, arm_name(OURS), "step")


def _arms_table(arms: Rows, start: Mapping[str, Any], base: Mapping[str, Any], model: str) -> str:
    low, high = (fmean(row["sampled"].values()) for row in (start, base))
    table = []
    for title, row in ((f"{model}, before", base), ("after the biased SFT, the start", start)):
        cells = (md.number("headline", _mean(row, "headline")), md.number("reward", _mean(row, "reward")))
        table.append((title, cells[0], md.NOTHING, cells[1], *[md.NOTHING] * 3))
    ranked = sorted(arms, key=lambda arm: -fmean(_mean(row, "headline") for row in arms[arm]))
    for arm in ranked:
        rows = arms[arm]
        reached = [steps_to_ceiling(row["curve"], low, high) for row in rows]
        table.append(
            (
                arm_name(arm),
                md.of_seeds("headline", [_mean(row, "headline") for row in rows]),
                md.of_seeds("accuracy", [fmean(row["curve"]) for row in rows]),
                md.of_seeds("reward", [_mean(row, "reward") for row in rows]),
                ", ".join(str(step or md.NOTHING) for step in reached),
                str(len(rows)),
                duration(fmean(row["seconds"] for row in rows)),
            )
        )
    columns = (
        "Estimator",
        "Held out, %",
        "While training, %",
        "Sampled reward",
        "Steps to nine tenths",
        "Seeds",
        "Time",
    )
    return md.table(columns, table)


def _tasks_table(arms: Rows, start: Mapping[str, Any], base: Mapping[str, Any]) -> str:
    table = []
    for task in start["scores"]["headline"]:
        before = [md.number("headline", row["scores"]["headline"][task]) for row in (base, start)]
        after = (fmean(row["scores"]["headline"][task] for row in rows) for rows in arms.values())
        table.append((get_task(task).title, *before, *(md.number("headline", value) for value in after)))
    return md.table(("Task", "Before", "Start", *(arm_name(arm) for arm in arms)), table)


def _share_table(arms: Rows) -> str:
    tasks = dict.fromkeys(task for rows in arms.values() for row in rows for task in row["share"])
    table = [
        (
            get_task(task).title,
            *(md.number("headline", fmean(r["share"].get(task, 0.0) for r in rows)) for rows in arms.values()),
        )
        for task in tasks
    ]
    return md.table(("Task", *(arm_name(arm) for arm in arms)), table)


def _own_question(study: Study, name: Callable[[Contrast], tuple[str, str]]) -> list[str]:
    """The paragraphs on the arms that were added once the first ones had been seen; none where they were not run."""
    if not study.get("own"):
        return []
    contrasts = read_contrasts(study, "own")
    return [
        *md.contrast_section(contrasts, name, "What is it about a task's σ?"),
        "A second question, asked after four seeds of the estimators above had been seen and before these arms ran; "
        "its contrasts are corrected among themselves.",
        "\n".join(f"- *{arm_name(arm)}*: {SIGMAS[arm]}" for arm in dict.fromkeys(c.a for c in contrasts)),
    ]


def _sigma(arms: Rows) -> list[str]:
    """EMA-GRPO's σ by task over time, mean over seeds."""
    rows = [row for row in arms.get(OURS, ()) if row["sigma"]]
    if not rows:
        return []
    count = min(len(values) for values in rows[0]["sigma"].values())
    at = sorted({0, count // 4, count // 2, count - 1})
    table = []
    for task in rows[0]["sigma"]:
        seeds = [[row["sigma"][task][i] for row in rows if row["sigma"].get(task)] for i in at]
        table.append((get_task(task).title, *(md.number("reward", _known_mean(values)) for values in seeds)))
    columns = ("σ of EMA-GRPO after step", *(str(BIN * (i + 1)) for i in at))
    return ["## σ over time", md.table(columns, table), "Of rewards, mean over seeds."]


def _known_mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _settings(study: Study) -> str:
    s = study["settings"]
    return (
        f"Every run takes {s['steps']:,} steps of {s['prompts']} prompts, one a task, each answered {s['group']} times "
        f"({s['rollouts']:,} rollouts), at a peak learning rate of {s['lr']:g}; {md.counted(s['seeds'], 'seed')}, the "
        f"same for all; questions of difficulty 0, {s['train']:,} samples to draw from. Groups whose answers are all "
        "right or all wrong do not train and are not replaced."
    )
