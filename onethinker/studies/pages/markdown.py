"""What the pages of the studies share: how numbers are written, tables, the contrasts, how a study was made."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from onethinker.report.tables import counted, duration
from onethinker.studies.contrasts import SURE, Contrast, Estimate, estimate, scale

Study = dict[str, Any]
"""A `study.json`, as `studies.bench.write_study` writes it, and its `notes`."""

Page = dict[str, str]
"""The files of a page by name: `README.md` and its pictures."""

TITLES = {"headline": "Greedy answers, headline metric (%)", "reward": "Sampled answers, mean reward"}
"""Of what evaluations are read for."""
UNIT = {"headline": "points", "accuracy": "points", "reward": "reward"}
"""Of a difference."""
ANSWERS = {"headline": "Greedy answers", "accuracy": "Sampled answers", "reward": "Sampled answers"}
FACTOR = {"headline": 100.0, "accuracy": 100.0, "reward": 1.0}
"""What a number is multiplied with to be shown."""

NOTHING = "–"
LISTED = 40
"""Contrasts that are listed at most, those with the least p."""


def number(measure: str, value: float | None, signed: bool = False) -> str:
    """A percentage with one decimal or a reward with three."""
    if value is None:
        return NOTHING
    digits = 3 if measure == "reward" else 1
    return f"{FACTOR[measure] * value:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def with_interval(measure: str, found: Estimate, signed: bool = False) -> str:
    """`+0.8 [−0.1, +1.7]`; the number alone where there is no interval."""
    value = number(measure, found.value, signed)
    if found.low is None:
        return value
    return f"{value} [{number(measure, found.low, signed)}, {number(measure, found.high, signed)}]"


def of_seeds(measure: str, seeds: Sequence[float]) -> str:
    """The mean of seeds with their interval, not corrected, within the measure's scale."""
    return with_interval(measure, estimate(seeds, scale(measure)))


def over_questions(measure: str, found: Mapping[str, Any], signed: bool = False) -> str:
    """A value of an evaluation with its bootstrap interval over questions."""
    return with_interval(measure, Estimate((), found["value"], found["low"], found["high"]), signed)


def p_value(p: float | None) -> str:
    return NOTHING if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def plain(text: str) -> str:
    """Text from outside, such as a model's name, that is neither HTML nor ends a code span or a cell."""
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text).replace("`", "'").replace("\n", " ").replace("|", "\\|")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """A pipe table. words: columns of words, which come first; the others hold numbers."""
    rule = "|".join(":--" if i < words else "--:" for i in range(len(columns)))
    lines = [" | ".join(map(plain, row)) for row in (columns, *rows)]
    return "\n".join([f"| {lines[0]} |", f"|{rule}|", *(f"| {line} |" for line in lines[1:])])


def contrast_section(
    contrasts: Sequence[Contrast], name: Callable[[Contrast], tuple[str, str]], title: str = "Contrasts"
) -> list[str]:
    """The paragraphs on a study's contrasts. name: of a contrast, what is compared and where."""
    sure = [c for c in contrasts if c.sure]
    apart = sum(c.estimate.excludes_zero for c in contrasts)
    listed = sorted(contrasts, key=lambda c: (c.estimate.p is None, c.estimate.p))[:LISTED]
    verdict = f"{len(sure)} of {counted(len(contrasts), 'contrast')} {'is' if len(sure) == 1 else 'are'} sure"
    rows = []
    for c in listed:
        words = with_interval(c.measure, c.estimate, signed=True)
        above = f"{sum(seed > 0 for seed in c.estimate.seeds)} of {len(c.estimate.seeds)}"
        p_values = p_value(c.estimate.p), p_value(c.holm)
        rows.append((*name(c), ANSWERS[c.measure], f"**{words}**" if c.sure else words, *p_values, above))
    columns = ("Contrast", "On", "Measured by", "Difference", "p", "p, Holm", "Seeds above 0")
    return [
        f"## {title}",
        f"**{verdict}** (Holm-corrected p < {SURE:g}); the intervals of {apart} leave out 0, where about "
        f"{0.05 * len(contrasts):.0f} would if nothing differed. "
        + (f"The {LISTED} with the least p:" if len(contrasts) > LISTED else "All of them:"),
        table(columns, rows, words=3),
        "The mean over a contrast's own seeds of the paired difference, same questions, with Student's 95% interval "
        "and p; Holm: corrected for all contrasts counted here. `onethinker/studies/contrasts.py` has the rule.",
    ]


def provenance(study: Study, words: str = "") -> list[str]:
    """The paragraphs on how a study was made: its command and settings, notes, commits and machines."""
    facts = {
        "Commit": ", ".join(f"`{commit}`" for commit in study["commits"]),
        "Machine": plain("; ".join(study["machines"])),
        "Finished": study["at"],
        "Machine time": f"{duration(3600 * study['hours'])} over {study['cells']} runs and evaluations",
    }
    return [
        "## How it was made",
        f"```bash\n{study['command'].replace('`', chr(39))}\n```",
        words or _settings(study["settings"]),
        *study["notes"],
        "\n".join(f"- {name}: {value}" for name, value in facts.items()),
    ]


def _settings(s: dict[str, Any]) -> str:
    """One sentence on what every run did."""
    return (
        f"Every run starts from `{plain(s['model'])}` and takes {s['steps']:,} steps of {s['prompts']} prompts, each "
        f"answered {s['group']} times ({s['rollouts']:,} rollouts), at a peak learning rate of {s['lr']:g}; "
        f"{counted(s['seeds'], 'seed')}, the same for all, and questions of difficulty {s['difficulty']}, unless said "
        f"otherwise. Prompts are drawn from {s['train']:,} samples. Measured on held-out questions, greedily and by "
        f"{counted(s['sampled'], 'sampled answer')} each."
    )


def left_out_words(questions: int) -> str:
    """What to say of questions that an error kept from some cell; nothing if there are none."""
    return f" {counted(questions, 'question')} left out because some cell has no score for them." if questions else ""


def join(parts: Sequence[str]) -> str:
    """Paragraphs, tables and headings as one file."""
    return "\n\n".join(part for part in parts if part) + "\n"
