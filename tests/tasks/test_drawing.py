"""Pictures: size, colours where they belong, and nothing that text or numbers can break."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageColor

from onethinker.tasks.drawing import ANSWER, TRUTH, Picture

GREEN, ORANGE = ImageColor.getrgb(TRUTH), ImageColor.getrgb(ANSWER)


def where(image: Image.Image, colour: tuple[int, ...]) -> np.ndarray:
    """x1, y1, x2, y2 around the pixels of one colour, as shares of width and height."""
    rows, columns = np.nonzero((np.asarray(image) == colour).all(axis=2))
    return np.array([columns.min(), rows.min(), columns.max(), rows.max()]) / np.array([*image.size, *image.size])


@pytest.mark.parametrize("size", [(64, 64), (1, 1), (640, 480), (4000, 30), (30, 4000), (384, 384)])
def test_small_frames_are_enlarged(size: tuple[int, int]) -> None:
    picture = Picture(Image.new("L", size))
    picture.box((0, 0, 1000, 1000), TRUTH)
    done = picture.finish()
    assert done.mode == "RGB"
    assert min(done.size) >= min(384, *size) and max(done.size) >= 384
    assert done.size[0] >= size[0]


def test_the_frame_itself_stays_as_it_was() -> None:
    frame = Image.new("RGB", (500, 500), "navy")
    picture = Picture(frame)
    picture.box((100, 100, 900, 900), ANSWER)
    assert frame.getcolors() == [(250_000, (0, 0, 128))]


def test_box_stands_where_it_says() -> None:
    picture = Picture(Image.new("RGB", (800, 400), "navy"))
    picture.box((250, 500, 750, 1000), TRUTH)
    assert where(picture.finish(), GREEN) == pytest.approx([0.25, 0.5, 0.75, 1.0], abs=0.01)
    picture = Picture(Image.new("RGB", (800, 400), "navy"))
    picture.box((0, 0, 0, 0), TRUTH)
    assert picture.finish().getcolors() == [(320_000, (0, 0, 128))]


def test_truth_shows_around_an_equal_answer() -> None:
    picture = Picture(Image.new("RGB", (64, 64), "navy"))
    for colour in (TRUTH, ANSWER):
        picture.box((250, 250, 750, 750), colour)
    assert where(picture.finish(), GREEN) == pytest.approx([0.25, 0.25, 0.75, 0.75], abs=0.02)
    assert where(picture.finish(), ORANGE) == pytest.approx([0.25, 0.25, 0.75, 0.75], abs=0.02)


def test_points_and_mask() -> None:
    picture = Picture(Image.new("RGB", (400, 400), "navy"))
    picture.points([(500, 500)], ANSWER, positive=True)
    assert where(picture.finish(), ORANGE).mean() == pytest.approx(0.5, abs=0.01)
    picture = Picture(Image.new("RGB", (400, 400), "black"))
    mask = np.zeros((10, 10), dtype=bool)
    mask[5:, :5] = True
    picture.mask(mask, TRUTH, opacity=1.0)
    assert where(picture.finish(), GREEN) == pytest.approx([0, 0.5, 0.5, 1], abs=0.01)


def test_spans_lie_on_a_time_line_below() -> None:
    picture = Picture(Image.new("RGB", (400, 400), "navy"), 5.0, [0.0, 5.0, 10.0])
    picture.span(2.5, 7.5, TRUTH)
    picture.span(5.0, 1e9, ANSWER)
    done = picture.finish()
    assert done.height > 400
    assert where(done, GREEN)[[0, 2]] == pytest.approx([0.25, 0.75], abs=0.01)
    assert where(done, ORANGE)[[0, 2]] == pytest.approx([0.5, 1.0], abs=0.02)


def test_nearest_frame() -> None:
    seconds = [0.0, 2.0, 4.0]
    frame = Image.new("RGB", (64, 64))
    assert [Picture(frame, s, seconds).is_nearest(2.9) for s in seconds] == [False, True, False]
    assert [Picture(frame, s, seconds).is_nearest(1e9) for s in seconds] == [False, False, True]


@pytest.mark.parametrize(
    "text", ["", "\ud800\x00\u202e\n\r\tא", "x" * 100_000, "一二三" * 50, "🙂 é ß Ω", "a b " * 5_000]
)
def test_any_text_can_be_noted(text: str) -> None:
    picture = Picture(Image.new("RGB", (64, 64)))
    picture.note(text, "white")
    assert picture.finish().height < 3 * 384


@pytest.mark.parametrize("far", [1e12, -1e12, 0.0])
def test_any_number_can_be_drawn(far: float) -> None:
    picture = Picture(Image.new("RGB", (64, 64)), 0.0, [0.0])
    picture.box((far, -far, -far, far), ANSWER)
    picture.points([(far, far)] * 3, ANSWER, positive=False)
    picture.span(far, -far, TRUTH)
    assert picture.finish().width == 384
