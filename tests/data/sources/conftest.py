"""Data sets of a few rows in their official layouts, built beside the test."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from PIL import Image

from onethinker.data.sources import read
from onethinker.sample import DataError
from tests.amount import many
from tests.data.sources.writer import put_below


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, Any], Path]:
    """`put("folder/name.json", rows)` writes JSON (or Parquet, by the suffix), text, bytes, a picture (an array), or a
    clip (a list of arrays, 10 frames a second) below `tmp_path`."""

    return partial(put_below, tmp_path)


@pytest.fixture(scope="session")
def png() -> Callable[[int], bytes]:
    """`png(3)`: the bytes of a small picture, another for each number."""

    def make(number: int) -> bytes:
        buffer = io.BytesIO()
        Image.new("RGB", (6, 4), (number, 0, 0)).save(buffer, "PNG")
        return buffer.getvalue()

    return make


ODD = [
    None,
    True,
    -1,
    0,
    1e308,
    float("inf"),
    10**400,
    "",
    "../../../../x",
    "\x00",
    "\ud800",
    [],
    {},
    [[1]],
    {"a": 1},
    "9" * 99,
]


@pytest.fixture(scope="session")
def spoilt() -> Callable[[Any], Iterator[Any]]:
    """`spoilt(document)`: 80 (quickly, 30) copies of nested lists and objects, each with one value changed, dropped or
    doubled."""

    def nodes(value: Any) -> list[tuple[Any, Any]]:
        keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
        return [pair for key in keys for pair in [(value, key), *nodes(value[key])]]

    def make(document: Any) -> Iterator[Any]:
        rng = Random(0)
        for _ in range(many(80, 30)):
            copy = deepcopy(document)
            parent, key = rng.choice(nodes(copy))
            match rng.randrange(4):
                case 0:
                    del parent[key]
                case 1 if isinstance(parent, list):
                    parent.append(parent[key])
                case _:
                    parent[key] = deepcopy(rng.choice(ODD))
            yield copy

    return make


@pytest.fixture
def survives(put: Callable[[str, Any], Path], tmp_path: Path, spoilt: Callable[[Any], Iterator[Any]]) -> Any:
    """`survives("hc-stvg", "test", "test.json", document)`: a spoilt document is read or a DataError, nothing else."""

    def check(name: str, split: str, file: str, document: Any, dump: Callable[[Any], Any] = json.dumps) -> None:
        counts = Counter()
        for spoiled in spoilt(document):
            put(file, dump(spoiled))
            try:
                for sample in read(name, tmp_path, split):
                    sample.paths(tmp_path)
                counts["read"] += 1
            except DataError as error:
                counts["refused"] += 1
                assert str(tmp_path) in str(error) and len(str(error)) < 2000
        put(file, dump(document))
        assert counts["refused"] >= many(15, 4) and counts["read"] >= 1, counts

    return check
