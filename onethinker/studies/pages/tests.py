"""Paired tests on the page of an estimator study: arm against arm, and kinds of arms by what they divide by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from onethinker.report.tables import NOTHING, Cell, Table, to_html
from onethinker.studies.pages.arms import OURS, name_of
from onethinker.studies.pages.figures import heat
from onethinker.studies.pages.page import FACTOR, MEASURES, SURE, counted, figure, fold, interval, p_value, write

DIVISORS = {"group": "Each group's σ", "task": "A task's σ", "batch": "One number for all"}
COLUMNS = ("Measured by", "Difference", "p", "p, Holm")


def pairs_of(condition: Mapping[str, Any], measured: str, arm: str) -> list[dict[str, Any]]:
    """The tests of an arm, as itself minus each other one."""
    return [_towards(t, arm) for t in condition["tests"][measured] if arm in (t["a"], t["b"])]


def _towards(test: Mapping[str, Any], arm: str) -> dict[str, Any]:
    """A pair's test as `arm` minus the other one."""
    forward = test["b"] == arm
    d = test["difference"]
    signed = {k: d[k] for k in ("value", "low", "high")} if forward else {
        "value": -d["value"], "low": _minus(d["high"]), "high": _minus(d["low"])}  # fmt: skip
    seeds = len(d["seeds"])
    ties = sum(v == 0 for v in d["seeds"])
    won = test["won"] if forward else seeds - ties - test["won"]
    return {"other": test["a"] if forward else test["b"], "p": test["p"], "holm": test["holm"], "won": won,
            "visible": test["visible"], "seeds": seeds, **signed}  # fmt: skip


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def short(condition: Mapping[str, Any], measured: str) -> Cell:
    """What is measured; of a reward the profile, where it is not the usual one."""
    if measured == "headline":
        return Cell("greedy, %")
    return Cell("reward", "" if condition["reward"] == "released" else f"{condition['reward']} profile")


def difference(test: Mapping[str, Any] | None, measured: str, detail: str = "") -> Cell:
    """A test's difference with its interval, bold where it is sure after correction."""
    if test is None:
        return Cell(NOTHING)
    reach = interval(test, measured, signed=True)
    return Cell(write(measured, test["value"], True), f"{detail} {reach}".strip(), test["holm"] < SURE)


def visible(pairs: Iterable[Mapping[str, Any]], measured: str) -> str:
    """How far from 0 a pair has to lie to be sure at once: `3.0 to 4.9`, or one number where they are shown alike;
    empty where nothing ever moves."""
    least = [pair["visible"] for pair in pairs if pair["visible"]]
    return " to ".join(dict.fromkeys(write(measured, f(least)) for f in (min, max))) if least else ""


def kinds_apart(test: Mapping[str, Any], measured: str) -> str:
    """`each group's σ is 0.7 above a task's σ`."""
    kinds = [DIVISORS[test["of"]].lower(), DIVISORS[test["minus"]].lower()]
    value = test["difference"]["value"]
    better, worse = kinds if value > 0 else kinds[::-1]
    return f"{better} is {write(measured, abs(value))} above {worse}"


def paired_tests(condition: Mapping[str, Any]) -> str:
    """Our arm against each other one, and the map of all pairs."""
    ours = OURS if OURS in condition["arms"] else next(iter(condition["arms"]))
    rows = []
    for measured in MEASURES:
        for t in sorted(pairs_of(condition, measured, ours), key=lambda t: -t["value"]):
            numbers = (difference(t, measured), Cell(p_value(t["p"])), Cell(p_value(t["holm"])))
            won = Cell(f"{t['won']} of {t['seeds']}")
            rows.append((Cell(f"− {name_of(t['other'])}"), short(condition, measured), *numbers, won))
    note = (
        f"Same seeds, same questions. {_what_p_is(len(condition['tests']['headline']))} Seeds won is the plain count."
    )
    table = to_html(Table("", (name_of(ours), *COLUMNS, "Seeds won"), tuple(rows), note, labels=2))
    maps = MEASURES if len(condition["arms"]) > 2 else ()
    return table + "".join(fold(f"Every pair: {MEASURES[m]}", _pair_map(condition, m)) for m in maps)


def _what_p_is(pairs: int) -> str:
    said = "p: two-sided, Student's; Holm: with the degrees of freedom of seeds alone"
    if pairs < 2:
        return f"{said}."
    return (
        f"{said}, corrected for {counted(pairs, 'pair')}. How far seeds differ is pooled over all pairs, as if every "
        "arm had luck of the same size."
    )


def divisor_tests(condition: Mapping[str, Any]) -> str:
    """Kinds of arms by what they divide by; nothing where no kind has two arms."""
    rows = []
    for measured in MEASURES:
        for t in condition["divisors"][measured]:
            d = t["difference"]
            number = Cell(write(measured, d["value"], True), interval(d, measured, True), t["holm"] < SURE)
            name = f"{DIVISORS[t['of']]} ({t['arms'][0]}) − {DIVISORS[t['minus']].lower()} ({t['arms'][1]})"
            ps = (Cell(p_value(t[p])) for p in ("p", "holm", "own"))
            won = Cell(f"{t['won']} of {len(d['seeds'])}")
            rows.append((Cell(name), short(condition, measured), number, *ps, won))
    if not rows:
        return ""
    note = (
        "What centred rewards are divided by, with the number of arms, which differ in nothing else: GRPO and G²RPO; "
        "EMA-GRPO, Task batch std and Task running std; Batch std and Dr.GRPO, whose number is 1. The mean over the "
        "arms of one kind minus that over another's, with the luck of all pairs above. p, own seeds: by the spread of "
        "just this difference, not corrected."
    )
    columns = ("Divided by", *COLUMNS, "p, own seeds", "Seeds won")
    return "<h3>What they divide by</h3>" + to_html(Table("", columns, tuple(rows), note, labels=2))


def _pair_map(condition: Mapping[str, Any], measured: str) -> str:
    titles = {arm: name_of(arm) for arm in condition["arms"]}
    numbers, sure = {}, {}
    for arm in titles:
        for t in pairs_of(condition, measured, arm):
            numbers[arm, t["other"]] = {k: t[k] for k in ("value", "low", "high")}
            sure[arm, t["other"]] = t["holm"] < SURE
    drawn = heat(titles, titles, numbers, FACTOR[measured], label="Differences of all pairs", sure=sure)
    return figure(drawn, "Row minus column; bold where Holm-corrected p < 0.05.", "heat")
