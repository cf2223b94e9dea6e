"""Data sets of a few rows in their official layouts, built beside the test."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from onethinker.media import write_clip, write_image


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, Any], Path]:
    """`put("folder/name.json", rows)` writes JSON (or Parquet, by the suffix), text, bytes, a picture (an array), or a
    clip (a list of arrays, 10 frames a second) below `tmp_path`."""

    def write(name: str, content: Any) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, np.ndarray):
            return write_image(file, content)
        if isinstance(content, list) and content and isinstance(content[0], np.ndarray):
            return write_clip(file, content, 10.0)
        if file.suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist(content), file)
            return file
        data = content if isinstance(content, bytes | str) else json.dumps(content)
        file.write_bytes(data.encode() if isinstance(data, str) else data)
        return file

    return write


@pytest.fixture(scope="session")
def png() -> Callable[[int], bytes]:
    """`png(3)`: the bytes of a small picture, another for each number."""

    def make(number: int) -> bytes:
        buffer = io.BytesIO()
        Image.new("RGB", (6, 4), (number, 0, 0)).save(buffer, "PNG")
        return buffer.getvalue()

    return make
