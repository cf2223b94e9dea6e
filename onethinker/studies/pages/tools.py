"""The page of `onethinker bench tools`: what tools are worth, kind by kind, and how often they are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from scipy import stats

from onethinker.studies.contrasts import Contrast, Estimate, read_contrasts
from onethinker.studies.pages import markdown as md
from onethinker.studies.pages.figures import forest
from onethinker.studies.pages.markdown import Page, Study

KINDS, PLAIN = ("zoom", "look", "search"), "plain"
ARMS = {"tools": "with tools", "none": "without"}
PICTURE_TOKENS = 16
"""Of a picture that a tool gives back: 64² pixels, 16² of which are a token."""
TITLES = {
    "zoom": "words and shapes too small (zoom)",
    "look": "events between the frames (look)",
    "search": "invented facts (search)",
    "plain": "the plain world",
}
Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Arm → the rows of its cells, a seed each."""


def page(study: Study) -> Page:
    """The whole page."""
    arms: Rows = {arm: [row for cell, row in study["rows"].items() if cell.startswith(f"{arm}/")] for arm in ARMS}
    contrasts = read_contrasts(study)

    def name(contrast: Contrast) -> tuple[str, str]:
        return f"{_said(contrast.a)} − {_said(contrast.b)}", TITLES.get(contrast.target, contrast.target)

    told = {TITLES.get(c.target, f"RL − SFT, {ARMS[c.a.partition(', ')[0]]}"): c.estimate for c in contrasts}
    parts = [
        "# Thinking with tools",
        f"`{md.plain(study['settings']['model'])}` goes on with SFT and then RL on questions that need a closer look, "
        "another look or a look-up, and on plain ones. One arm has the tools; the other has none and sees as much from "
        f"the start. {md.counted(study['settings']['seeds'], 'seed')}.",
        *md.contrast_section(contrasts, name),
        "![differences](differences.svg)",
        "## Greedy answers",
        _accuracy(arms),
        "Accuracy in percent with 95% intervals that are not corrected, of the mean over seeds or, where there is one "
        "seed, of what other questions would have given (Wilson); on the plain world the mean over its tasks.",
        "## How often a tool is called",
        _calls(arms["tools"]),
        "Share of greedy answers that call the tool at least once, in percent, mean over seeds.",
        "## What is seen",
        _seen(arms),
        "Visual tokens of a prompt and, mean over greedy answers after RL, of the pictures that tools gave back. The "
        "pictures of one `zoom` are one, of the `look` that the teacher asks for five.",
        *md.provenance(study, _settings(study)),
    ]
    picture = forest("With tools minus without, points; RL minus SFT in the mean of the kinds", told, "headline",
                     "a dot is a seed, the bar the 95% interval of their mean")  # fmt: skip
    return {"README.md": md.join(parts), "differences.svg": picture}


def kinds_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The kinds of questions that a study asked, the plain world last."""
    return [kind for kind in (*KINDS, PLAIN) if rows and kind in rows[0]["rl"]["accuracy"]]


def _said(name: str) -> str:
    arm, comma, stage = name.partition(", ")
    return f"{ARMS[arm]}{comma}{stage}"


def _accuracy(arms: Rows) -> str:
    n = arms["tools"][0]["rl"]["n"]
    table = [
        (TITLES[kind], str(n[kind]), *(_cell(kind, n[kind], [row[stage]["accuracy"][kind] for row in arms[arm]])
                                       for arm in ARMS for stage in ("sft", "rl")))
        for kind in kinds_of(arms["tools"])
    ]  # fmt: skip
    columns = [f"{title}, after {stage}" for title in ARMS.values() for stage in ("SFT", "RL")]
    return md.table(("Questions", "n", *columns), table)


def _cell(kind: str, n: int, seeds: Sequence[float]) -> str:
    """An accuracy with the interval that its seeds give or, of a single seed, the one that its n questions give
    (Wilson); the plain world's is a mean over tasks, and has none then."""
    if len(seeds) > 1 or kind == PLAIN:
        return md.of_seeds("headline", seeds)
    found = stats.binomtest(round(seeds[0] * n), n).proportion_ci(method="wilson")
    return md.with_interval("headline", Estimate(tuple(seeds), seeds[0], float(found.low), float(found.high)))


def _calls(rows: Sequence[Mapping[str, Any]]) -> str:
    def share(stage: str, kind: str, tool: str) -> str:
        return md.number("headline", fmean(row[stage]["calls"][kind][tool] for row in rows))

    table = [
        (TITLES[kind], *(share(stage, kind, tool) for stage in ("sft", "rl") for tool in KINDS))
        for kind in kinds_of(rows)
    ]
    columns = [f"{tool}, after {stage}" for stage in ("SFT", "RL") for tool in KINDS]
    return md.table(("Questions", *columns), table)


def _seen(arms: Rows) -> str:
    def mean(arm: str, kind: str, pictures: bool) -> float:
        rows = arms[arm]
        if pictures:
            return PICTURE_TOKENS * fmean(row["rl"]["pictures"][kind] for row in rows)
        return fmean(row["visual"][kind] for row in rows)

    table = [
        (TITLES[kind], *(f"{mean(arm, kind, pictures):.1f}" for arm, pictures in
                         (("tools", False), ("tools", True), ("none", False))))
        for kind in kinds_of(arms["tools"])
    ]  # fmt: skip
    return md.table(("Questions", "with tools: prompt", "with tools: responses", "without: prompt"), table)


def _settings(study: Study) -> str:
    s = study["settings"]
    return (
        "Both arms start from the model with the words of a call as tokens of its tokenizer. Every run takes "
        f"{study['sft_steps']:,} steps of SFT on {s['train']:,} worked answers, without tools of the teacher's last "
        f"turn alone, and {s['steps']:,} steps of RL of {s['prompts']} prompts, each answered "
        f"{s['group']} times ({s['rollouts']:,} rollouts), at a peak rate of {s['lr']:g}; difficulty 0."
    )
