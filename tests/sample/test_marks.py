"""`<image>` and `<video>`: places of media, or words."""

from __future__ import annotations

from pathlib import Path

import pytest

from onethinker.engines.base import Request
from onethinker.media import MediaBudget
from onethinker.sample import DataError, Sample
from onethinker.sample.marks import escape, place, unescape
from onethinker.tasks import get_task
from onethinker.tasks.prompts import load_prompts


@pytest.mark.parametrize(
    ("question", "options", "modality", "media", "expected"),
    [
        ("Is <video> void?", (), "text", 0, (r"Is \<video> void?", [], False)),
        ("Which?", ("A. <image>", "B. <rect>"), "text", 0, ("Which?", [r"A. \<image>", "B. <rect>"], False)),
        ("<image> or <image>?", (), "image", 2, ("<image> or <image>?", [], True)),
        ("<video> what?", (), "image", 1, (r"\<video> what?", [], False)),
        ("<image> has <video>", (), "image", 1, (r"<image> has \<video>", [], True)),
        (r"<image> shows \<image>", (), "image", 1, (r"<image> shows \<image>", [], True)),
        ("Which?", ("A. <image>", "B. <image>"), "image", 2, ("Which?", ["A. <image>", "B. <image>"], True)),
        ("Which tag?", ("A. <image>", "B. <p>"), "image", 1, ("Which tag?", [r"A. \<image>", "B. <p>"], False)),
        ("<image> which tag?", ("A. <image>",), "image", 1, ("<image> which tag?", [r"A. \<image>"], True)),
    ],
)
def test_which_marks_are_places(question, options, modality, media, expected) -> None:
    assert place(question, options, modality, media) == expected


def test_marks_that_are_not_as_many_as_the_media_are_refused() -> None:
    for question, media in (("<image> same?", 2), ("<image> and <image>", 1)):
        with pytest.raises(DataError, match=rf"marks for {media} media; mark every one"):
            place(question, (), "image", media)


def test_escapes_come_off_again() -> None:
    text = r"<image> and \<video>, <b>"
    assert escape(text) == r"\<image> and \<video>, <b>"
    assert unescape(escape(text)) == "<image> and <video>, <b>"


def test_words_reach_the_model_as_they_are(tmp_path: Path) -> None:
    sample = Sample("s", "multiple_choice", "image", r"<image> What is \<image>?", "A", ("A. <video>",), ("a.png",))
    text = get_task(sample.task).prompt(sample, load_prompts("short"))
    parts = Request("s", text, (tmp_path / "a.png",), MediaBudget()).parts()
    assert [kind for kind, _ in parts] == ["text", "image", "text"]
    assert parts[2][1].strip() == "What is <image>?\nA. <video>"
