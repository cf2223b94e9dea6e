"""What the published code measured wrongly, one test for each: every one fails on the faulty behaviour."""

import math

import numpy as np
import pytest

from onethinker.measure import boxes, masks, text, tracks

OPTIONS = ("A. yes", "B. no", "C. maybe", "D. both")


@pytest.mark.parametrize("line", ["a / b", "x < y > z", "1 / 2 < 3", "</ p >"])
def test_white_space_around_signs_is_kept(line):
    assert text.wer(line, line) == 0
    squeezed = line.replace(" / ", "/").replace(" < ", "<").replace(" > ", ">").replace("</ ", "</")
    assert text.wer(line, squeezed) > 0


def test_two_well_formed_boxes_have_an_iou():
    assert boxes.iou([[35, 227, 437, 932]], [[40, 230, 440, 940]])[0] > 0.9


def test_first_letters_choose_nothing_and_dressed_letters_do():
    assert text.choice("Don't know", OPTIONS) is None
    assert text.choice("ERROR", [*OPTIONS, "E. none"]) is None
    assert text.choice("(D)", OPTIONS) == "D"


def _square(height: int, width: int, top: int, left: int) -> np.ndarray:
    mask = np.zeros((height, width), dtype=bool)
    mask[top : top + 100, left : left + 100] = True
    return mask


def test_boundary_radius_is_0_008_of_the_diagonal_rounded_up():
    # Diagonal 516: 0.0075 of it is 3.9, at most 4 however it is rounded; 0.008 of it is 4.1 and rounds up to 5.
    assert masks.boundary_f(_square(300, 420, 105, 100), _square(300, 420, 100, 100)) == 1
    assert masks.boundary_f(_square(300, 420, 106, 100), _square(300, 420, 100, 100)) < 1


def test_boundary_is_matched_within_a_disk_not_a_square():
    # Four to the right and four down is within a square of reach 4, and 5.7 pixels away.
    aslant = masks.boundary_f(_square(300, 400, 104, 104), _square(300, 400, 100, 100))
    assert aslant == pytest.approx(0.9825, abs=1e-4)


def test_frames_without_the_object_count_and_agree_when_left_empty():
    empty, full = np.zeros((2, 40, 50), dtype=bool), np.zeros((2, 40, 50), dtype=bool)
    full[:, 10:30, 10:30] = True
    assert masks.j_and_f(empty, empty) == (1, 1, 1)
    assert masks.j_and_f(full, empty) == (0, 0, 0)
    assert masks.j_and_f(np.concatenate([full, full]), np.concatenate([full, empty])) == (0.5, 0.5, 0.5)


def test_one_right_box_of_eleven_is_no_perfect_track():
    box = (100, 100, 300, 300)
    true = dict.fromkeys(range(11), box)
    pairs = tracks.pair(tracks.Tracks.of([{4: box}]), tracks.Tracks.of([true]))
    assert tracks.mean_over_common(pairs) == [1]  # what the published reward keeps
    assert tracks.mean_over_union(pairs) == pytest.approx([1 / 11])
    assert tracks.viou(pairs, (0, 10), (0, 10)) == pytest.approx([1 / 11])
    assert tracks.mean_over_true_seconds(pairs) == pytest.approx([1 / 11])


def test_infinity_is_not_a_number_and_equals_nothing():
    assert text.number("inf") is text.number("1e999") is text.number("nan") is None
    assert not text.same_number(math.inf, math.inf)
    assert not text.math_equal("inf", "inf")
    assert text.mra(math.inf, math.inf) == 0


def test_a_word_equals_itself_in_mathematics():
    assert text.math_equal("triangle", "triangle")
    assert not text.math_equal("triangle", "integral")
