"""The study of tools: its fixed contrasts, what it counts of an evaluation, its page, and a whole small one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onethinker.studies import tools
from onethinker.studies.bench import Sizes
from onethinker.studies.pages.index import study_page
from onethinker.studies.pages.tools import _cell, page
from onethinker.studies.tools import answered, bench_tools, contrasts_of


def stage(zoom: float, plain: float, called: float = 0.0) -> dict:
    accuracy = {"zoom": zoom, "look": zoom / 2, "search": 0.0, "plain": plain}
    calls = {kind: {"zoom": called, "look": 0.0, "search": 0.0} for kind in accuracy}
    same = dict.fromkeys(accuracy, 60)
    return {"n": same, "accuracy": accuracy, "calls": calls, "pictures": dict.fromkeys(accuracy, called)}


def row(before: float, after: float, plain: float) -> dict:
    visual = dict.fromkeys(("zoom", "look", "search", "plain"), 16.0)
    return {"sft": stage(before, plain), "rl": stage(after, plain, 1.0), "visual": visual}


ARMS = {"tools": [row(0.4, 0.8, 0.9), row(0.6, 0.8, 0.7)], "none": [row(0.1, 0.2, 0.9), row(0.0, 0.1, 0.8)]}


def test_the_contrasts_are_those_of_a_hand() -> None:
    found = [(c["a"], c["b"], c["target"], c["seeds"]) for c in contrasts_of(ARMS)]
    assert found == [
        ("tools", "none", "zoom", [0.6, 0.7]),
        ("tools", "none", "look", [0.3, 0.35]),
        ("tools", "none", "search", [0.0, 0.0]),
        ("tools", "none", "plain", [0.0, -0.1]),
        ("tools, after RL", "tools, after SFT", "mean of the kinds", [0.2, 0.1]),
        ("none, after RL", "none, after SFT", "mean of the kinds", [0.05, 0.05]),
    ]


def test_its_page_says_what_was_counted() -> None:
    settings = {"model": "m", "seeds": 2, "train": 5, "steps": 3, "prompts": 2, "group": 2, "rollouts": 12, "lr": 1e-3}
    study = {
        "rows": {f"{arm}/seed-{seed}": r for arm, rows in ARMS.items() for seed, r in enumerate(rows)},
        "contrasts": contrasts_of(ARMS), "sft_steps": 9, "command": "c", "commits": [], "machines": [], "at": "",
        "hours": 1, "cells": 4, "notes": [], "settings": settings,
    }  # fmt: skip
    written = page(study)["README.md"]
    assert "| with tools − without | words and shapes too small (zoom) | Greedy answers | +65.0 [" in written
    assert "| words and shapes too small (zoom) | 0.0 | 0.0 | 0.0 | 100.0 | 0.0 | 0.0 |" in written  # calls
    assert "| the plain world | 16.0 | 16.0 | 16.0 |" in written  # visual tokens


def test_one_seed_has_the_interval_of_its_questions() -> None:
    assert _cell("zoom", 60, [0.4]) == "40.0 [28.6, 52.6]"  # Wilson's of 24 of 60
    assert _cell("plain", 60, [0.4]) == "40.0" and _cell("zoom", 60, [0.4, 0.6]).startswith("50.0 [")


def test_calls_and_accuracy_by_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def of(id: str, accuracy: float, *turns: dict) -> dict:
        told = {"turns": list(turns)} if turns else {}
        return {"id": id, "decoding": "greedy", "status": "ok", "accuracy": accuracy, **told}

    zoom, look = ({"tool": t, "response": r} for t, r in (("zoom", "[picture 1]"), ("look", "[picture 1][picture 2]")))
    rows = [of("a", 1.0, zoom, look), of("b", 0.0), of("c", 1.0), of("d", 0.5), of("e", 0.0)]
    rows.append(of("a", 0.0) | {"decoding": "sampled"})
    monkeypatch.setattr(tools, "current", lambda _: dict(enumerate(rows)))
    kinds = {
        "a": ("zoom", "ocr"),
        "b": ("zoom", "ocr"),
        "c": ("plain", "ocr"),
        "d": ("plain", "ocr"),
        "e": ("plain", "math"),
    }
    found = answered(tmp_path, kinds)
    assert found["n"] == {"zoom": 2, "plain": 3}
    assert found["accuracy"] == {"zoom": 0.5, "plain": 0.375}  # tasks count alike
    assert found["calls"]["zoom"] == {"zoom": 0.5, "look": 0.5, "search": 0.0} and found["pictures"]["zoom"] == 1.5


@pytest.mark.slow
def test_a_whole_one(tmp_path: Path, small: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "QUICK_SIZES", (Sizes(6, 3), Sizes(4, 4)))
    settings = [a for a in small if not a.startswith("rl.prompts") and not a.startswith("rl.minibatch")]
    made = bench_tools(
        tmp_path / "a", "mini:1", seeds=1, quick=True, assignments=[*settings, "sft.steps=2"], command="c"
    )
    data = made.with_name("study.json")
    assert {name: made.with_name(name).read_text() for name in study_page(data)} == study_page(data)
    rows = json.loads(data.read_text())["rows"]
    assert list(rows) == ["tools/seed-0", "none/seed-0"]
    assert rows["tools/seed-0"]["visual"] == {"zoom": 16, "look": 48, "search": 16, "plain": pytest.approx(20, abs=8)}
    assert rows["none/seed-0"]["visual"]["zoom"] == 36 and rows["none/seed-0"]["visual"]["look"] == 128
    assert bench_tools(
        tmp_path / "b", "mini:1", seeds=1, quick=True, assignments=[*settings, "sft.steps=2"], known=data
    )
