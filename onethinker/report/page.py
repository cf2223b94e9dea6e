"""A run folder → one HTML page that needs nothing else: styles, figures and pictures are inside it.

The page is `templates/report.html`; here stands what it is filled with. Jinja2 escapes all of it: names, questions and
answers come from files and models. Only drawings, the style sheet and the script are markup, and those are ours.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onethinker.report import describe, gallery, suite, tables
from onethinker.report.curves import stage_panels, status_panel, task_panels
from onethinker.report.export import write_results
from onethinker.report.figures import Series, bars, differences
from onethinker.report.gains import Gain, stage_gains
from onethinker.report.read import Evaluation, Run, read_run
from onethinker.report.suite import Suite
from onethinker.sample import DataError
from onethinker.util.files import write_whole
from onethinker.util.html import asset, colours, templates
from onethinker.util.runs import stamp

HERE = "onethinker.report"
_STAGE_CLASS = {"before": "stage-before", "sft": "stage-sft", "rl": "stage-rl"}


def write_report(
    folder: str | Path, out: str | Path | None = None, *, each: int = 3, refresh: float | None = None
) -> Path:
    """Write `report.html` of a run folder, or of one evaluation's or a suite's, and return its path.

    The tables of results go beside it, as `report.md`, `.tex` and `.json`. each: right and wrong answers shown a task.
    refresh: seconds after which the page loads itself again, for a run that goes on. Raises ReportError for a folder
    that holds nothing to report.
    """
    run = read_run(Path(folder))
    file = Path(out) if out else run.folder / "report.html"
    write_whole(file, report_html(run, each=each, refresh=refresh))
    write_results(run, file)
    return file


def policy() -> str:
    """What a report may load: pictures within it, its styles, and its one script, by its hash."""
    allowed = base64.b64encode(hashlib.sha256(asset(HERE, "report.js").encode()).digest()).decode("ascii")
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'"


def report_html(run: Run, *, each: int = 3, refresh: float | None = None) -> str:
    """The whole page of a run, as `write_report` writes it."""
    pages = templates(HERE)
    pages.filters |= {"cut": gallery.cut, "cut_short": gallery.cut_short, "duration": tables.duration}
    measured, script = Suite.of(run.suite), asset(HERE, "report.js")
    cards, absent = _gallery(run, measured, each)
    gains = stage_gains(run.evaluations)
    page = pages.get_template("report.html")
    return page.render(
        policy=policy(),
        style=colours() + asset(HERE, "report.css"),
        script=script,
        title=f"OneThinker · {run.folder.resolve().name}",
        recipe=describe.recipe_of(run).get("name"),
        sentences=[*describe.sentences(run), *suite.sentences(measured)],
        tiles=[*describe.tiles(run), *suite.tiles(measured)],
        refresh=refresh,
        progress=run.progress,
        now=stamp(),
        benchmarks=_benchmarks(measured) if run.suite else None,
        results=_results(run, gains) if run.evaluations else None,
        training=_training(run),
        reading=_reading(run) if run.evaluations else None,
        gallery=cards,
        absent=[*run.absent, *(f"gain of {g.label}: {g.problem}" for g in gains if g.problem), *absent],
        provenance=[(e.label, _provenance(e)) for e in [*run.evaluations, *run.suite]],
    )


def _benchmarks(measured: Suite) -> dict[str, Any]:
    """The results of benchmarks, the paper's beside them, and how their answers read."""
    rows, series = [measured.entries[name]["title"] for name in measured.shared()], measured.series()
    return {
        "results": suite.results_table(measured),
        "series": series,
        "bars": bars(rows, series) if len(series) > 1 else None,
        "gains": differences(rows, series[0], series[1:]) if measured.published and rows else None,
        "reading": [tables.without_zeros(table) for table in suite.reading_tables(measured)],
        "metrics": suite.metrics_table(measured),
    }


def _results(run: Run, gains: Sequence[Gain]) -> dict[str, Any]:
    main = run.main or run.evaluations
    titles = tables.task_titles(main)
    series = [_series(evaluation, place) for place, evaluation in enumerate(main)]
    changes = {
        (title, gain.after): tables.gain_cell(gain.headline(task), tables.percent)
        for task, title in titles.items()
        for gain in gains
    }
    return {
        "asked": describe.asked(main[-1]).capitalize(),
        "headline": tables.headline_table(run.evaluations, gains),
        "bars": bars(list(titles.values()), series, changes),
        "sampled": tables.sampled_table(run.evaluations, gains),
    }


def _series(evaluation: Evaluation, place: int) -> Series:
    values = {
        str(entry["title"]): entry["metrics"][entry["headline"]]
        for entry in evaluation.tasks.values()
        if entry["headline"] in entry["metrics"]
    }
    spare = ("stage-sft", "stage-other", "stage-other2", "stage-rl", "stage-before")
    return Series(evaluation.label, _STAGE_CLASS.get(evaluation.name, spare[place % len(spare)]), values)


def _training(run: Run) -> dict[str, Any] | None:
    """Curves, time and memory; None for a run that trained nothing."""
    sft, rl = run.stage("sft"), run.stage("rl")
    if not (sft or rl or run.stages):
        return None
    curves, panels = task_panels(rl, tables.task_titles(run.evaluations))
    status = status_panel(run.rollouts)
    return {
        "sft": stage_panels(sft, "sft"),
        "rl": [*stage_panels(rl, "rl"), *([status] if status else [])],
        "task_curves": curves,
        "tasks": panels,
        "stages": tables.stage_table(run.stages) if run.stages else None,
    }


def _reading(run: Run) -> dict[str, Any]:
    last = (run.main or run.evaluations)[-1]
    return {
        "evaluations": tables.reading_table(run.evaluations),
        "last": last.label,
        "tasks": tables.reading_by_task_table(last),
        "metrics": tables.metrics_table(run.evaluations),
    }


def _gallery(run: Run, measured: Suite, each: int) -> tuple[dict[str, Any] | None, list[str]]:
    """The answers of the last main evaluation, and of the last model on each benchmark, the others' beside them; and a
    line for each of which none can be shown."""
    shown = [run.main or run.evaluations] if run.evaluations else []
    shown += [[m[name] for m in measured.models.values() if name in m] for name in measured.entries]
    cards: list[gallery.Card] = []
    absent: list[str] = []
    for together in shown:
        name = f"gallery of {together[-1].name}"
        try:
            found = gallery.make_cards(together, gallery.samples_of(together[-1]), each)
        except DataError as error:
            absent.append(f"{name}: {error}")
            continue
        if not found:
            absent.append(f"{name}: no answer to show")
        cards += found
    labels = list(dict.fromkeys(together[-1].label for together in shown))
    return ({"labels": labels, "cards": cards} if cards else None), absent


def _provenance(evaluation: Evaluation) -> dict[str, str]:
    """What a result's identity is made of."""
    s = evaluation.summary
    facts = {
        "model": s["model"],
        "engine": s["engine"],
        "data": s["data"]["digest"],
        "prompts": f"{s['prompts']['name']} {s['prompts']['digest']}",
        "metrics": s["metric_profile"],
        "rewards": s["reward_profile"],
        "segmenter": s.get("segmenter"),
        "at": s["at"],
    }
    return {name: str(value) for name, value in facts.items() if value}
