"""Pictures: size, colours where they belong, and nothing that text or numbers can break."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageColor

from onethinker.sample import Sample
from onethinker.sample.answer import read_answer
from onethinker.tasks import get_task
from onethinker.tasks.drawing import ANSWER, TRUTH, Picture, written
from onethinker.util.palette import PALETTE

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


def changed(picture: Picture) -> np.ndarray:
    """Which pixels of the frame were drawn on, (H, W)."""
    drawn = np.asarray(picture.finish())[: picture.image.height]
    return (drawn != np.asarray(picture.image)).any(axis=2)


@pytest.mark.parametrize("box", [(300, 300, 700, 700), (0, 0, 400, 400), (600, 600, 1000, 1000), (0, 200, 1000, 800)])
def test_labels_lie_beside_the_object(box: tuple[int, ...]) -> None:
    """Within the box, off its lines, nothing is drawn; outside there is a label."""
    picture = Picture(Image.new("RGB", (500, 500), "navy"))
    for colour in (TRUTH, ANSWER):
        picture.box(box, colour)
    drawn = changed(picture)
    x1, y1, x2, y2 = (round(v / 2) for v in box)
    assert not drawn[y1 + 6 : y2 - 5, x1 + 6 : x2 - 5][8:-8, 8:-8].any()
    outside = drawn.copy()
    outside[max(y1 - 6, 0) : y2 + 7, max(x1 - 6, 0) : x2 + 7] = False
    assert outside.sum() > 2 * 18 * 40


def test_labels_cover_no_point() -> None:
    picture = Picture(Image.new("RGB", (500, 500), "navy"))
    picture.box((300, 300, 700, 700), TRUTH)
    before = [np.asarray(picture.finish().crop((0, 0, 500, 500)))]
    where_label = (before[0] != np.asarray(picture.image)).any(axis=2)
    where_label[140:360, 140:360] = False
    (y, x) = np.argwhere(where_label)[len(np.argwhere(where_label)) // 2]
    picture.points([(2 * x, 2 * y)], TRUTH, positive=True)
    after = np.asarray(picture.finish().crop((0, 0, 500, 500)))
    assert (after[y, x] == GREEN).all(), "the label has moved away from the point"


def test_a_box_that_fills_the_frame_is_named_below_it() -> None:
    picture = Picture(Image.new("RGB", (500, 500), "navy"))
    picture.box((0, 0, 1000, 1000), TRUTH)
    assert not changed(picture)[20:480, 20:480].any() and picture.finish().height > 500


def test_a_track_moves_between_seconds_dotted_and_is_whole_at_them() -> None:
    boxes = {0: (100, 100, 300, 300), 1: (500, 100, 700, 300)}
    seconds = [k / 8 for k in range(17)]
    shares, lefts = {}, {}
    for second in (0.0, 0.5, 1.0, 1.5, 2.0):
        picture = Picture(Image.new("RGB", (800, 800), "navy"), second, seconds)
        picture.track(boxes, TRUTH)
        green = (np.asarray(picture.finish()) == GREEN).all(axis=2)
        if green.any():
            rows, columns = np.nonzero(green)
            lefts[second] = columns.min() / 800
            shares[second] = green[rows.min()].sum() / (columns.max() - columns.min())
    assert lefts == pytest.approx({0.0: 0.1, 0.5: 0.3, 1.0: 0.5, 1.5: 0.5}, abs=0.03)
    assert shares[0.0] > 0.95 < shares[1.0] and shares[0.5] < 0.7 > shares[1.5]
    picture = Picture(Image.new("RGB", (800, 800), "navy"), 0.5, seconds)
    picture.track(boxes, TRUTH, (0.75, 1.0))
    assert not changed(picture).any(), "outside its span a tube is nowhere"


def test_truth_and_answer_differ_in_more_than_colour() -> None:
    grey = []
    for colour in (TRUTH, ANSWER):
        picture = Picture(Image.new("RGB", (500, 500), "navy"))
        picture.box((200, 200, 800, 800), colour, " ")
        mask = np.zeros((10, 10), dtype=bool)
        mask[4:6, 4:6] = True
        picture.mask(mask, colour)
        grey.append(changed(picture))
    assert (grey[0] != grey[1]).sum() > 1000


@pytest.mark.parametrize("ground", [TRUTH, "white", "black", "#00714f"])
def test_a_box_shows_on_any_ground(ground: str) -> None:
    picture = Picture(Image.new("RGB", (500, 500), ground))
    picture.box((200, 200, 800, 800), TRUTH)
    column = np.asarray(picture.finish().convert("L")).astype(int)[250, 80:120]
    assert np.ptp(column) > 90


def test_the_time_line_s_words_are_clear_of_its_bars() -> None:
    picture = Picture(Image.new("RGB", (400, 400), "navy"), 0.0, [0.0, 10.0])
    picture.span(0.0, 10.0, TRUTH)
    strip = np.asarray(picture.finish())[400:]
    bars = (strip == GREEN).all(axis=2).any(axis=1)
    words = (strip == 255).all(axis=2)[:, 20:380].any(axis=1)
    assert bars.any() and words.any() and not (bars & words).any()


@pytest.mark.parametrize(
    ("value", "said"),
    [(3.0, "3"), (-0.0, "0"), (2.5, "2.5"), (1e20, "1e+20"), (float("nan"), "nan"), ("A", "A"), (7, "7")],
)
def test_numbers_have_no_needless_point(value: object, said: str) -> None:
    assert written(value) == said


def test_a_choice_is_said_with_its_option(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(Picture, "note", lambda self, text, colour: said.append(text))
    for options in (("A. red", "B. green"), ("red", "green"), ("A", "B"), ()):
        sample = Sample("c", "multiple_choice", "text", "?", "B", options)
        get_task("multiple_choice").draw(sample, read_answer("<think></think><answer>B</answer>"), [])
    assert said[1::3] == ["truth: B. green", "truth: B. green", "truth: B", "truth: B"]
    assert said[2::3] == ["answer: B. green", "answer: B. green", "answer: B", "answer: B"]


def test_masks_of_an_answer_are_drawn() -> None:
    mask = np.zeros((20, 20), dtype=bool)
    mask[5:15, 5:15] = True
    sample = Sample("s", "image_segmentation", "image", "it", "", media=("a.png",))
    task, frame = get_task("image_segmentation"), Image.new("RGB", (400, 400), "navy")
    (plain,), (masked,) = task.draw(sample, None, [frame]), task.draw(sample, None, [frame], masks=[mask])
    assert (np.asarray(plain) != np.asarray(masked)).any(axis=2)[100:300, 100:300].mean() > 0.3


def test_the_palette_is_okabe_and_itos() -> None:
    theirs = [(0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
              (204, 121, 167)]  # fmt: skip
    assert [ImageColor.getrgb(colour) for colour in PALETTE.values()] == theirs
    assert {TRUTH, ANSWER} <= set(PALETTE.values())
