"""A run folder → one HTML page that needs nothing else: styles, figures and pictures are inside it."""

from __future__ import annotations

import base64
import hashlib
import html
import math
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from onethinker.report import gallery, tables
from onethinker.report.curves import stage_panels, status_panel, task_panels
from onethinker.report.describe import recipe_of, sentences, tiles
from onethinker.report.figures import Series, bars, legend, radar
from onethinker.report.read import Evaluation, Progress, Run, read_run
from onethinker.runs import stamp, write_whole
from onethinker.sample import DataError

_STAGE_CLASS = {"before": "stage-before", "sft": "stage-sft", "rl": "stage-rl"}


def write_report(
    folder: str | Path, out: str | Path | None = None, *, each: int = 3, refresh: float | None = None
) -> Path:
    """Write `report.html` of a run folder, or of one evaluation's, and return its path.

    each: right and wrong answers shown a task. refresh: seconds after which the page loads itself again, for a run that
    goes on. Raises ReportError for a folder that holds nothing to report.
    """
    run = read_run(Path(folder))
    file = Path(out) if out else run.folder / "report.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, page(run, each=each, refresh=refresh))
    return file


def page(run: Run, *, each: int = 3, refresh: float | None = None) -> str:
    """The whole page."""
    absent = list(run.absent)
    body = [_head(run, refresh)]
    if run.evaluations:
        body.append(_results(run))
    body.append(_training(run))
    if run.evaluations:
        body.append(_reading(run))
    body += [_gallery(run, each, absent), _absent(absent), _foot(run)]
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


def _head(run: Run, refresh: float | None) -> str:
    name = recipe_of(run).get("name")
    kicker = f'<p class="kicker">{_e(f"Run report · recipe {name}" if name else "Run report")}</p>'
    shown = "".join(
        f'<div class="tile"><b>{f"<i>{_e(before)} → </i>" if before else ""}{_e(after)}</b>'
        f"<span>{_e(words)}</span></div>"
        for before, after, words in tiles(run)
    )
    said = " ".join(sentences(run))
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


def _gallery(run: Run, each: int, absent: list[str]) -> str:
    """The answers of the last main evaluation; what stands in the way is added to `absent`."""
    if not run.evaluations:
        return ""
    main = run.main or run.evaluations
    try:
        cards = gallery.make_cards(main, gallery.samples_of(main[-1]), each)
    except DataError as error:
        absent.append(f"gallery: {error}")
        return ""
    if not cards:
        absent.append("gallery: no answer to show")
        return ""
    words = "greedy answers, the truth in green and the answer in orange, picked by a hash of the question's id"
    return _section("Right and wrong answers", f"{main[-1].label}: {words}.", gallery.to_html(cards))


def _absent(absent: Sequence[str]) -> str:
    if not absent:
        return ""
    lines = "".join(f"<li>{_e(line)}</li>" for line in absent)
    return f'<section><h2>Not in this report</h2><div class="absent"><ul>{lines}</ul></div></section>'


def _foot(run: Run) -> str:
    facts = "".join(f"<p><b>{_e(e.label)}</b> · {' · '.join(_provenance(e))}</p>" for e in run.evaluations)
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
