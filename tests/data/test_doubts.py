"""What is worth a word: said before training and evaluation, and by `data check`; one-word truths are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from onethinker.data.doubts import doubts, say_heavy, tell
from onethinker.data.inspect import check
from onethinker.sample import Sample, Samples, save_samples
from onethinker.sample.stream import open_stream

SOUND = Sample("s", "open_ended", "image", "What?", "red", media=("a.png",))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"task": "multiple_choice", "truth": "A"}, "multiple choice without options"),
        ({"task": "temporal_grounding"}, "modality 'image'; task temporal_grounding takes video"),
        ({"question": " <image> "}, "its question is empty"),
        ({"question": "<video> What?"}, "<video> in its text, but no video among its media"),
        ({"question": "<image> What?", "media": (), "modality": "text"}, "<image> in its text, but no image"),
        ({"question": "<image> Same?", "media": ("a.png", "b.png")}, "1 <image>/<video> marks for 2 media"),
        ({"media": ()}, "modality 'image' without media"),
        ({"modality": "text"}, "modality 'text' with 1 media"),
    ],
)
def test_what_is_odd_is_said(change: dict[str, object], said: str) -> None:
    found = list(doubts(replace(SOUND, **change)))  # type: ignore[arg-type]
    assert len(found) == 1 and found[0].startswith(said)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"question": "Is <image> a tag?", "modality": "text", "media": ()},
        {"task": "multiple_choice", "options": ("A. <image>", "B. <p>"), "modality": "text", "media": ()},
        {"question": "<image> What?"},
        {"question": r"<image> What is \<image>?"},
    ],
)
def test_what_is_plain_is_not(change: dict[str, object]) -> None:
    assert list(doubts(replace(SOUND, **change))) == []  # type: ignore[arg-type]


def test_a_truth_of_one_word_is_sound(tmp_path: Path) -> None:
    save_samples([Sample("s", "open_ended", "text", "Colour?", "red")], tmp_path / "samples.jsonl")
    assert check(tmp_path) == []


def test_what_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    odd = tuple(replace(SOUND, id=str(n), question="") for n in range(4))
    tell(Samples((SOUND, *odd), Path(), left_out=("f, row 2: bad",), renamed=("f, row 3: id 's' …",)))
    assert capsys.readouterr().err == (
        "1 of 6 rows cannot be read and are left out:\n  f, row 2: bad\n"
        "1 ids occur again and were made unique:\n  f, row 3: id 's' …\n"
        "4 oddities; `onethinker data check` names them all:\n"
        + "".join(f"  sample {n}: its question is empty\n" for n in range(3)) + "  …\n"
    )  # fmt: skip
    tell(Samples((SOUND,), Path()))
    assert capsys.readouterr().err == ""


def test_rows_that_are_held_in_large_parts_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_samples([SOUND], tmp_path / "a.parquet")
    stream = open_stream(str(tmp_path / "a.parquet"), buffer=1)
    say_heavy(stream)
    assert capsys.readouterr().err == ""
    stream.shards.room = 10
    say_heavy(stream)
    assert "a.parquet: parts of up to 0 MB are held whole by each process" in capsys.readouterr().err
