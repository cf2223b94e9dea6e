"""The turns of an answer in the gallery: pictures again from the tools, words from the row."""

from __future__ import annotations

from pathlib import Path

from onethinker.media import MediaBudget
from onethinker.report.gallery import turns_of
from onethinker.sample import Sample
from onethinker.tools import TOOLS
from onethinker.tools.zoom import Zoom
from tests.tools.conftest import call


def test_turns_with_their_pictures(media) -> None:
    root: Path = media["square"].parent
    sample = Sample("a", "ocr", "image", "What is written?", "STOP", (), (media["square"].name,))
    turns = [
        {"text": call("zoom", box=[0, 0, 500, 500]), "tool": "zoom", "failed": False, "response": "[picture 1]"},
        {"text": call("search", query="x"), "tool": "search", "failed": False, "response": "[a#1] words"},
    ]
    zoomed, searched = turns_of(sample, root, {"turns": turns}, MediaBudget(image_pixels=64 * 64))
    assert [(p.width, p.height) for p in zoomed.pictures] == [(64, 64)] and zoomed.pictures[0].uri.startswith(
        "data:image"
    )
    assert searched.response == "[a#1] words" and searched.pictures == ()
    assert turns_of(sample, root, {}, MediaBudget()) == ()


def test_a_tool_of_one_s_own_gives_its_pictures_again(media, monkeypatch) -> None:
    class Closer(Zoom):
        name = identity = "closer"

    monkeypatch.setitem(TOOLS, "closer", Closer)
    sample = Sample("a", "ocr", "image", "What is written?", "STOP", (), (media["square"].name,))
    turn = {"text": call("closer", box=[0, 0, 500, 500]), "tool": "closer", "failed": False, "response": "[picture 1]"}
    (shown,) = turns_of(sample, media["square"].parent, {"turns": [turn]}, MediaBudget(image_pixels=64 * 64))
    assert len(shown.pictures) == 1
