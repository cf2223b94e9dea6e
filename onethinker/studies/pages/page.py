"""What the pages of the studies share: head, sections, provenance. A page is made of `study.json` and of notes."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from onethinker.report.tables import duration, percent, plain

Study = dict[str, Any]
"""A `study.json`, as `studies.bench.write_study` writes it."""

MEASURES = {"headline": "Greedy answers, headline metric (%)", "reward": "Sampled answers, mean reward"}
FACTOR = {"headline": 100.0, "reward": 1.0}
"""What a number is multiplied with to be shown."""

SURE = 0.05
"""The p below which a difference is called sure."""

ONCE = "Everything was trained once: intervals are over questions and know nothing of another run's luck."

ARMS = 14
"""Colours that the style sheet has for arms."""


def whole(
    study: Study, title: str, lead: str, tiles: Sequence[tuple[str, str]], parts: Sequence[str], again: str = ""
) -> str:
    """The page. lead: what the study found, in plain words. tiles: (number, what it is). parts: sections. again: what
    its command does, where that is not many runs with the same settings."""
    style = "".join((files("onethinker.report") / "assets" / n).read_text("utf-8") for n in ("page.css", "study.css"))
    said = f"{lead} {ONCE}" if study.get("settings", {}).get("seeds") == 1 else lead
    shown = "".join(f'<div class="tile"><b>{escape(n)}</b><span>{escape(words)}</span></div>' for n, words in tiles)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>OneThinker · {escape(title)}</title><style>{style}</style></head><body><main>"
        f'<header><p class="kicker">Study</p><h1>{escape(title)}</h1><p class="lead">{escape(said)}</p>'
        f'<div class="tiles">{shown}</div></header>{"".join(parts)}{_made(study, again or settings_words(study))}'
        "</main></body></html>\n"
    )


def escape(text: str) -> str:
    return html.escape(text)


def write(measured: str, value: float | None, signed: bool = False) -> str:
    """A number of one of MEASURES: a percentage or a reward."""
    return percent(value, signed) if measured == "headline" else plain(value, signed)


def interval(number: Mapping[str, Any], measured: str, signed: bool = False) -> str:
    """`[low, high]`, empty where there is none."""
    if number["low"] is None or number["high"] is None:
        return ""
    return f"[{write(measured, number['low'], signed)}, {write(measured, number['high'], signed)}]"


def p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def section(title: str, lead: str, *parts: str) -> str:
    return f'<section><h2>{escape(title)}</h2><p class="lead">{escape(lead)}</p>{"".join(parts)}</section>'


def figure(content: str, caption: str, class_: str = "") -> str:
    return f'<figure class="{class_}">{content}<figcaption>{escape(caption)}</figcaption></figure>'


def counted(number: int, word: str) -> str:
    """`1 seed`, `5 seeds`."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def left_out_words(questions: int) -> str:
    """What to say of questions that an error kept from some cell; nothing if there are none."""
    return f" {counted(questions, 'question')} left out because some cell has no score for them." if questions else ""


def panels(drawn: Sequence[str], size: str = "") -> str:
    return f'<div class="panels {size}">{"".join(drawn)}</div>'


def fold(title: str, *parts: str) -> str:
    return f'<details class="fold"><summary>{escape(title)}</summary>{"".join(parts)}</details>'


def settings_words(study: Study) -> str:
    """One sentence on what every run did."""
    s = study["settings"]
    return (
        f"Every run starts from {s['model']} and takes {s['steps']:,} steps of {s['prompts']} prompts, each answered "
        f"{s['group']} times ({s['rollouts']:,} rollouts) at a peak learning rate of {s['lr']:g}; "
        f"{counted(s['seeds'], 'seed')}, the same for all, and questions of difficulty {s['difficulty']}, unless said "
        f"otherwise. Prompts are drawn from {s['train']:,} samples. Measured on held-out questions, greedily and by "
        f"{s['sampled']} sampled answers each."
    )


def _made(study: Study, words: str) -> str:
    """What the command does, command, commit and machine, and what was not as the command says."""
    facts = {
        "commit": ", ".join(study["commits"]),
        "machine": "; ".join(study["machines"]),
        "finished": study["at"],
        "machine time": f"{duration(3600 * study['hours'])} over {study['cells']} cells",
    }
    lines = "".join(f"<p><b>{name}</b> · <code>{escape(value)}</code></p>" for name, value in facts.items())
    notes = "".join(f'<p class="lead">{escape(note)}</p>' for note in study["notes"])
    return (
        f'<section><h2>To do it again</h2><p class="lead">{escape(words)}</p>'
        f"<pre>{escape(study['command'])}</pre>{notes}</section><footer>{lines}"
        "<p>Made by OneThinker from study.json.</p></footer>"
    )
