"""Pictures that stand within a table's row: what is read from a file is taken, what is not is refused by its cause."""

from __future__ import annotations

import re
import struct
import sys
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from onethinker.data.sources import get_source
from onethinker.data.sources.base import LeftOut
from onethinker.media import open_image
from onethinker.sample import DataError, Sample, load_samples

HEIC = struct.pack(">I4s4sI4s", 20, b"ftyp", b"heic", 0, b"mif1") + struct.pack(">I4s", 72, b"mdat") + bytes(64)


def png(broken: bytes = b"") -> bytes:
    """A PNG with a text chunk; the checksum of the chunk named is wrong."""
    buffer = BytesIO()
    Image.new("RGB", (6, 4), (9, 0, 0)).save(buffer, "PNG")
    data = buffer.getvalue()
    text = b"tEXt" + b"Title\0picture"
    data = data[:33] + struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text)) + data[33:]
    if broken:
        at = data.index(broken) - 4
        end = at + 8 + struct.unpack_from(">I", data, at)[0]
        data = data[:end] + bytes(4) + data[end + 4 :]
    return data


NAMES = r"a HEIC \(HEIF\) picture; install what reads it, pip install 'onethinker\[heic\]', or write it as JPEG"
CAUSES = [
    (HEIC, NAMES),
    (png(b"IHDR"), "a PNG whose chunk 'IHDR' has a wrong checksum; its bytes were damaged, fetch it again"),
]


@pytest.fixture(autouse=True)
def no_heic(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the extra is not installed."""
    monkeypatch.setitem(sys.modules, "pillow_heif", None)


@pytest.mark.parametrize(("data", "cause"), CAUSES)
def test_rows_of_samples_name_the_cause(tmp_path: Path, data: bytes, cause: str) -> None:
    row = {
        "id": "1",
        "task": "ocr",
        "modality": "image",
        "question": "?",
        "truth": "x",
        "image": {"bytes": data, "path": ""},
    }
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "samples.parquet")
    with pytest.raises(DataError, match=rf"row 1: its image is no picture that can be read \(.*{cause}"):
        load_samples(tmp_path)


@pytest.mark.parametrize(("data", "cause"), CAUSES)
def test_tables_of_data_sets_name_the_cause(tmp_path: Path, data: bytes, cause: str) -> None:
    rows = [{"image": {"bytes": each, "path": ""}, "text": "ink"} for each in (data, png(), png(b"tEXt"))]
    (tmp_path / "data").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data/train-0.parquet")
    refused, whole, mended = get_source("iam").rows(tmp_path, "train")
    assert isinstance(refused, LeftOut) and "field 'image'" in str(refused)
    assert re.search(cause, str(refused))
    for sample in (whole, mended):  # a broken checksum of a text costs nothing, as in a file
        assert isinstance(sample, Sample)
        assert open_image(sample.paths(tmp_path)[0]).getpixel((0, 0)) == (9, 0, 0)


def test_heic_is_kept_where_the_extra_reads_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Reader:
        def __init__(self, source: Any) -> None:
            self.size = (6, 4)

    monkeypatch.setitem(sys.modules, "pillow_heif", type("module", (), {"HeifImageFile": Reader}))
    (tmp_path / "data").mkdir()
    rows = [{"image": {"bytes": HEIC, "path": ""}, "text": "ink"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data/train-0.parquet")
    (sample,) = get_source("iam").rows(tmp_path, "train")
    assert isinstance(sample, Sample) and sample.media[0].endswith(".heic")


def test_other_bytes_stay_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()

    for data in (b"GIF89a?", b"%PDF-1.7", png()[:20]):
        rows = [{"image": {"bytes": data, "path": ""}, "text": "ink"}]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data/train-0.parquet")
        (refused,) = get_source("iam").rows(tmp_path, "train")
        assert isinstance(refused, LeftOut) and "cannot be decoded" in refused.reason
