"""What zoom, look and search give back, measured on pictures, clips and passages whose content is known."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onethinker.engines.base import Request
from onethinker.media import MediaBudget, write_clip, write_image
from onethinker.tools import ToolError, make_tools
from onethinker.tools.look import MAX_FRAMES
from onethinker.tools.search import MAX_QUERY, Search

BUDGET = MediaBudget(image_pixels=64 * 64, frame_pixels=32 * 32, fps=1.0, max_frames=8)


def ask(*media: Path) -> Request:
    return Request("q", "?", media, BUDGET)


def opened(png: str | bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


@pytest.fixture(scope="module")
def quarters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400×200: the left half black, the right half white."""
    frame = np.zeros((200, 400, 3), np.uint8)
    frame[:, 200:] = 255
    return write_image(tmp_path_factory.mktemp("q") / "quarters.png", frame)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds at 4 fps; second s is of grey 20·s."""
    frames = np.repeat(np.arange(40, dtype=np.uint8) // 4 * 20, 96 * 96 * 3).reshape(40, 96, 96, 3)
    return write_clip(tmp_path_factory.mktemp("c") / "clip.mp4", frames, 4.0)


def test_zoom_shows_the_region_at_the_budgets_size(quarters: Path, clip: Path) -> None:
    (zoom,) = make_tools(["zoom"])
    (whole,) = zoom.call({"box": [0, 0, 1000, 1000]}, ask(quarters))
    assert opened(whole).shape[0] * opened(whole).shape[1] <= 64 * 64
    (right,) = zoom.call({"box": [500, 0, 1000, 1000]}, ask(quarters))
    assert opened(right).shape == (64, 64, 3) and opened(right).min() == 255
    (outside,) = zoom.call({"box": [-500, -9, 500, 2e9]}, ask(quarters))
    assert opened(outside).max() == 0
    (pixel,) = zoom.call({"box": [0, 0, 0.001, 0.001]}, ask(quarters))
    assert opened(pixel).shape == (8, 8, 3)  # enlarged eight times and no more
    (frame,) = zoom.call({"box": [0, 0, 100, 100], "time": 7.1}, ask(clip))
    assert abs(int(opened(frame).mean()) - 140) <= 4
    (thin,) = zoom.call({"box": [0, 500, 1000, 500.1]}, ask(quarters))
    height, width, _ = opened(thin).shape
    assert 50 <= width / height <= 200 and width * height <= 64 * 64  # as long as models take
    for time in (-1, 11):
        with pytest.raises(ToolError, match=r"0 to 10\.0"):
            zoom.call({"box": [0, 0, 100, 100], "time": time}, ask(clip))
    with pytest.raises(ToolError, match="expected x1 < x2"):
        zoom.call({"box": [5, 5, 5, 9]}, ask(quarters))


def test_look_shows_frames_with_their_seconds(clip: Path, quarters: Path) -> None:
    (look,) = make_tools(["look"])
    response = look.call({"start": 3, "end": 5, "fps": 1}, ask(quarters, clip))
    assert [part for part in response if isinstance(part, str)] == ["<3.0 seconds>", "<4.0 seconds>", "<5.0 seconds>"]
    grey = [opened(part).mean() for part in response if isinstance(part, bytes)]
    assert np.allclose(grey, [60, 80, 100], atol=4)
    many = look.call({"start": 0, "end": 1e6, "fps": 1e6}, ask(clip))
    assert len(many) == 2 * min(MAX_FRAMES, BUDGET.max_frames)
    few = look.call({"start": 1, "end": 1.5, "fps": 30}, ask(clip))
    assert [part for part in few if isinstance(part, str)] == ["<1.0 seconds>", "<1.3 seconds>", "<1.5 seconds>"]
    for wrong in ({"start": 11, "end": 12}, {"start": 4, "end": 3}, {"start": 0, "end": 1, "fps": 0}):
        with pytest.raises(ToolError, match=r"10\.0 seconds"):
            look.call(wrong, ask(clip))


def test_media_counts_all_of_a_question_s_media_in_every_tool(clip: Path, quarters: Path) -> None:
    zoom, look = make_tools(["zoom", "look"])
    mixed, part = ask(quarters, clip), {"start": 3, "end": 3}
    assert look.call({**part, "media": 2}, mixed) == look.call(part, mixed), "the first clip unless given"
    (frame,) = zoom.call({"box": [0, 0, 1000, 1000], "media": 2, "time": 3}, mixed)
    assert abs(opened(frame).mean() - 60) <= 4
    with pytest.raises(ToolError, match="media is 1; of the question's 2 media the clips are 2"):
        look.call({**part, "media": 1}, mixed)
    for place in (0, 3, 1.5):
        with pytest.raises(ToolError, match="of the question's 2 media the pictures and clips are 1, 2"):
            zoom.call({"box": [0, 0, 9, 9], "media": place}, mixed)
    with pytest.raises(ToolError, match="the question has no clips"):
        look.call(part, ask(quarters))


def test_search_finds_cites_and_goes_on_without_what_is_broken(tmp_path: Path, capsys) -> None:
    base = tmp_path / "base"
    (base / "more").mkdir(parents=True)
    (base / "shapes.md").write_text("The zorb is a red disc.\n\nThe quill weighs 12 grams.\n")
    rows = [{"id": "facts-1", "text": "A marn costs 7 coins."}, {"text": ""}, {"id": "facts-1", "text": "again"}]
    (base / "more" / "facts.jsonl").write_text("\n".join([*map(json.dumps, rows), "{"]))
    (base / "broken.txt").write_bytes(b"\xff\xfe\x00")
    (base / "away.txt").symlink_to(__file__)
    (search,) = make_tools(["search"], base)
    problems = capsys.readouterr().err
    for name in ("broken.txt", "away.txt: a link", "facts.jsonl, line 2", "facts.jsonl, line 4", "a second passage"):
        assert name in problems
    (words,) = search.call({"query": "What does a marn cost?", "k": 1}, ask())
    assert words == "[facts-1] A marn costs 7 coins."
    (words,) = search.call({"query": "quill weighs"}, ask())
    assert words.startswith("[shapes.md#2] The quill")
    assert search.call({"query": "xylophone"}, ask()) == ("nothing found",)
    for wrong in ({}, {"query": 3}, {"query": "x" * (MAX_QUERY + 1)}, {"query": "a", "k": 0}, {"query": "a", "k": 1.5}):
        with pytest.raises(ToolError, match="expected"):
            search.call(wrong, ask())
    again = Search(base)
    assert again.identity == search.identity
    (base / "shapes.md").write_text("The zorb is a blue disc.")
    assert Search(base).identity != search.identity
    with pytest.raises(ToolError, match="no passages"):
        Search(base / "broken.txt")
    with pytest.raises(ToolError, match="no such folder"):
        Search(base / "gone")
