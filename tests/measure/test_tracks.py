"""Tracks: GOT-10k against its toolkit, the spatial-temporal measures by hand."""

import numpy as np
import pytest
from got10k.utils.metrics import rect_iou

from onethinker.measure import boxes, tracks
from tests.amount import many

BOX = (100, 100, 300, 300)
HALF = (100, 100, 300, 200)


def as_sides(corners: np.ndarray) -> np.ndarray:
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)


def random_track(rng: np.random.Generator, frames: int) -> np.ndarray:
    corner = np.cumsum(rng.normal(0, 15, (frames, 2)), axis=0) + rng.uniform(-40, 500, 2)
    return np.concatenate([corner, corner + rng.uniform(20, 200, (frames, 2))], axis=1)


def test_got10k_is_the_toolkits():
    rng = np.random.default_rng(0)
    evidence, toolkit = [], []
    for _ in range(40):
        frames, size = int(rng.integers(2, 80)), (640, 360)
        true = random_track(rng, frames)
        pred = true + rng.normal(0, 25, (frames, 4))
        cover = rng.integers(0, 9, frames)
        evidence.append(tracks.got10k(pred, true, size, cover))
        toolkit.append(rect_iou(as_sides(pred)[1:], as_sides(true)[1:], bound=size)[cover[1:] > 0])
    ious = np.concatenate(toolkit)
    pooled = tracks.got10k_pool(evidence)
    assert sum(row["frames"] for row in evidence) == len(ious) > 500
    expected = [ious.mean(), (ious > 0.5).mean(), (ious > 0.75).mean()]
    np.testing.assert_allclose(list(pooled.values()), expected, atol=1e-12)


def test_got10k_frames_are_pooled_not_clips():
    good = tracks.got10k([BOX] * 2, [BOX] * 2, (1000, 1000))
    bad = tracks.got10k([(0, 0, 1, 1)] * 4, [BOX] * 4, (1000, 1000))
    assert tracks.got10k_pool([good, bad]) == {"AO": 0.25, "SR0.5": 0.25, "SR0.75": 0.25}


def test_got10k_leaves_out_the_given_frame_and_frames_without_the_object():
    wrong, right = (0, 0, 1, 1), BOX
    row = tracks.got10k([wrong, right, wrong], [right] * 3, (1000, 1000), [1, 1, 0])
    assert row == {"frames": 1, "iou": 1, "above_0.5": 1, "above_0.75": 1}


def test_got10k_threshold_is_strict():
    row = tracks.got10k([BOX, HALF], [BOX, BOX], (1000, 1000))
    assert (row["iou"], row["above_0.5"]) == (0.5, 0)


def test_got10k_of_several_clips_is_each_ones_own():
    rng, size, counts = np.random.default_rng(3), (640, 360), np.array([1, 5, 30])
    true = np.concatenate([random_track(rng, frames) for frames in counts])
    pred, cover = true + rng.normal(0, 25, true.shape), rng.integers(0, 3, len(true))
    found = tracks.got10k(pred, true, size, cover, counts)
    for n, (first, last) in enumerate(zip(np.cumsum(counts) - counts, np.cumsum(counts))):
        part = slice(first, last)
        alone = tracks.got10k(pred[part], true[part], size, cover[part])
        assert {name: values[n] for name, values in found.items()} == pytest.approx({k: v[0] for k, v in alone.items()})


def test_got10k_wants_equal_lengths():
    with pytest.raises(ValueError, match="1 predicted boxes, 2 true ones"):
        tracks.got10k([BOX], [BOX] * 2, (10, 10))
    with pytest.raises(ValueError, match="one cover value a frame"):
        tracks.got10k([BOX] * 2, [BOX] * 2, (10, 10), [1])
    assert all(np.isnan(value) for value in tracks.got10k_pool([]).values())


def pairs_of(*both: tuple[dict, dict]) -> tracks.Pairs:
    return tracks.pair(*(tracks.Tracks.of(side) for side in zip(*both, strict=True)))


def test_means_over_true_common_and_all_seconds():
    true = dict.fromkeys(range(1, 5), BOX)
    pairs = pairs_of(({1: BOX, 2: HALF, 9: BOX, 10: BOX}, true), ({}, true), (true, true))
    np.testing.assert_allclose(tracks.mean_over_true_seconds(pairs), [1.5 / 4, 0, 1])
    np.testing.assert_allclose(tracks.mean_over_common(pairs), [1.5 / 2, 0, 1])
    np.testing.assert_allclose(tracks.mean_over_union(pairs), [1.5 / 6, 0, 1])
    assert tracks.key_overlap(pairs).tolist() == [0.5, 0, 1]


MEANS = (tracks.mean_over_true_seconds, tracks.mean_over_common, tracks.mean_over_union)


@pytest.mark.parametrize("measure", MEANS)
def test_empty_tracks_score_0(measure):
    assert measure(pairs_of(({}, {1: BOX}), ({1: BOX}, {}), ({}, {}))).tolist() == [0, 0, 0]
    assert tracks.key_overlap(pairs_of(({}, {}))).tolist() == [0]


@pytest.mark.parametrize("measure", MEANS)
def test_many_tracks_in_any_order_are_each_measured_alone(measure):
    """Against box by box, with keys in disorder and as large as they may be."""
    rng, both = np.random.default_rng(2), []
    for _ in range(many(300, 50)):
        sides = []
        for _ in "pt":
            keys = rng.permutation([*range(rng.integers(0, 12)), 2**30 - 1])[: rng.integers(0, 13)]
            sides.append(dict(zip(keys.tolist(), map(tuple, random_track(rng, len(keys))))))
        both.append(tuple(sides))
    found = measure(pairs_of(*both))
    assert found == pytest.approx([measure(pairs_of(one))[0] for one in both], abs=1e-12)
    for (pred, true), value in zip(both, found, strict=True):
        total = sum(boxes.iou(pred[k], true[k])[0] for k in pred.keys() & true.keys())
        count = {
            tracks.mean_over_true_seconds: len(true),
            tracks.mean_over_common: len(pred.keys() & true.keys()),
            tracks.mean_over_union: len(pred.keys() | true.keys()),
        }[measure]
        assert value == pytest.approx(total / max(count, 1))


def test_as_many_tracks_as_true_ones():
    with pytest.raises(ValueError, match="1 and 2 true ones"):
        tracks.pair(tracks.Tracks.of([{}]), tracks.Tracks.of([{}, {}]))


def test_viou_frame_by_frame():
    rng = np.random.default_rng(1)
    both, spans_N22, expected = [], [], []
    for _ in range(many(200, 40)):
        spans = np.sort(rng.uniform(0, 30, (2, 2)), axis=1)
        pred, true = (
            {k: tuple(box) for k, box in enumerate(random_track(rng, 30)) if rng.random() < 0.9} for _ in "pt"
        )
        total = count = 0
        for frame in range(31):
            inside = [start <= frame <= end for start, end in spans]
            count += any(inside)
            if all(inside) and frame in pred and frame in true:
                total += boxes.iou([pred[frame]], [true[frame]])[0]
        both.append((pred, true))
        spans_N22.append(spans)
        expected.append(total / max(count, 1))
    pred_N2, true_N2 = np.moveaxis(np.array(spans_N22), 1, 0)
    assert tracks.viou(pairs_of(*both), pred_N2, true_N2) == pytest.approx(expected)


def test_viou_of_endless_and_reversed_spans():
    true = dict.fromkeys(range(10), BOX)
    same, endless, reversed_span, none = tracks.viou(
        pairs_of(*[(true, true)] * 4), [(0, 9), (0, 1e300), (9, 0), (np.inf, -np.inf)], [(0, 9)] * 4
    )
    assert same == 1 and 0 < endless < 1e-200 and reversed_span == none == 0


def test_interpolation_is_linear_and_held_at_the_ends():
    track = {2.0: (20, 0, 40, 10), 0.0: (0, 0, 20, 10)}
    boxes_F4 = tracks.interpolate(track, [-1, 0, 0.5, 1, 2, 7])
    assert boxes_F4[:, 0].tolist() == [0, 0, 5, 10, 20, 20]
    assert boxes_F4[:, 2].tolist() == [20, 20, 25, 30, 40, 40]
    assert tracks.interpolate({}, [0, 1]).tolist() == [[0] * 4] * 2
