"""The page of `onethinker bench transfer`: what training on one task does for every other one, as maps."""

from __future__ import annotations

from onethinker.studies.contrasts import Contrast, estimate, gain, paired, read_contrasts, scale
from onethinker.studies.pages import markdown as md
from onethinker.studies.pages.figures import heat
from onethinker.studies.pages.markdown import Page, Study
from onethinker.tasks import get_task

START, ALL, MEAN = "sft", "all", "mean"
BOLD = "Bold: the 95% interval leaves out 0, not corrected; framed: the task itself."


def page(study: Study) -> Page:
    """The whole page."""
    contrasts = read_contrasts(study)
    pictures = {}
    for measure in md.TITLES:
        unit = "greedy answers, points" if measure == "headline" else "reward of sampled answers"
        beyond = {(_name(c.a), _name(c.target)): c.estimate for c in contrasts if c.measure == measure}
        scores = study["scores"][measure]
        left_out = {
            (_name(source), _name(target)): estimate(
                paired(scores[ALL][target], scores[f"without/{source}"][target]), scale(measure, change=True)
            )
            for source in study["tasks"]
            for target in (*study["tasks"], MEAN)
            if target in scores[ALL]
        }
        names = [_name(task) for task in study["tasks"]]
        title = f"What just the row's task gives the column's: {unit}"
        pictures[f"beyond-{measure}.svg"] = heat(title, names, names, beyond, measure)
        title = f"All tasks minus all but the row's, on the column's: {unit}"
        pictures[f"leave-one-out-{measure}.svg"] = heat(title, names, [*names, _name(MEAN)], left_out, measure)

    def name(contrast: Contrast) -> tuple[str, str]:
        return f"{_name(contrast.a)} − third tasks", _name(contrast.target)

    seeds = md.counted(study["settings"]["seeds"], "seed")
    parts = [
        "# What does a task teach the others?",
        f"{len(study['tasks'])} tasks, each trained alone and each left out, {seeds} each, {study['questions']:,} "
        f"held-out questions.{md.left_out_words(study['left_out'])}",
        *md.contrast_section(contrasts, name),
        "## Beyond third tasks",
        f"RL on the row's task alone minus the mean of RL on each third task alone, on the column's task. {BOLD}",
        *(f"![Beyond third tasks](beyond-{measure}.svg)" for measure in md.TITLES),
        "## Leave one task out",
        "RL on all tasks minus RL on all but the row's, on the column's task. Blue: training on the row helped; "
        f"orange: its share of the rollouts was worth more elsewhere. No contrasts of the study. {BOLD}",
        *(f"![Leave one task out](leave-one-out-{measure}.svg)" for measure in md.TITLES),
        "## All tasks together",
        _all(study),
        "The start, and what RL on all tasks adds to it, with 95% intervals over seeds, not corrected.",
        *md.provenance(study),
    ]
    return {"README.md": md.join(parts), **pictures}


def _name(task: str) -> str:
    return "Mean over tasks" if task == MEAN else get_task(task).title


def _all(study: Study) -> str:
    rows = []
    for target in study["scores"]["headline"][START]:
        cells = []
        for measure, scores in study["scores"].items():
            start, after = scores[START][target], scores[ALL][target]
            cells += [
                md.number(measure, start[0]),
                md.with_interval(measure, estimate(gain(after, start), scale(measure, change=True)), signed=True),
            ]
        rows.append((_name(target), *cells))
    return md.table(("Task", "Greedy, %", "RL on all tasks", "Sampled reward", "RL on all tasks"), rows)
