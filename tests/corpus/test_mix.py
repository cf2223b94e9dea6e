"""Mixing: caps, proportions and balance are met, and hang on seed and ids alone."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from onethinker.corpus.mix import Pool, apportion, mix
from onethinker.corpus.recipe import CorpusRecipe


def pools(**rows: list[tuple[str, str]]) -> dict[str, Pool]:
    """name=[(task, modality), …]"""
    return {key: Pool.of((f"{key}/{n}", *row) for n, row in enumerate(found)) for key, found in rows.items()}


def recipe(caps: dict[str, int | None], **keys: Any) -> CorpusRecipe:
    sources = {name: {"samples": "x", "cap": cap} for name, cap in caps.items()}
    return CorpusRecipe.model_validate({"sources": sources, **keys})


def taken(found: dict[str, Pool], wanted: CorpusRecipe) -> dict[str, Counter[tuple[str, str]]]:
    masks = mix(found, wanted)
    return {key: Counter(pool.cells[c] for c in pool.cell[masks[key]]) for key, pool in found.items()}


IMAGE, CLIP, TEXT = ("ocr", "image"), ("caption", "video"), ("math", "text")


def test_caps_and_scale() -> None:
    found = pools(a=[IMAGE] * 50, b=[CLIP] * 3)
    assert taken(found, recipe({"a": 20, "b": 20})) == {"a": {IMAGE: 20}, "b": {CLIP: 3}}
    assert taken(found, recipe({"a": 20, "b": 0}, scale=0.5)) == {"a": {IMAGE: 10}, "b": {}}
    assert taken(found, recipe({"a": None, "b": None})) == {"a": {IMAGE: 50}, "b": {CLIP: 3}}


def test_the_order_of_rows_changes_nothing_and_more_keeps_what_fewer_took() -> None:
    rows = [(f"a/{n}", *IMAGE) for n in range(50)]

    def ids(order: list[tuple[str, str, str]], cap: int, seed: int = 0) -> set[str]:
        pool = Pool.of(order)
        return set(pool.ids[mix({"a": pool}, recipe({"a": cap}, seed=seed))["a"]])

    few = ids(rows, 10)
    assert few == ids(rows[::-1], 10)
    assert few < ids(rows, 20)
    assert few != ids(rows, 10, seed=1)


def test_tasks_have_their_weights() -> None:
    found = pools(a=[IMAGE] * 100, b=[CLIP] * 90 + [IMAGE] * 50, c=[TEXT] * 40)
    got = taken(found, recipe(dict.fromkeys("abc"), tasks={"ocr": 2, "caption": 1}))
    assert sum(map(Counter, got.values()), Counter()) == {IMAGE: 150, CLIP: 75}  # the scarcer is taken whole
    assert got["a"][IMAGE] == 100
    assert got["c"] == {}
    got = taken(found, recipe(dict.fromkeys("abc"), tasks={"ocr": 1, "caption": 1, "math": 1}, total=30))
    assert [sum(c.values()) for c in got.values()] == [7, 13, 10]  # of ocr's ten 7 to 3, as there are
    assert sum(got.values(), Counter()) == {IMAGE: 10, CLIP: 10, TEXT: 10}


def test_pictures_and_clips_are_balanced() -> None:
    found = pools(a=[IMAGE] * 100, b=[CLIP] * 30, c=[TEXT] * 26)
    got = taken(found, recipe(dict.fromkeys("abc"), images=0.5))
    assert got["a"][IMAGE] == got["b"][CLIP]
    seen = got["a"][IMAGE] + got["b"][CLIP]
    assert got["c"][TEXT] / (seen + got["c"][TEXT]) == pytest.approx(26 / 156, abs=0.02)  # text keeps its share


def test_balance_and_weights_together() -> None:
    both = [("ocr", "image")] * 60 + [("ocr", "video")] * 20 + [("caption", "image")] * 20 + [("caption", "video")] * 60
    got = taken(pools(a=both), recipe({"a": None}, images=0.5, tasks={"ocr": 1, "caption": 3}))["a"]
    total = got.total()
    assert sum(n for (_, kind), n in got.items() if kind == "image") == pytest.approx(total / 2, abs=1)
    assert sum(n for (task, _), n in got.items() if task == "ocr") == pytest.approx(total / 4, abs=1)
    assert total > 60


@pytest.mark.parametrize("seed", range(20))
def test_apportion_keeps_to_the_total(seed: int) -> None:
    draw = np.random.default_rng(seed)
    weights = {str(n): float(w) for n, w in enumerate(draw.integers(0, 40, 7))}
    total = int(draw.integers(0, 200))
    found = apportion(weights, total)
    assert sum(found.values()) == min(total, sum(weights.values()))
    assert all(0 <= found[name] <= weights[name] for name in weights)
