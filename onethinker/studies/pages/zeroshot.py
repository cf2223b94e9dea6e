"""The page of `onethinker bench zeroshot`: question types that no training data has, before SFT, after it, after RL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onethinker.report.figures import Series, bars, legend
from onethinker.report.tables import NOTHING, Cell, Table, to_html
from onethinker.studies.pages.page import (
    MEASURES,
    SURE,
    Study,
    escape,
    figure,
    interval,
    left_out_words,
    p_value,
    section,
    whole,
    write,
)

STAGES = {"before": ("Before SFT", "stage-before"), "sft": ("After SFT", "stage-sft"), "rl": ("After RL", "stage-rl")}
MEAN = "mean"
TITLES = {
    "point_tracking": "Point tracking",
    "quality": "Image quality",
    "anomaly": "Anomaly",
    "rotated_box": "Rotated box",
    "tilt": "Tilt",
    "gui": "GUI page",
    "unseen_count": "Counting unseen combinations",
    "seen_count": "Control: counting seen combinations",
    "mean": "Mean over kinds",
}


def page(study: Study) -> str:
    """The whole page."""
    rl = study["gains"]["headline"]["rl"]["mean"]["difference"]["value"]
    tiles = [
        (str(len(_new(study))), "kinds of question that no training data has"),
        (f"{study['questions']:,}", "questions"),
        (write("headline", rl, True), "points of RL over SFT, greedy, mean over kinds"),
        (str(study["settings"]["seeds"]), "seeds of RL"),
    ]
    parts = [_results(study), _tests(study), _leaks(study)]
    return whole(study, "Beyond what it was trained on", _found(study), tiles, parts)


def _found(study: Study) -> str:
    said = []
    for measured, what in (("headline", "In greedy answers"), ("reward", "In the reward of sampled answers")):
        (sft_up, sft_down), (rl_up, rl_down) = (_moved(study, measured, step) for step in ("sft", "rl"))
        said.append(
            f"{what} SFT lifts {sft_up} of {len(_new(study))} kinds above the untrained model and lowers "
            f"{sft_down}; RL lifts {rl_up} above SFT and lowers {rl_down}."
        )
    said.append(f"(At p < {SURE:g}, not corrected for the number of kinds.)")
    rl = study["tables"]["headline"]["rl"]
    above = [k for k in _new(study) if rl[k]["low"] is not None and rl[k]["low"] > _without_thought(study, k)]
    names = f": {', '.join(TITLES.get(kind, kind) for kind in above)}" if above else ""
    said.append(f"After RL {len(above)} of them are above what guessing and one fixed answer get{names}.")
    return " ".join(said) + left_out_words(study["left_out"])


def _without_thought(study: Study, kind: str) -> float:
    """The better of guessing and of one answer for all questions."""
    return max(study["blind"][kind], study["guessed"].get(kind, 0.0))


def _new(study: Study) -> list[str]:
    """The kinds that no training data has."""
    return [kind for kind in study["kinds"] if kind != study["control"]]


def _moved(study: Study, measured: str, step: str) -> tuple[int, int]:
    """How many new kinds went up and how many down."""
    gains = study["gains"][measured][step]
    sure = [gains[kind]["difference"]["value"] for kind in _new(study) if gains[kind]["p"] < SURE]
    return sum(v > 0 for v in sure), sum(v < 0 for v in sure)


def _results(study: Study) -> str:
    parts = []
    for measured, title in MEASURES.items():
        table: Mapping[str, Any] = study["tables"][measured]
        if measured == "headline":
            series = [
                Series(label, class_, {TITLES.get(k, k): number for k, number in table[stage].items()})
                for stage, (label, class_) in STAGES.items()
                if stage != "before"
            ]
            names = [TITLES.get(kind, kind) for kind in table["sft"]]
            words = (
                "Whiskers: 95% intervals over questions, after RL over seeds and questions; at the right what RL "
                "added. The untrained model is left out: it answers nothing in the form that is asked for."
            )
            parts.append(figure(legend(series) + bars(names, series), words))
        parts += [f"<h3>{escape(title)}</h3>", _table(study, measured)]
    lead = (
        "Each kind of question in the form of one of the trained tasks, with its metric; pictures of difficulty 0, as "
        "in SFT. The mean is over the new kinds; the control is no new one."
    )
    return section("Results", lead, *parts)


def _table(study: Study, measured: str) -> str:
    table, rows = study["tables"][measured], []
    for kind in table["sft"]:
        numbers = [table[stage][kind] for stage in STAGES]
        best = max(n["value"] for n in numbers)
        cells = [Cell(write(measured, n["value"]), interval(n, measured), n["value"] == best) for n in numbers]
        if measured == "headline":
            cells = [Cell(write(measured, study[known].get(kind))) for known in ("blind", "guessed")] + cells
        rows.append((Cell(TITLES.get(kind, kind)), Cell(study["kinds"].get(kind, "").replace("_", " ")), *cells))
    guess = ("Best fixed answer", "Guessing") if measured == "headline" else ()
    columns = ("Kind", "Asked and measured as", *guess, *(label for label, _ in STAGES.values()))
    note = "95% intervals."
    if measured == "headline":
        note += (
            " Best fixed answer: the best of the kind's truths, given to all its questions; who never looks gets that. "
            "Guessing: who sees the things or buttons and picks any."
        )
    if measured == "reward" and study["settings"]["reward"] == "released":
        note += " The released reward gives a well-formed wrong answer up to 0.6, so form is in these numbers too."
    return to_html(Table("", columns, tuple(rows), note, labels=2, totals=1))


def _tests(study: Study) -> str:
    rows = []
    for measured, title in MEASURES.items():
        for kind, gain in study["gains"][measured]["rl"].items():
            d, p = gain["difference"], gain["p"]
            words = Cell(write(measured, d["value"], True), interval(d, measured, True), p < SURE)
            won = Cell(f"{gain['won']} of {len(d['seeds'])}")
            rows.append((Cell(TITLES.get(kind, kind)), Cell(title), words, Cell(p_value(p)), won))
    note = "Same questions, RL − SFT; p is not corrected for the number of kinds."
    table = Table("", ("Kind", "Measured by", "RL − SFT", "p", "Seeds above SFT"), tuple(rows), note, labels=2)
    return section("What RL added", "Paired differences with intervals over seeds and questions.", to_html(table))


def _leaks(study: Study) -> str:
    rows = tuple(
        (Cell(f"{row['data']} data"), Cell(_count(row["n"])), Cell(_count(row["found"]))) for row in study["trained_on"]
    )
    lead = (
        "Everything that was trained on, searched for the words of the new questions; of a shipped model, the record "
        "of that search which comes with it. – where the data are not at hand."
    )
    return section(
        "Was it really not trained on?", lead, to_html(Table("", ("", "Samples", "With such a phrase"), rows))
    )


def _count(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"
