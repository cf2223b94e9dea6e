"""Writes the files of small data sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from onethinker.media import write_clip, write_image


def put_below(folder: Path, name: str, content: Any) -> Path:
    """Write JSON (or Parquet, by the suffix), text, bytes, a picture (an array), or a clip (a list of arrays, 10 frames
    a second) as `folder/name`."""
    file = folder / name
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
