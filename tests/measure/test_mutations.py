"""Operators changed by hand, one at a time: each change must break a named check."""

import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from onethinker import measure

FOLDER = Path(measure.__path__[0])
BOX = (100.0, 100.0, 300.0, 300.0)
HALF = (100.0, 100.0, 300.0, 200.0)


def square(top: int, left: int) -> np.ndarray:
    mask = np.zeros((300, 400), dtype=bool)
    mask[top : top + 100, left : left + 100] = True
    return mask


def boxes_checks(m) -> None:
    assert m.iou([[0, 0, 4, 4]], [[2, 2, 6, 6]]).tolist() == [4 / 28]
    assert m.iou([[0, 0, 4, 4]], [[6, 0, 8, 4]]).tolist() == [0]
    assert m.iou([[9, 9, 1, 1]], [[9, 9, 1, 1]]).tolist() == [0]
    assert m.accuracy_at([0.5, 0.4], 0.5) == 0.5


def spans_checks(m) -> None:
    assert m.iou([[0, 4]], [[2, 8]]).tolist() == m.iou_ordered([[4, 0]], [[2, 8]]).tolist() == [0.25]
    assert m.iou_ordered([[-5, 100]], [[0, 10]], 10).tolist() == [1]
    assert m.recall_at([0.3, 0.2], 0.3) == 0.5


def points_checks(m) -> None:
    pred, true = [[[0, 0], [3, 4], [100, 0]]], [[[100, 0], [0, 0], [3, 7]]]
    assert m.matched_distance(pred, true).tolist() == [1]
    assert m.similarity(50) == np.exp(-0.5)


def tracks_checks(m) -> None:
    true, pred = dict.fromkeys(range(4), BOX), {0: BOX, 1: HALF, 9: BOX}
    pairs, same = (m.pair(m.Tracks.of([a]), m.Tracks.of([true])) for a in (pred, true))
    assert (m.mean_over_true_seconds(pairs), m.mean_over_common(pairs)) == (0.375, 0.75)
    assert (m.mean_over_union(pairs), m.key_overlap(pairs)) == (0.3, 0.5)
    assert m.viou(same, (1, 4), (0, 3)) == 0.6
    row = m.got10k([HALF, BOX, HALF, HALF], [BOX] * 4, (1000, 1000), [1, 1, 1, 0])
    assert row == {"frames": 2, "iou": 1.5, "above_0.5": 1, "above_0.75": 1}
    assert m.got10k([BOX] * 2, [(150, 100, 350, 300)] * 2, (250, 1000))["iou"] == 2 / 3
    assert m.got10k([BOX] * 2, [(100, 150, 300, 350)] * 2, (1000, 250))["iou"] == 2 / 3


def masks_checks(m) -> None:
    wide = [np.pad(square(top, 100), ((0, 0), (0, 20))) for top in (100, 105)]
    assert m.boundary_f(*wide) == 1
    assert 0.98 < m.boundary_f(square(104, 104), square(100, 100)) < 0.99
    assert m.boundary_f(square(100, 105), square(100, 100)) < 1
    corner = m.boundary(np.eye(2, dtype=bool)[::-1])
    assert corner.tolist() == [[True, True], [True, False]]
    rle = m.encode(square(3, 4))
    assert np.array_equal(m.decode(rle), square(3, 4)) and m.iou([[0]], [[0]]) == 1
    assert m.ciou([1, 30], [10, 40]) == 0.62
    clips = [square(place, place)[None] for place in (100, 108)]
    assert 0 < m.released_j_and_f(*clips, [True]).f < 0.1


def text_checks(m) -> None:
    assert (m.wer("a b c d", "a x c"), m.wer("", "a")) == (0.5, 1)
    assert m.rouge("the cats run", "the cat ran") == (2 / 3, 1 / 2, 2 / 3)
    assert m.mra(1.5, 1.0) == 0 and m.mra(1.5, 1.0, "official") == 0.1 and m.mra(1.2, 1.0) == 0.6
    assert m.number("-1,234.5e1%") == -12345 and m.number("inf") is None
    assert m.same_number(3.141, 3.14) and not m.same_number(3.14, 3.15)


CHECKS = {
    "boxes": boxes_checks,
    "spans": spans_checks,
    "points": points_checks,
    "tracks": tracks_checks,
    "masks": masks_checks,
    "text": text_checks,
}
MUTATIONS = [
    ("boxes", "return inter, area_a + area_b - inter", "return inter, area_a + area_b + inter"),
    ("boxes", "ious >= threshold", "ious > threshold"),
    ("boxes", "np.minimum(a_4N[2:], b_4N[2:])", "np.maximum(a_4N[2:], b_4N[2:])"),
    ("spans", "ious >= m", "ious > m"),
    ("spans", "np.minimum(a[:, 0], b[:, 0]))", "np.maximum(a[:, 0], b[:, 0]))"),
    ("spans", "-np.inf, 0.0)", "-np.inf, -9.0)"),
    ("points", "totals_NP.min(axis=1)", "totals_NP[:, 0]"),
    ("points", "/ sigma) / 2.0", "/ sigma) * 2.0"),
    ("tracks", "iou_F > 0.5", "iou_F >= 0.5"),
    ("tracks", "prepend=-1) == 0", "prepend=-1) >= 0"),
    ("tracks", "pairs.pred.count_N - pairs.common_N", "pairs.pred.count_N + pairs.common_N"),
    ("tracks", "== true.code_M", ">= true.code_M"),
    ("tracks", "(first_N[row_K] <= key_K)", "(first_N[row_K] < key_K)"),
    ("tracks", "width - left_F", "width"),
    ("tracks", "height - top_F", "height"),
    ("boxes", "np.maximum(x2_N - x1_N, 0.0)", "np.abs(x2_N - x1_N)"),
    ("masks", "math.ceil(BOUNDARY_SHARE", "math.floor(BOUNDARY_SHARE"),
    ("masks", "RELEASED_SHARE = 0.008,", "RELEASED_SHARE = 0.0102,"),
    ("masks", "max(1, round(RELEASED", "max(9, round(RELEASED"),
    ("masks", "reach[:, None] ** 2 + reach**2 <= radius**2", "reach[:, None] ** 2 + 0 * reach <= radius**2"),
    ("masks", "mask_HW[:-1, :-1] ^ mask_HW[1:, 1:]", "mask_HW[:-1, :-1] & mask_HW[1:, 1:]"),
    ("masks", "np.ones_like(inter)", "np.zeros_like(inter)"),
    ("masks", "(digits & 31) << (5 * place)", "(digits & 31) << (4 * place)"),
    ("text", "(10 - bisect_right(_RELEASED", "(9 - bisect_right(_RELEASED"),
    ("text", "2 * shared /", "shared /"),
    ("text", "round(a, 2) == round(b, 2)", "round(a, 1) == round(b, 1)"),
    ("text", "+ surplus) / len(true)", "+ surplus) / len(said)"),
]


def built(name: str, change: Callable[[str], str] = str) -> types.ModuleType:
    """The module made from its source, changed."""
    module = types.ModuleType(f"changed_{name}")
    sys.modules[module.__name__] = module  # where dataclasses look for their module
    exec(compile(change((FOLDER / f"{name}.py").read_text()), name, "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("name", CHECKS)
def test_checks_hold_without_a_change(name):
    CHECKS[name](built(name))


@pytest.mark.parametrize(("name", "old", "new"), MUTATIONS, ids=[f"{name}: {new}" for name, _, new in MUTATIONS])
def test_a_changed_operator_breaks_a_check(name, old, new):
    def change(source: str) -> str:
        assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in {name}.py; name it anew here"
        return source.replace(old, new)

    module = built(name, change)
    with pytest.raises((AssertionError, ValueError)):
        CHECKS[name](module)
