"""The studies' pages from hand-made data: what they claim follows from the numbers, and hostile text stays text."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from onethinker.report.read import ReportError
from onethinker.studies.pages import algorithms as study_algorithms
from onethinker.studies.pages import transfer as study_transfer
from onethinker.studies.pages import zeroshot as study_zeroshot
from onethinker.studies.pages.figures import Arm, Spot, against, apart, dots, heat
from onethinker.studies.pages.index import read_study, study_page, write_study_page
from onethinker.studies.pages.page import ONCE, escape
from onethinker.studies.pages.tests import pairs_of
from tests.report.conftest import HOSTILE

GROUPS = {"QA": ["ocr"], "Spatial": ["spatial_grounding"]}


def number(value, low=None, high=None, seeds=None):
    return {"value": value, "low": low, "high": high, "seeds": seeds or [value] * 5}


def paired(value, p, low=-1.0, high=1.0, won=5):
    return {"difference": number(value, low, high), "p": p, "won": won}


def head(name, **more):
    settings = {
        "model": HOSTILE, "seeds": 5, "steps": 10, "prompts": 13, "group": 6, "rollouts": 780, "sampler": "x",
        "reward": "released", "lr": 2e-4, "questions": 130, "sampled": 2, "train": 650, "difficulty": 1,
    }  # fmt: skip
    return {
        "study": name, "command": f"onethinker bench {name} --out {HOSTILE}", "commits": ["abc"], "machines": [HOSTILE],
        "notes": [f"by hand {HOSTILE}"], "at": "2026-01-01T00:00:00Z",
        "hours": 1.5, "cells": 11, "settings": settings, **more,
    }  # fmt: skip


def arm():
    curve = [0.1, None, 0.3]
    return {
        "curves": {"QA": curve, "Spatial": curve, "Mean": curve},
        "gradient": {"ocr": [0.4, 0.5, 0.6], "spatial_grounding": [0.6, 0.5, 0.4]},
        "tokens": {"ocr": [0.5] * 3, "spatial_grounding": [0.5] * 3}, "between": curve, "within": [None] * 3,
        "seconds": [10.0] * 5, "updates": [3] * 5, "trained_groups": [30] * 5, "asked_groups": [39] * 5,
    }  # fmt: skip


def condition(title="as the recipe has it"):
    means = {"sft": 0.30, "grpo": 0.40, "ema_grpo": 0.45, "dr_grpo": 0.50, HOSTILE: 0.44}
    table = {a: {c: number(v, v - 0.01, v + 0.01) for c in ("QA", "Spatial", "Mean")} for a, v in means.items()}
    tests = [
        {"a": "grpo", "b": "ema_grpo", "holm": 0.01, "visible": 0.04, **paired(0.05, 0.002, 0.03, 0.07)},
        {"a": "ema_grpo", "b": "dr_grpo", "holm": 0.02, "visible": 0.045, **paired(0.05, 0.004, 0.02, 0.08)},
        {"a": "ema_grpo", "b": HOSTILE, "holm": 0.8, "visible": 0.06, **paired(-0.01, 0.4, won=2)},
    ]
    kinds = {"of": "group", "minus": "task", "arms": [2, 3], "holm": 0.02, "own": 0.033}
    divisors = [kinds | paired(0.01, 0.007, 0.002, 0.018)]
    arms = [a for a in means if a != "sft"]
    by_task = {a: {"ocr": v, "spatial_grounding": v + 0.01} for a, v in means.items()}
    return {
        "uneven": {HOSTILE: 2}, "by_task": {"headline": by_task, "reward": by_task},
        "title": title, "questions": 130, "left_out": 2, "reward": "released", "steps": [3, 6, 10],
        "tables": {"headline": table, "reward": dict(table)}, "tests": {"headline": tests, "reward": tests},
        "divisors": {"headline": divisors, "reward": []},
        "gains": {m: {a: paired(0.15, 0.0001, 0.1, 0.2) for a in arms} for m in ("headline", "reward")},
        "arms": {a: arm() for a in arms},
    }  # fmt: skip


def algorithms():
    return head("algorithms", groups=GROUPS, conditions={"base": condition(), "hard": condition("harder ones")})


def transfer():
    tasks = ["ocr", "math"]
    targets = {"ocr": number(0.1, 0.05, 0.2), "math": number(-0.2, -0.3, -0.1), "mean": number(0.0, -0.1, 0.1)}
    maps = {"left_out": 2, "start": targets, "all": targets, "leave_one_out": dict.fromkeys(tasks, targets),
            "add_one_in": dict.fromkeys(tasks, targets), "specific": specific(),
            "modality": {"image": {"image": number(0.1), "video": number(None)}}}  # fmt: skip
    return head("transfer", tasks=tasks, questions=26, maps={"headline": maps, "reward": maps})


def specific():
    """Three tasks; of six pairs one is sure by itself upwards, one downwards and after correction."""
    near = number(0.1, 0.01, 0.2) | {"holm": 0.2, "visible": 0.17}
    far = number(-0.2, -0.3, -0.1) | {"holm": 0.01, "visible": 0.19}
    even = number(0.0, -0.1, 0.1) | {"holm": 1.0, "visible": 0.0}
    return {"ocr": {"math": near, HOSTILE: even, "mean": number(0.3, 0.2, 0.4)}, "math": {"ocr": even, HOSTILE: even},
            HOSTILE: {"ocr": even, "math": far}}  # fmt: skip


def zeroshot():
    row = {"gui": number(0.5, 0.4, 0.6), HOSTILE: number(0.1), "mean": number(0.3)}
    gains = {"gui": paired(0.1, 0.01, 0.05, 0.15), HOSTILE: paired(-0.1, 0.5), "mean": paired(0.0, 1.0)}
    stages = {"before": row, "sft": row, "rl": row}
    return head(
        "zeroshot", questions=140, kinds={"gui": "spatial_grounding", HOSTILE: "numerical"}, control=HOSTILE,
        left_out=2, guessed={"gui": 1 / 3}, blind={"gui": 0.2, HOSTILE: 0.25},
        tables={"headline": stages, "reward": stages}, gains={m: {"sft": gains, "rl": gains} for m in stages_of()},
        trained_on=[{"data": "SFT", "n": None, "found": None}, {"data": "RL", "n": 650, "found": 0}],
    )  # fmt: skip


def stages_of():
    return ("headline", "reward")


MADE = {"algorithms": (algorithms, study_algorithms), "transfer": (transfer, study_transfer),
        "zeroshot": (zeroshot, study_zeroshot)}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_a_page_is_whole_and_hostile_text_stays_text(name: str) -> None:
    make, module = MADE[name]
    page = module.page(make())
    assert page == module.page(json.loads(json.dumps(make())))
    assert "<script" not in page and "<img" not in page and "NaN" not in page
    assert "&lt;script&gt;" in page
    assert "2 questions left out because some cell has no score for them." in page
    assert f"onethinker bench {name} --out" in page and "<code>abc</code>" in page
    for drawing in re.findall(r"<svg.*?</svg>", page, re.S):
        ET.fromstring(drawing)


def test_the_verdict_says_what_the_tests_say() -> None:
    said = study_algorithms.verdict(condition())
    assert said.startswith(
        "In greedy answers EMA-GRPO is number 2 of 4 behind Dr.GRPO, better than GRPO, worse than Dr.GRPO, not told"
    )
    assert "where 4.0 to 6.0 would have to lie between two" in said
    assert "moved by +15.0 [+10.0, +20.0] from the start" in said
    assert "from the start. What arms divide by does tell them apart: each group's σ is 1.0 above a task's σ." in said
    assert "moved by +0.150 [+0.100, +0.200] from the start" in said


def test_a_page_says_which_seeds_it_does_not_show() -> None:
    made = condition()
    made["uneven"] = {"g2rpo": 2, "mt_grpo": 9}
    page = study_algorithms.page(head("algorithms", groups=GROUPS, conditions={"base": made}))
    assert "Not shown until they have as many seeds: G²RPO (2 of 5)." in page
    assert "Of more seeds the first 5 are shown: MT-GRPO (9)." in page


def test_what_arms_divide_by_is_compared_where_some_share_it() -> None:
    made = condition()
    page = study_algorithms.page(head("algorithms", groups=GROUPS, conditions={"base": made}))
    table = page.split("<h3>What they divide by</h3>")[1].split("</table>")[0]
    assert table.count("Each group&#x27;s σ (2) − a task&#x27;s σ (3)") == 1
    assert all(number in table for number in ("+1.0", "0.020", "0.033"))
    made["divisors"]["headline"][0]["own"] = 0.2
    assert "What arms divide by" not in study_algorithms.verdict(made)
    made["divisors"] = {"headline": [], "reward": []}
    assert "What they divide by" not in study_algorithms.page(head("algorithms", groups=GROUPS, conditions={"b": made}))


def test_conditions_are_compared_where_our_arm_ran_and_say_whose_reward_it_is() -> None:
    made = algorithms()
    made["conditions"]["hard"]["tests"] = {measured: [] for measured in stages_of()}
    made["conditions"]["sparse"] = condition("another reward") | {"reward": "paper"}
    table = study_algorithms.page(made).split("When does EMA-GRPO win?")[1].split("</table>")[0]
    assert "harder ones" not in table and table.count("another reward") == 2 and "paper profile" in table


def test_a_test_read_from_the_other_side() -> None:
    tests = {t["other"]: t for t in pairs_of(condition(), "headline", "ema_grpo")}
    assert (tests["grpo"]["value"], tests["grpo"]["low"], tests["grpo"]["won"]) == (0.05, 0.03, 5)
    assert (tests["dr_grpo"]["value"], tests["dr_grpo"]["low"], tests["dr_grpo"]["high"]) == (-0.05, -0.08, -0.02)
    assert tests["dr_grpo"]["won"] == 0
    assert tests[HOSTILE]["won"] == 3


def test_a_study_without_our_arm_speaks_of_the_best() -> None:
    made = condition()
    for part in (made["arms"], *made["tables"].values(), *made["gains"].values()):
        part.pop("ema_grpo")
    made["tests"] = {measured: [] for measured in made["tests"]}
    assert "Dr.GRPO is number 1 of 3" in study_algorithms.verdict(made)
    study_algorithms.page(head("algorithms", groups=GROUPS, conditions={"base": made}))


def test_the_transfer_map_counts_pairs_of_different_tasks() -> None:
    said = study_transfer.page(transfer())
    assert "Of 6 pairs of different tasks the sampled reward of one gains more" in said
    assert "in 1 and less in 1, each with" in said and "(Holm) 1 remains: " in said
    assert "→ math; 0.170 to 0.190 would make one sure at once." in said
    assert "which chance gives 0 times either way" in said
    made = transfer()
    for measured in stages_of():
        made["maps"][measured]["specific"] = {}
    assert "cannot be told" in study_transfer.page(made)


def test_zeroshot_counts_the_new_kinds_and_says_what_beats_guessing() -> None:
    page = study_zeroshot.page(zeroshot())
    assert "In greedy answers SFT lifts 1 of 1 kinds above the untrained model and lowers 0" in page
    assert "After RL 1 of them are above what guessing and one fixed answer get: GUI page." in page
    fixed = zeroshot()
    fixed["blind"]["gui"] = 0.45
    assert "After RL 0 of them are above" in study_zeroshot.page(fixed)


def test_a_study_of_one_seed_says_what_its_intervals_do_not_know() -> None:
    once = transfer()
    assert ONCE not in study_transfer.page(once)
    once["settings"]["seeds"] = 1
    assert "which chance gives more than 0 times" in study_transfer.page(once)
    assert escape(ONCE) in study_transfer.page(once)


def test_a_map_is_bold_where_the_interval_leaves_out_zero() -> None:
    cells = {("a", "a"): number(0.2, 0.1, 0.3), ("a", "b"): number(-0.1, -0.3, 0.1)}
    drawn = heat({"a": "A"}, {"a": "A", "b": "B"}, cells, 100, label="map")
    assert re.search(r'class="sure"[^>]*>\+20\.0<', drawn) and re.search(r'class="unsure"[^>]*>-10\.0<', drawn)
    assert drawn.count('class="own"') == 1 and drawn.count('class="gained"') == 1
    assert apart(number(1, 0.5, 2)) and not apart(number(1)) and not apart(number(0, -1, 1))


def test_dots_need_a_number() -> None:
    assert dots([Arm("A", "arm-0", number(None, seeds=[None]), [])], None, 100, "x") == ""
    assert dots([Arm("A", "arm-0", number(0.5), [0.4, 0.6])], number(0.2), 100, "x").count("<circle") == 2


def test_gains_stand_over_their_cause() -> None:
    spots = [Spot("A", "arm-0", 0.2, number(0.1, 0.0, 0.2)), Spot("B", "arm-1", 0.4, number(0.3))]
    drawn = ET.fromstring(against(spots, "imbalance", "gain", 1))
    near, far = (circle.attrib for circle in drawn.iter() if circle.tag.endswith("circle"))
    assert float(near["cx"]) < float(far["cx"]) and float(near["cy"]) > float(far["cy"])
    assert sum("reach" in line.get("class", "") for line in drawn.iter()) == 1
    assert ET.fromstring(against([Spot("A", "arm-0", 0.0, number(0.1))], "x", "y", 1)) is not None


def test_evenness_speaks_of_what_can_be_measured() -> None:
    made = condition()
    for i, arm in enumerate(made["arms"]):
        made["arms"][arm]["between"] = [0.1 * i] * 3
        made["gains"]["reward"][arm]["difference"]["value"] = 0.3 - 0.1 * i
    page = study_algorithms.page(head("algorithms", groups=GROUPS, conditions={"base": made}))
    assert "Gain in sampled reward: r = -1.00 with the imbalance between tasks." in page
    assert "reward: imbalance within tasks</h4>" not in page and "go together" not in page
    for i, arm in enumerate(made["arms"]):
        made["arms"][arm]["within"] = [1 - 0.1 * i] * 3
    page = study_algorithms.page(head("algorithms", groups=GROUPS, conditions={"base": made}))
    assert "r = +1.00 with the imbalance within tasks. The two imbalances go together with r = -1.00" in page


def test_what_is_no_study_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text('{"study": "art"}')
    with pytest.raises(ReportError, match="not a study"):
        study_page(tmp_path / "study.json")
    (tmp_path / "study.json").write_text(json.dumps(zeroshot()))
    page = write_study_page(tmp_path / "study.json").read_text()
    assert page == study_page(tmp_path / "study.json")
    (tmp_path / "notes.md").write_text("Once <b>upon</b>\na time.\n\n\nThe end.\n")
    assert read_study(tmp_path / "study.json")["notes"] == ["Once <b>upon</b> a time.", "The end."]
    assert "Once &lt;b&gt;upon&lt;/b&gt; a time.</p>" in study_page(tmp_path / "study.json") and "upon" not in page
