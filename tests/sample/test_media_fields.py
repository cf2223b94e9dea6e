"""A field that looks like media is read or refused by name: no question is asked without its picture."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from onethinker.sample import DataError, load_samples, parse_row

ROW: dict[str, Any] = {"problem": "What?", "problem_type": "ocr", "solution": "t"}
CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "<image>What?"}], "solution": "t"}
NATIVE: dict[str, Any] = {"id": "1", "task": "ocr", "modality": "image", "question": "What?", "truth": "t"}


def png(colour: str = "red") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(data, "PNG")
    return data.getvalue()


@pytest.mark.parametrize("row", [ROW, CHAT, NATIVE])
@pytest.mark.parametrize("key", ["image", "images", "img", "image_path", "images_path", "Image", "img_path", "photo"])
def test_plain_names_of_pictures_are_read(row: dict[str, Any], key: str) -> None:
    for value in ("a.png", ["a.png"], {"path": "a.png", "bytes": None}, [{"path": "a.png"}]):
        sample = parse_row(row | {key: value}, "here")
        assert (sample.media, sample.modality) == (("a.png",), "image")
        assert key not in sample.meta


@pytest.mark.parametrize("key", ["video", "videos", "video_path", "clip"])
def test_plain_names_of_clips_are_read(key: str) -> None:
    sample = parse_row(ROW | {key: "a.mp4", "image": ["b.png"]}, "here")
    assert (sample.media, sample.modality) == (("a.mp4", "b.png"), "video-image")


@pytest.mark.parametrize("row", [ROW, CHAT, NATIVE])
@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"frames": ["0.png", "1.png"]}, "frames"),
        ({"image_url": "https://x.org/a.png"}, "image_url"),
        ({"images": ["https://x.org/a.png"]}, "images"),
        ({"file_name": "a.png"}, "file_name"),
        ({"screenshot": "shots/a.jpeg"}, "screenshot"),
        ({"screenshot": {"bytes": png(), "path": None}}, "screenshot"),
        ({"image": "a.png", "img": "b.png"}, "img"),
        ({"images": [["0.png", "1.png"]]}, "images"),
        ({"image": png()}, "image"),
    ],
)
def test_media_that_would_not_be_seen_are_refused_by_name(
    row: dict[str, Any], more: dict[str, Any], named: str
) -> None:
    with pytest.raises(DataError, match=f"here: field.*'{named}'"):
        parse_row(row | more, "here")


def test_beside_named_media_a_second_field_names_the_same_or_is_refused() -> None:
    given = ROW | {"path": "clips/v_abc.mp4"}
    assert parse_row(given | {"video": "v_abc", "thumb": "t.png", "frames": 32}, "here").meta["video"] == "v_abc"
    with pytest.raises(DataError, match=r"field 'image' is 'b\.png' beside 'clips/v_abc\.mp4'"):
        parse_row(given | {"image": "b.png"}, "here")
    copy = parse_row(ROW | {"path": "a.png", "image": {"bytes": png(), "path": "a.png"}}, "here")
    assert copy.media == ("a.png",) and copy.meta == {}


def test_a_plain_text_question_keeps_a_name_that_looks_like_a_file() -> None:
    assert parse_row(ROW | {"data_type": "text", "origin": "scan.png"}, "here").meta == {"origin": "scan.png"}


def test_a_native_row_with_the_published_field_is_refused() -> None:
    with pytest.raises(DataError, match="field 'path'"):
        parse_row(NATIVE | {"path": "a.png"}, "here")


def test_what_only_tells_of_media_is_a_column() -> None:
    for more in ({"image": {"width": 3}}, {"clip": {"start": 1}}, {"photo": 12}, {"frames": [1, 2]}):
        for row in (ROW, ROW | {"path": "a.png"}):
            assert parse_row(row | more, "here").meta == more
    for nothing in (None, [], "", [None]):
        assert parse_row(ROW | {"images": nothing}, "here").meta == {}


def test_pictures_within_a_file_are_unpacked_beside_it(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    held = [{"bytes": png(), "path": None}, {"bytes": png("blue"), "path": "blue.png"}]
    rows = [ROW | {"image": held[0], "images": None}, ROW | {"image": None, "images": held}]
    kinds = pa.struct({"bytes": pa.large_binary(), "path": pa.string()})
    table = pa.table({k: [r[k] for r in rows] for k in ROW} | {
        "image": pa.array([r["image"] for r in rows], kinds),
        "images": pa.array([r["images"] for r in rows], pa.large_list(kinds)),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "train.parquet")
    samples = load_samples(tmp_path / "train.parquet")
    assert [len(s.media) for s in samples] == [1, 2]
    assert samples[0].media[0] == samples[1].media[0]
    for sample in samples:
        for file in sample.paths(samples.root):
            assert Image.open(file).size == (8, 8)
    assert load_samples(tmp_path / "train.parquet") == samples


def test_pictures_within_a_chat_are_unpacked(tmp_path: Path) -> None:
    import json

    url = "data:image/png;base64," + base64.b64encode(png()).decode()
    parts = [{"type": "text", "text": "What is <image>?"}, {"type": "image_url", "image_url": {"url": url}}]
    (tmp_path / "a.jsonl").write_text(json.dumps(CHAT | {"messages": [{"role": "user", "content": parts}]}) + "\n")
    samples = load_samples(tmp_path / "a.jsonl")
    assert samples[0].question == r"What is \<image>?<image>"
    assert Image.open(samples[0].paths(samples.root)[0]).size == (8, 8)
    (tmp_path / "a.jsonl").write_text(json.dumps(CHAT | {"images": ["data:image/png;base64,AAAA"]}) + "\n")
    with pytest.raises(DataError, match=r"a\.jsonl, row 1: its image is no base64 of a picture"):
        load_samples(tmp_path / "a.jsonl")
