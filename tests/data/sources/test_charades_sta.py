"""Charades-STA: lines of text to moments."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onethinker.data.sources import SOURCES, read
from onethinker.sample import DataError

TEXT = "3MSZA 24.3 30.4##person turn a light on.\nABCDE 7.1 0.0##a person sits.\n\n"


def test_lines_are_moments(put: Callable[[str, Any], Path], tmp_path: Path) -> None:
    put("charades_sta_test.txt", TEXT)
    put("Charades_v1_480/3MSZA.mp4", b"x")
    first, second = read("charades-sta", tmp_path, "test")
    assert (first.question, first.media) == ("person turn a light on.", ("Charades_v1_480/3MSZA.mp4",))
    assert json.loads(first.truth) == {"time": [24.3, 30.4]}
    assert json.loads(second.truth) == {"time": [0.0, 7.1]}
    assert second.media == ("Charades_v1_480/ABCDE.mp4",)  # not there, and still a question


def test_a_moment_of_no_length_is_left_out_and_a_clip_in_capitals_found(
    put: Callable[[str, Any], Path], tmp_path: Path
) -> None:
    put("charades_sta_test.txt", "3MSZA 24.3 24.3##x.\n3MSZA 1 2##y.\n")
    put("Charades_v1/3MSZA.MP4", b"x")
    (sample,) = read("charades-sta", tmp_path, "test")
    assert (sample.id, sample.media) == ("test-1", ("Charades_v1/3MSZA.MP4",))


def test_what_is_missing_is_named_with_the_layout(tmp_path: Path) -> None:
    source = SOURCES["charades-sta"]
    assert source.expected(tmp_path, "test") == [tmp_path / "charades_sta_test.txt", tmp_path / "Charades_v1_480"]
    with pytest.raises(DataError, match=r"(?s)charades_sta_test\.txt.*Charades_v1_480.*lines `VIDEO start end"):
        list(source.read(tmp_path, "test"))
    (tmp_path / "videos").mkdir()
    assert source.missing(tmp_path, "test") == [tmp_path / "charades_sta_test.txt"]
    with pytest.raises(DataError, match="no split 'val'; expected one of test, train"):
        source.expected(tmp_path, "val")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("../../../etc/passwd 1 2##x", "line 1: media path .* leaves the media root"),
        ("A 1 nan##x", "line 1: the moment's end is 'nan'; expected a finite number"),
        ("A 1 2#x", "line 1: 'A 1 2#x'; expected `VIDEO start end##sentence`"),
        ("A 1 2##" + "x" * (1 << 20), "line 1: 1,048,.* characters"),
    ],
)
def test_hostile_lines_name_file_and_line(
    put: Callable[[str, Any], Path], tmp_path: Path, line: str, message: str
) -> None:
    put("charades_sta_test.txt", line)
    put("videos/A.mp4", b"x")
    with pytest.raises(DataError, match=r"charades_sta_test\.txt, " + message):
        list(read("charades-sta", tmp_path, "test"))


def test_an_unknown_name_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no source 'charades'; the nearest is 'charades-sta'"):
        read("charades", tmp_path, "test")
