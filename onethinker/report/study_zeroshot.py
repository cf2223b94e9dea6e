"""The page of `onethinker bench zeroshot`: question types that no training data has, before SFT, after it, after RL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onethinker.report.figures import Series, bars, legend
from onethinker.report.study_page import MEASURES, Study, escape, figure, interval, p_value, section, whole, write
from onethinker.report.tables import NOTHING, Cell, Table, to_html

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
    "mean": "Mean over kinds",
}
SURE = 0.05


def page(study: Study) -> str:
    """The whole page."""
    rl = study["gains"]["headline"]["rl"]["mean"]["difference"]["value"]
    tiles = [
        (str(len(study["kinds"])), "kinds of question that no training data has"),
        (f"{study['questions']:,}", "questions"),
        (write("headline", rl, True), "points of RL over SFT, greedy, mean over kinds"),
        (str(study["settings"]["seeds"]), "seeds of RL"),
    ]
    parts = [_results(study), _tests(study), _leaks(study)]
    return whole(study, "Beyond what it was trained on", _found(study), tiles, parts)


def _found(study: Study) -> str:
    said = []
    for measured, what in (("headline", "In greedy answers"), ("reward", "In the reward of sampled answers")):
        (sft_up, sft_down), (rl_up, rl_down) = (_moved(study["gains"][measured][step]) for step in ("sft", "rl"))
        said.append(
            f"{what} SFT lifts {sft_up} of {len(study['kinds'])} kinds above the untrained model and lowers "
            f"{sft_down}; RL lifts {rl_up} above SFT and lowers {rl_down}."
        )
    return f"{' '.join(said)} (At p < {SURE:g}, not corrected for the number of kinds.)"


def _moved(gains: Mapping[str, Any]) -> tuple[int, int]:
    """How many kinds went up and how many down."""
    sure = [g["difference"]["value"] for kind, g in gains.items() if kind != MEAN and g["p"] < SURE]
    return sum(v > 0 for v in sure), sum(v < 0 for v in sure)


def _results(study: Study) -> str:
    parts = []
    for measured, title in MEASURES.items():
        table: Mapping[str, Any] = study["tables"][measured]
        if measured == "headline":
            series = [
                Series(label, class_, {TITLES.get(k, k): number for k, number in table[stage].items()})
                for stage, (label, class_) in STAGES.items()
            ]
            names = [TITLES.get(kind, kind) for kind in table["sft"]]
            words = (
                "Whiskers: 95% intervals over questions, after RL over seeds and questions; at the right the gain over "
                "the untrained model."
            )
            parts.append(figure(legend(series) + bars(names, series), words))
        parts += [f"<h3>{escape(title)}</h3>", _table(study, measured)]
    return section("Results", "Each kind of question in the form of one of the trained tasks, with its metric.", *parts)


def _table(study: Study, measured: str) -> str:
    table, rows = study["tables"][measured], []
    for kind in table["sft"]:
        numbers = [table[stage][kind] for stage in STAGES]
        best = max(n["value"] for n in numbers)
        cells = [Cell(write(measured, n["value"]), interval(n, measured), n["value"] == best) for n in numbers]
        rows.append((Cell(TITLES.get(kind, kind)), Cell(study["kinds"].get(kind, "").replace("_", " ")), *cells))
    columns = ("Kind", "Asked and measured as", *(label for label, _ in STAGES.values()))
    note = "95% bootstrap intervals."
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
    return section("What RL added", "Paired differences, seeds and questions resampled.", to_html(table))


def _leaks(study: Study) -> str:
    rows = tuple(
        (Cell(f"{row['data']} data"), Cell(_count(row["n"])), Cell(_count(row["found"]))) for row in study["trained_on"]
    )
    lead = (
        "Everything that was trained on, searched for the words of these questions; of a shipped model "
        "they were searched when it was made. – where the data are not at hand."
    )
    return section(
        "Was it really not trained on?", lead, to_html(Table("", ("", "Samples", "With such a phrase"), rows))
    )


def _count(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"
