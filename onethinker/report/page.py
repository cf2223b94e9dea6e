"""A run folder → one HTML page that needs nothing else: styles, figures and pictures are inside it."""

from __future__ import annotations

import base64
import hashlib
import html
import math
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from onethinker.report import gallery, suite, tables
from onethinker.report.curves import stage_panels, status_panel, task_panels
from onethinker.report.describe import recipe_of, sentences, tiles
from onethinker.report.export import write_results
from onethinker.report.figures import Series, bars, gains, legend, radar
from onethinker.report.read import Evaluation, Progress, Run, read_run
from onethinker.report.suite import Suite
from onethinker.sample import DataError
from onethinker.util.files import write_whole
from onethinker.util.runs import stamp

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
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, page(run, each=each, refresh=refresh))
    write_results(run, file)
    return file


def page(run: Run, *, each: int = 3, refresh: float | None = None) -> str:
    """The whole page."""
    absent, found = list(run.absent), Suite.of(run.suite)
    body = [_head(run, found, refresh)]
    if run.suite:
        body.append(_benchmarks(found))
    if run.evaluations:
        body.append(_results(run))
    body.append(_training(run))
    if run.evaluations:
        body.append(_reading(run))
    body += [_gallery(run, found, each, absent), _absent(absent), _foot(run)]
    style, script = (_asset(name) for name in ("page.css", "page.js"))
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">{_again(refresh)}'
        f"<title>{_e(_title(run))}</title><style>{style}</style></head><body><main>"
        + "".join(body)
        + f"</main><script>{script}</script></body></html>\n"
    )


def _again(refresh: float | None) -> str:
    return "" if refresh is None else f'<meta http-equiv="refresh" content="{math.ceil(refresh)}">'


def _asset(name: str) -> str:
    return (files("onethinker.report") / "assets" / name).read_text(encoding="utf-8")


def _e(text: str) -> str:
    return html.escape(text)


def _title(run: Run) -> str:
    return f"OneThinker · {run.folder.resolve().name}"


def _section(title: str, lead: str, *parts: str) -> str:
    if not any(parts):
        return ""
    return f'<section><h2>{_e(title)}</h2><p class="lead">{_e(lead)}</p>{"".join(parts)}</section>'


def _benchmarks(found: Suite) -> str:
    """The results of benchmarks, the paper's beside them, and how their answers read."""
    rows, series = [found.entries[name]["title"] for name in found.shared()], found.series()
    parts = [tables.to_html(suite.results_table(found))]
    if wheel := radar(rows, series, "Every benchmark"):
        words = "Every axis from 0 at the centre to 100% at the rim; benchmarks for which every column has a number."
        parts.append(_figure(f'<div class="radar wide">{legend(series)}{wheel}</div>', words))
    if len(found.published) and rows:
        base, *others = series
        words = f"Percentage points more than {base.label}."
        parts += ["<h3>Gains</h3>", _figure(legend(others) + gains(rows, base, others), words)]
    parts.append("<h3>How answers read</h3>")
    parts += [tables.to_html(tables.without_zeros(table)) for table in suite.reading_tables(found)]
    whole = tables.to_html(suite.metrics_table(found))
    parts.append(f"<details class='fold'><summary>All metrics</summary>{whole}</details>")
    return _section("Benchmarks", "Greedy answers, each benchmark by its own metric.", *parts)


def _head(run: Run, found: Suite, refresh: float | None) -> str:
    name = recipe_of(run).get("name")
    kicker = f'<p class="kicker">{_e(f"Run report · recipe {name}" if name else "Run report")}</p>'
    shown = "".join(
        f'<div class="tile"><b>{f"<i>{_e(before)} → </i>" if before else ""}{_e(after)}</b>'
        f"<span>{_e(words)}</span></div>"
        for before, after, words in [*tiles(run), *suite.tiles(found)]
    )
    said = " ".join([*sentences(run), *suite.sentences(found)])
    row = f'<div class="tiles">{shown}</div>' if shown else ""
    live = "" if refresh is None else _live(run, refresh)
    return f'<header>{kicker}<h1>{_e(_title(run))}</h1><p class="lead">{_e(said)}</p>{live}{row}</header>'


def _live(run: Run, refresh: float) -> str:
    """How far the stages have come, and when the page was written."""
    bars = "".join(
        f'<div class="stage"><span>{p.stage.upper()} step {p.step:,} of {p.steps:,}{_left(p)}</span>'
        f'<progress max="{p.steps}" value="{p.step}"></progress></div>'
        for p in run.progress
    )
    words = f"The run goes on. Written {stamp()}, and again every {refresh:g} s."
    return f'<div class="live">{bars}<p>{words}</p></div>'


def _left(progress: Progress) -> str:
    if progress.left is None or progress.step >= progress.steps:
        return ""
    return f", about {tables.duration(progress.left)} to go"


def _results(run: Run) -> str:
    sampled = tables.sampled_table(run.evaluations)
    main = run.main or run.evaluations
    titles = tables.task_titles(main)
    series = [_series(e, i) for i, e in enumerate(main)]
    names = list(titles.values())
    caption = (
        "Greedy answers, the headline metric of each task. Whiskers are 95% bootstrap intervals over questions; at the "
        "right the last value and its gain over the first."
    )
    parts = [
        tables.to_html(tables.headline_table(run.evaluations)),
        _figure(legend(series) + bars(names, series), caption),
    ]
    if wheel := radar(names, series):
        words = "The same numbers as a radar, every axis from 0 at the centre to 100% at the rim."
        parts.append(_figure(f'<div class="radar">{legend(series)}{wheel}</div>', words))
    if sampled:
        parts += ["<h3>Sampled answers</h3>", tables.to_html(sampled)]
    return _section("Results", "Held-out questions, every task in every evaluation.", *parts)


def _series(evaluation: Evaluation, place: int) -> Series:
    values = {
        str(entry["title"]): entry["metrics"][entry["headline"]]
        for entry in evaluation.tasks.values()
        if entry["headline"] in entry["metrics"]
    }
    spare = ("stage-sft", "stage-other", "stage-other2", "stage-rl", "stage-before")
    return Series(evaluation.label, _STAGE_CLASS.get(evaluation.name, spare[place % len(spare)]), values)


def _figure(content: str, caption: str) -> str:
    return f"<figure>{content}<figcaption>{_e(caption)}</figcaption></figure>"


def _training(run: Run) -> str:
    titles = {task: str(entry["title"]) for e in run.evaluations for task, entry in e.tasks.items()}
    sft, rl = run.stage("sft"), run.stage("rl")
    parts: list[str] = []
    if sft:
        parts += ["<h3>SFT cold start</h3>", _panels(stage_panels(sft, "sft"))]
    if rl:
        parts += ["<h3>Reinforcement learning</h3>", _panels([*stage_panels(rl, "rl"), status_panel(run.rollouts)])]
        key, panels = task_panels(rl, titles)
        parts += ["<h3>Reward and its EMA standard deviation, a task each</h3>", key, _panels(panels, "small")]
    if run.stages:
        parts += ["<h3>Time and memory</h3>", tables.to_html(tables.stage_table(run.stages))]
    lead = "Against the step; the bold line is a running mean, the faint one what was logged."
    return _section("Training", lead, *parts)


def _panels(panels: Sequence[str], size: str = "") -> str:
    return f'<div class="panels {size}">{"".join(panels)}</div>'


def _reading(run: Run) -> str:
    last = (run.main or run.evaluations)[-1]
    lead = "What could not be read, what failed, what a forgiving reader would add, and what an answer costs."
    parts = [tables.to_html(tables.reading_table(run.evaluations))]
    for title, table in (
        (f"{last.label}, by task", tables.reading_by_task_table(last)),
        ("All metrics", tables.metrics_table(run.evaluations)),
    ):
        parts.append(f"<details class='fold'><summary>{_e(title)}</summary>{tables.to_html(table)}</details>")
    return _section("How answers read", lead, *parts)


def _gallery(run: Run, suite: Suite, each: int, absent: list[str]) -> str:
    """The answers of the last main evaluation, and of the last model on each benchmark, the others' beside them; what
    stands in the way is added to `absent`."""
    shown = [run.main or run.evaluations] if run.evaluations else []
    shown += [[m[name] for m in suite.models.values() if name in m] for name in suite.entries]
    cards: list[gallery.Card] = []
    for together in shown:
        try:
            found = gallery.make_cards(together, gallery.samples_of(together[-1]), each)
        except DataError as error:
            absent.append(f"gallery of {together[-1].name}: {error}")
            continue
        if not found:
            absent.append(f"gallery of {together[-1].name}: no answer to show")
        cards += found
    if not cards:
        return ""
    words = "greedy answers, the truth in green and the answer in orange, picked by a hash of the question's id"
    who = ", ".join(dict.fromkeys(together[-1].label for together in shown))
    return _section("Right and wrong answers", f"{who}: {words}.", gallery.to_html(cards))


def _absent(absent: Sequence[str]) -> str:
    if not absent:
        return ""
    lines = "".join(f"<li>{_e(line)}</li>" for line in absent)
    return f'<section><h2>Not in this report</h2><div class="absent"><ul>{lines}</ul></div></section>'


def _foot(run: Run) -> str:
    every = [*run.evaluations, *run.suite]
    facts = "".join(f"<p><b>{_e(e.label)}</b> · {' · '.join(_provenance(e))}</p>" for e in every)
    return f"<footer>{facts}<p>Made by OneThinker from the files of the run folder alone.</p></footer>"


def _provenance(evaluation: Evaluation) -> list[str]:
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
    return [f"{name} <code>{_e(str(value))}</code>" for name, value in facts.items() if value]
