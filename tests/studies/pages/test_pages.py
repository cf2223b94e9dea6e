"""The studies' pages from hand-made data: what they say follows from the numbers, and hostile text stays text."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from onethinker.report.read import ReportError
from onethinker.studies.contrasts import contrast_row, estimate
from onethinker.studies.pages import algorithms as algorithms_page
from onethinker.studies.pages import biased as biased_page
from onethinker.studies.pages import transfer as transfer_page
from onethinker.studies.pages import zeroshot as zeroshot_page
from onethinker.studies.pages.claims import claims_table
from onethinker.studies.pages.figures import forest, heat, lines, panels
from onethinker.studies.pages.index import read_study, study_page, write_study_page
from onethinker.studies.pages.markdown import number, p_value, table, with_interval
from tests.report.conftest import HOSTILE

MEASURES = ("headline", "reward")
RESULTS = Path(__file__).parents[3] / "docs" / "results"


def head(name: str, contrasts: list[dict], **more: object) -> dict:
    settings = {
        "model": HOSTILE, "seeds": 3, "steps": 10, "prompts": 13, "group": 6, "rollouts": 780, "sampler": "x",
        "reward": "released", "lr": 2e-4, "sampled": 2, "train": 650, "difficulty": 1,
    }  # fmt: skip
    return {
        "study": name, "command": f"onethinker bench {name} --out {HOSTILE}", "commits": ["abc"], "machines": [HOSTILE],
        "notes": ["by hand"], "at": "2026-01-01T00:00:00Z", "hours": 1.5, "cells": 11, "settings": settings,
        "contrasts": contrasts, **more,
    }  # fmt: skip


def algorithms() -> dict:
    means = {"sft": [0.3], "grpo": [0.40, 0.41, 0.42], "ema_grpo": [0.45, 0.46, 0.48], HOSTILE: [0.44, 0.40]}
    scores = {m: {arm: {"QA": seeds, "Mean": seeds} for arm, seeds in means.items()} for m in MEASURES}
    cost = {
        arm: {"seconds": [10.0] * len(seeds), "trained_groups": [30] * len(seeds), "asked_groups": [40] * len(seeds)}
        for arm, seeds in means.items() if arm != "sft"
    }  # fmt: skip
    base = {"title": "as it is", "questions": 130, "left_out": 2, "reward": "paper", "scores": scores, "cost": cost}
    contrasts = [
        contrast_row("ema_grpo", "grpo", "base", "headline", [0.05, 0.051, 0.052]),
        contrast_row("ema_grpo", HOSTILE, "base", "headline", [0.01, 0.06]),
    ]
    return head("algorithms", contrasts, groups={"QA": ["ocr"], "Spatial": ["x"]}, conditions={"base": base})


def transfer() -> dict:
    tasks = ["ocr", "math", "caption"]
    row = {"ocr": [0.1, 0.2], "math": [0.5, 0.4], "caption": [0.3, 0.3], "mean": [0.3, 0.3]}
    arms = {"all": row, **{f"{kind}/{task}": row for kind in ("only", "without") for task in tasks}}
    start = {task: values[:1] for task, values in row.items()}
    contrasts = [
        contrast_row(a, "third tasks", b, m, [0.1, 0.12]) for m in MEASURES for a in tasks for b in tasks
    ]  # fmt: skip
    scores = {measure: {"sft": start, **arms} for measure in MEASURES}
    return head("transfer", contrasts, tasks=tasks, questions=26, left_out=2, scores=scores)


def zeroshot() -> dict:
    kinds = ("gui", HOSTILE, "mean")
    stages = {
        stage: {kind: [0.5, 0.6][:n] for kind in kinds} for stage, n in (("before", 1), ("sft", 1), ("rl", 2))
    }  # fmt: skip
    return head(
        "zeroshot", [contrast_row("rl", "sft", kind, "headline", [0.0, 0.0]) for kind in kinds], questions=140,
        kinds={"gui": "spatial_grounding", HOSTILE: "numerical"}, control=HOSTILE, left_out=2, guessed={"gui": 1 / 3},
        blind={"gui": 0.2, HOSTILE: 0.25}, scores=dict.fromkeys(MEASURES, stages),
        trained_on=[{"data": "SFT", "n": None, "found": None}, {"data": "RL", "n": 650, "found": 0}],
    )  # fmt: skip


MADE = {"algorithms": (algorithms, algorithms_page), "transfer": (transfer, transfer_page),
        "zeroshot": (zeroshot, zeroshot_page)}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_a_page_is_whole_and_hostile_text_stays_text(name: str) -> None:
    make, module = MADE[name]
    page = module.page(make())
    assert page == module.page(json.loads(json.dumps(make())))
    said = page["README.md"]
    outside_code = "".join(said.split("```")[::2])
    assert "<script" not in outside_code and "<img" not in outside_code and "nan" not in said
    assert "2 questions left out because some cell has no score for them." in said
    assert f"onethinker bench {name} --out" in said and "`abc`" in said and "by hand" in said
    pictures = {file: text for file, text in page.items() if file.endswith(".svg")}
    assert all(f"]({file})" in said for file in pictures) and len(pictures) + 1 == len(page)
    for drawing in pictures.values():
        ET.fromstring(drawing)
        assert "<script" not in drawing


def test_the_biased_page_names_the_model_and_an_estimator_of_ones_own() -> None:
    kept = read_study(RESULTS / "biased" / "study.json")
    assert "`mini-sft` answers" in biased_page.page(kept)["README.md"]
    words = json.dumps(kept | {"settings": kept["settings"] | {"model": "mini-rl"}, "own": []})
    drawn = biased_page.page(json.loads(words.replace('"ema_grpo', '"mine')))
    assert "| mine − GRPO |" in drawn["README.md"] and "mine minus each other" in drawn["held-out.svg"]
    made = drawn["README.md"].partition("## How it was made")[0]
    assert "`mini-rl` answers" in made and "mini-rl, before" in made and "mini-sft" not in made
    alone = {
        cell: row
        for cell, row in kept["rows"].items()
        if not cell.startswith(("grpo/", "dr_", "batch", "task", "mt", "g2"))
    }
    assert set(biased_page.page(kept | {"rows": alone, "contrasts": [], "own": []})) == {"README.md", "curves.svg"}


def test_curves_of_one_picture_are_told_apart_by_colour_and_by_dashes() -> None:
    names = ["GRPO", "Dr.GRPO", "MT-GRPO", "Batch std", "Task batch std", "G²RPO", "REINFORCE++", "RLOO"]
    curves = {name: [(0.0, 1.0 + i), (10.0, 50.0 + i)] for i, name in enumerate([*names, "EMA-GRPO"])}
    drawn = ET.fromstring(lines("T", curves, "EMA-GRPO", "step"))
    strokes = {}
    for group in drawn.iter("{http://www.w3.org/2000/svg}g"):
        curve, lead = group.findall("{http://www.w3.org/2000/svg}polyline")
        strokes[group.find("{http://www.w3.org/2000/svg}title").text] = curve.get("style")
        assert lead.get("points").split()[0] == curve.get("points").split()[-1]
        assert lead.get("style") == curve.get("style")
    assert strokes.keys() == curves.keys() and len(set(strokes.values())) == len(curves)


def test_a_page_says_how_many_contrasts_are_sure() -> None:
    """p of the first is 0.0001, doubled by Holm; two seeds of the second tell nothing."""
    said = algorithms_page.page(algorithms())["README.md"]
    assert "**1 of 2 contrasts is sure** (Holm-corrected p < 0.05); the intervals of 1 leave out 0" in said
    (sure,) = (line for line in said.splitlines() if line.startswith("| EMA-GRPO − GRPO |"))
    assert "| **+5.1 [+4.9, +5.3]** | < 0.001 | < 0.001 | 3 of 3 |" in sure
    assert said.index("| EMA-GRPO − GRPO |") == said.index("| EMA-GRPO − "), "the least p comes first"
    assert "**0 of 3 contrasts are sure**" in zeroshot_page.page(zeroshot())["README.md"]


def test_an_arms_own_seeds_are_counted_and_its_gain_is_over_the_start() -> None:
    said = algorithms_page.page(algorithms())["README.md"]
    (row,) = (
        line
        for line in said.split("**Greedy answers")[1].split("**Sampled")[0].splitlines()
        if line.startswith("| GRPO |")
    )
    assert "| 41.0 [38.5, 43.5] | +11.0 [+8.5, +13.5] | 3 | 10 s | 75% |" in row
    assert "Rewards are of the `paper` profile" in said


def test_a_claim_holds_or_is_contradicted_only_where_its_contrast_is_sure() -> None:
    def effect(b: str, *seeds: float) -> dict:
        return contrast_row("ema_grpo", b, "base", "headline", seeds)

    rows = [effect("grpo", 0.05, 0.051, 0.052), effect("dr_grpo", -0.05, -0.051, -0.052),
            effect("batch_std", 0.05, -0.04, 0.01)]  # fmt: skip
    said = claims_table({"algorithms": {"contrasts": rows}}).splitlines()[2:]
    assert [line.split(" | ")[-1].strip(" |") for line in said] == ["holds", "is contradicted", "does not show"]
    assert "+5.1 [+4.9, +5.3]" in said[0]
    assert "[algorithms](algorithms/README.md)" in said[0]


def test_numbers_are_written_with_a_minus_and_an_interval_where_there_is_one() -> None:
    assert number("headline", -0.0123, True) == "−1.2" and number("reward", 0.5) == "0.500"
    assert number("accuracy", 0.5) == "50.0"
    assert with_interval("reward", estimate([0.1, 0.2, 0.3]), True) == "+0.200 [−0.048, +0.448]"
    assert with_interval("headline", estimate([0.1]), True) == "+10.0"
    assert (p_value(None), p_value(0.0004), p_value(0.0312)) == ("–", "< 0.001", "0.031")
    assert table(("a", "b"), [("x|y", "1")]) == "| a | b |\n|:--|--:|\n| x\\|y | 1 |"


def test_a_map_is_bold_where_the_interval_leaves_out_zero() -> None:
    cells = {("A", "A"): estimate([0.2, 0.21, 0.2]), ("A", "B"): estimate([-0.1, 0.05, -0.2])}
    drawn = ET.fromstring(heat("map", ["A"], ["A", "B"], cells, "headline"))
    written = {e.text: e.get("class") for e in drawn.iter() if e.tag.endswith("text")}
    assert written["+20.3"] == "small bold" and written["−8.3"] == "small"
    assert [sum(e.get("class") == kind for e in drawn.iter()) for kind in ("own", "gain", "loss")] == [1, 1, 1]


def test_a_row_shows_every_seed_on_one_axis() -> None:
    rows = {"up": estimate([0.1, 0.3]), "down": estimate([-0.2])}
    drawn = ET.fromstring(forest("title", rows, "reward", "unit", ours="up"))
    seeds = [float(e.get("cx")) for e in drawn.iter() if e.tag.endswith("circle")]
    zero = next(float(e.get("x1")) for e in drawn.iter() if e.get("class") == "zero")
    assert seeds[2] < zero < seeds[0] < seeds[1]
    assert seeds[1] - zero == pytest.approx(3 * (seeds[0] - zero), abs=0.1)
    assert sum(e.get("class") == "reach" for e in drawn.iter()) == 1, "one seed has no interval"


def test_a_flat_curve_is_drawn() -> None:
    ET.fromstring(panels({"flat": [(1, 0.5), (2, 0.5)], "one": [(1, 0.1)]}))


def test_what_is_no_study_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "study.json"
    data.write_text('{"study": "art"}')
    with pytest.raises(ReportError, match="not a study"):
        study_page(data)
    data.write_text(json.dumps(zeroshot()))
    assert write_study_page(data).read_text() == study_page(data)["README.md"]
    (tmp_path / "notes.md").write_text("Once upon\na time.\n\n\nThe end.\n")
    assert read_study(data)["notes"] == ["Once upon\na time.", "The end."]
    assert "Once upon\na time." in study_page(data)["README.md"]
