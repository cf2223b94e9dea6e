"""Zero-shot questions: sound, repeatable, recognisable, and right by the pixels."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from onethinker.data.inspect import check
from onethinker.data.worlds.render import RGB
from onethinker.data.worlds.scene import LEVELS
from onethinker.data.worlds.zeroshot import CONTROL, MAKERS, build_zeroshot, leaks
from onethinker.media import open_image
from onethinker.sample import Sample, Samples, load_samples
from tests.amount import many, thinned

SETS = many(20, 10)
"""Questions of each kind."""


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return load_samples(build_zeroshot(tmp_path_factory.mktemp("zero") / "z", SETS * len(MAKERS), seed=2))


def of_kind(samples: Samples, kind: str) -> list[tuple[Sample, np.ndarray]]:
    chosen = [s for s in samples if s.meta["kind"] == kind]
    return [(s, np.asarray(open_image(samples.root / s.media[0])).astype(int)) for s in chosen]


def test_kinds_take_turns_and_each_has_a_phrase_of_its_own(samples: Samples) -> None:
    assert Counter(s.meta["kind"] for s in samples) == dict.fromkeys(MAKERS, SETS)
    assert leaks(samples) == [s.id for s in samples if s.meta["kind"] != CONTROL]


def test_the_same_seed_gives_the_same_file(tmp_path: Path) -> None:
    one, again = (build_zeroshot(tmp_path / name, 2 * len(MAKERS), seed=2) for name in "ab")
    assert (again / "samples.jsonl").read_bytes() == (one / "samples.jsonl").read_bytes()


@pytest.mark.parametrize("difficulty", thinned(range(len(LEVELS)), len(LEVELS) - 1))
def test_every_level_is_sound(difficulty: int, tmp_path: Path) -> None:
    assert check(build_zeroshot(tmp_path / "z", 3 * len(MAKERS), 0, difficulty)) == []


def test_the_box_of_a_tilted_bar_holds_its_colour_to_the_edge(samples: Samples) -> None:
    for sample, picture in of_kind(samples, "rotated_box"):
        colour = sample.question.split()[2]
        near = (np.abs(picture - RGB[colour]).sum(-1) < 120).astype(np.uint8)
        x, y, w, h = cv2.boundingRect(near)
        box = np.array(json.loads(sample.truth)["boxes"]) * 0.064
        assert np.abs(np.array([x, y, x + w, y + h]) - box).max() <= 2


def test_the_angle_is_the_bar_s_by_its_moments(samples: Samples) -> None:
    for sample, picture in of_kind(samples, "tilt"):
        ground = np.median(picture.reshape(-1, 3), axis=0)
        moments = cv2.moments((np.abs(picture - ground).sum(-1) > 90).astype(np.uint8), binaryImage=True)
        angle = np.degrees(0.5 * np.arctan2(2 * moments["mu11"], moments["mu20"] - moments["mu02"])) % 180
        assert angle == pytest.approx(float(sample.truth), abs=2.5)


def test_the_odd_one_out_is_the_only_one_of_its_look(samples: Samples) -> None:
    for sample, picture in of_kind(samples, "anomaly"):
        x1, y1, x2, y2 = (round(v * 0.064) for v in json.loads(sample.truth)["boxes"])
        odd = picture[y1:y2, x1:x2]
        windows = [
            picture[y : y + 16, x : x + 16] for y in range(4, 45, 4) for x in range(4, 45, 4) if (x, y) != (x1, y1)
        ]
        alike = sum(np.abs(odd - window).mean() < 12 for window in windows)
        assert odd.shape == (16, 16, 3)
        assert alike == 0


@pytest.mark.parametrize("kind", ["unseen_count", CONTROL])
def test_counts_go_from_none_to_three(samples: Samples, kind: str) -> None:
    assert {s.truth for s, _ in of_kind(samples, kind)} == {"0", "1", "2", "3"}
