"""Data sets of a few rows in their official layouts, built beside the test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onethinker.media import write_image


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, Any], Path]:
    """`put("folder/name.json", rows)` writes JSON, text, bytes, or a picture (an array) below `tmp_path`."""

    def write(name: str, content: Any) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, np.ndarray):
            return write_image(file, content)
        data = content if isinstance(content, bytes | str) else json.dumps(content)
        file.write_bytes(data.encode() if isinstance(data, str) else data)
        return file

    return write
