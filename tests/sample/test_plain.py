"""Whatever a column holds becomes plain JSON that every writer takes, or is refused by name."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from onethinker.sample import DataError, Sample, from_published, load_samples, parse_row, save_samples, to_native
from onethinker.sample.plain import NotPlain, plain


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (b"PPYo0", "PPYo0"),
        (bytearray(b"\x89PNG"), {"base64": "iVBORw=="}),
        (b"\xc3\xa9", {"base64": "w6k="}),
        (date(2026, 2, 28), "2026-02-28"),
        (time(1, 2, 3), "01:02:03"),
        (datetime(2026, 2, 28, 1, tzinfo=timezone(timedelta(hours=5, minutes=30))), "2026-02-28T01:00:00+05:30"),
        (timedelta(minutes=1, milliseconds=500), 60.5),
        (Decimal("0.10"), "0.10"),
        (Decimal("NaN"), None),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Path("a/b"), "a/b"),
        (Colour.RED, "red"),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (np.array([[1, 2]]), [[1, 2]]),
        (np.datetime64("2026-02-28T01:02:03.000000001"), "2026-02-28T01:02:03"),
        (np.datetime64("NaT"), None),
        (np.timedelta64(1500, "ms"), 1.5),
        (float("nan"), None),
        (float("-inf"), None),
        (1e308, 1e308),
        (2**63 - 1, 2**63 - 1),
        (2**63, "9223372036854775808"),
        ({3, 1, 2}, [1, 2, 3]),
        ({"b", 1}, ["b", 1]),
        ((1, (2,)), [1, [2]]),
        ({1: {"a": None}, "b": {"c": {"d": None}}, "e": []}, {"1": None, "e": []}),
        ([None, {"a": None}], [None, {"a": None}]),
    ],
)
def test_what_becomes_of_a_value(value: object, kept: object) -> None:
    assert plain(value) == kept
    assert plain(plain(value)) == plain(value)
    json.dumps(plain(value), allow_nan=False)


def test_pandas_nulls_are_null() -> None:
    pandas = pytest.importorskip("pandas")
    stamp = pandas.Timestamp("2026-02-28T01:00", tz="Europe/Berlin")
    assert [plain(v) for v in (pandas.NaT, pandas.NA, stamp)] == [None, None, "2026-02-28T01:00:00+01:00"]


def test_a_frame_without_a_mask_keeps_its_place() -> None:
    masks = {"00000": {"size": [2, 2], "counts": b"04"}, "00001": None, "00002": {"size": None, "counts": None}}
    assert plain(masks) == {"00000": {"size": [2, 2], "counts": "04"}, "00001": None, "00002": None}


@pytest.mark.parametrize("value", [object(), 1j, {"a": [print]}])
def test_what_no_file_holds_is_refused_by_name(value: object) -> None:
    with pytest.raises(NotPlain, match="the value"):
        plain(value)
    with pytest.raises(DataError, match=r"sample s: meta\['x'\]"):
        Sample("s", "ocr", "text", "q", "t", meta={"x": value})


def test_what_is_nested_without_end_is_refused() -> None:
    circle: dict[str, object] = {}
    circle["again"] = circle
    with pytest.raises(NotPlain, match="more than 64 levels deep"):
        plain(circle)
    with pytest.raises(NotPlain, match="write it as text"):
        plain(10**5000)


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".json"])
def test_every_writer_takes_every_column(tmp_path: Path, suffix: str) -> None:
    extra = {
        "thumb": b"\x00\xff", "day": date(2026, 1, 2), "price": Decimal("9.99"), "at": datetime(2026, 1, 2, tzinfo=UTC),
        "score": np.float64("nan"), "tags": {"b", "a"}, "size": {"width": 3, "height": None}, "huge": 10**30,
    }  # fmt: skip
    row = {"problem": "q", "problem_type": "ocr", "data_type": "text", "solution": "t", **extra}
    sample = from_published(row, "here, row 1")
    kept = {
        "thumb": {"base64": "AP8="}, "day": "2026-01-02", "price": "9.99", "at": "2026-01-02T00:00:00+00:00",
        "tags": ["a", "b"], "size": {"width": 3}, "huge": str(10**30),
    }  # fmt: skip
    assert sample.meta == kept
    loaded = load_samples(save_samples([sample], tmp_path / f"samples{suffix}"))[0]
    assert loaded == sample and loaded.digest() == sample.digest()
    assert parse_row(json.loads(json.dumps(to_native(sample))), "") == sample
