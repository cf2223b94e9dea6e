"""What a run left in its folder, and whether two runs left the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from onethinker.models.load import load, weights_digest


def rows(run: Path) -> list[dict[str, Any]]:
    """The log, a row a step."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def lasting(run: Path) -> list[dict[str, Any]]:
    """What was logged, without what a clock measured."""
    return [{k: v for k, v in row.items() if not k.startswith("seconds")} for row in rows(run)]


def digest(folder: Path) -> str:
    """Identity of a checkpoint's weights."""
    return weights_digest(load(str(folder), device="cpu")[0])


def assert_same(a: Any, b: Any, where: str = "") -> None:
    """Equal to the bit, through dictionaries, lists, tensors and arrays."""
    assert type(a) is type(b), where
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}[{i}]")
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, np.ndarray):
        assert np.array_equal(a, b), where
    else:
        assert a == b, (where, a, b)
