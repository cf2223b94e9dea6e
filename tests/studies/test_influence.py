"""Shares of the gradient, worked by hand, and what each estimator does to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from onethinker.studies.influence import blocks_of, influence
from onethinker.train.advantage import make


def write(folder: Path, step: int, rows: list[tuple[Any, ...]]) -> None:
    """rows: (id, task, tokens, reward, advantage)."""
    names = ("id", "task", "tokens", "reward", "advantage")
    folder.mkdir(exist_ok=True)
    table = pa.Table.from_pylist([dict(zip(names, row)) | {"step": step} for row in rows])
    pq.write_table(table, folder / f"step-{step:06d}.parquet")


def test_shares_are_tokens_times_advantage(tmp_path: Path) -> None:
    write(tmp_path / "r", 1, [
        ("a", "ocr", 10, 1.0, 1.0), ("a", "ocr", 30, 0.0, -1.0),
        ("b", "math", 20, 1.0, 3.0), ("b", "math", 20, 0.5, 0.0),
        ("c", "math", 99, 0.0, None),
    ])  # fmt: skip
    found = influence(tmp_path / "r", [range(1, 2)])
    assert found["gradient"] == {"math": [0.6], "ocr": [0.4]}
    assert found["tokens"] == {"math": [0.5], "ocr": [0.5]}
    assert found["between"] == [pytest.approx(0.2)]  # 1.0 and 1.5 a token: sd 0.25 over mean 1.25
    assert np.isnan(found["within"][0])


def groups(sigmas: dict[str, list[float]]) -> tuple[np.ndarray, list[str], list[str]]:
    """Groups of four answers whose rewards spread by so much about 0.5."""
    rewards, ids, tasks = [], [], []
    for task, spreads in sigmas.items():
        for g, sigma in enumerate(spreads):
            rewards += [0.5 + sigma * z for z in (-1, -1, 1, 1)]
            ids += [f"{task}-{g}"] * 4
            tasks += [task] * 4
    return np.array(rewards), ids, tasks


def imbalance(name: str, folder: Path) -> tuple[float, float]:
    rewards, ids, tasks = groups({"ocr": [0.02, 0.4], "math": [0.1, 0.3]})
    advantages = make(name)(rewards, ids, tasks)
    write(folder / name, 1, list(zip(ids, tasks, [10] * len(ids), rewards, advantages)))
    found = influence(folder / name, [range(1, 2)])
    return found["between"][0], found["within"][0]


def test_estimators_differ_as_the_paper_says(tmp_path: Path) -> None:
    """GRPO enlarges small differences within a task, Dr.GRPO lets wide tasks outweigh narrow ones, EMA-GRPO neither."""
    between, within = imbalance("grpo", tmp_path)
    assert between == pytest.approx(0, abs=1e-3)
    gains = [[1 / 0.02, 1 / 0.4], [1 / 0.1, 1 / 0.3]]
    assert within == pytest.approx(np.mean([np.std(g) / np.mean(g) for g in gains]), rel=1e-3)
    between, within = imbalance("dr_grpo", tmp_path)
    assert between == pytest.approx(np.std([0.21, 0.2]) / 0.205)
    assert within == pytest.approx(0)
    assert imbalance("ema_grpo", tmp_path)[1] == pytest.approx(0)


@pytest.mark.parametrize(("steps", "blocks", "count"), [(100, 20, 20), (3, 20, 3), (10, 4, 4), (1, 20, 1)])
def test_blocks_cover_every_step_once(steps: int, blocks: int, count: int) -> None:
    found = blocks_of(steps, blocks)
    assert len(found) == count
    assert [i for block in found for i in block] == list(range(1, steps + 1))
