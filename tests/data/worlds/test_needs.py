"""Worlds that need tools: what is asked cannot be seen without the tool, and can be with the teacher's calls."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image

from onethinker import score
from onethinker.data.inspect import check
from onethinker.data.worlds.font import glyph
from onethinker.data.worlds.needs import KNOWLEDGE, build_needs, needs_named
from onethinker.data.worlds.needs.base import final, work
from onethinker.data.worlds.needs.look import COUNTS, PART, SECONDS, filmed
from onethinker.data.worlds.needs.search import facts
from onethinker.data.worlds.needs.zoom import marked
from onethinker.data.worlds.scene import Level, Scene, Thing, WorldError, draw_still
from onethinker.engines.encode import within_budget
from onethinker.media import MediaBudget, open_clip, open_image
from onethinker.sample import Samples, load_samples
from onethinker.scoring.rollout import make_request
from onethinker.tasks.prompts import load_prompts
from onethinker.tools import make_tools
from onethinker.tools.call import answer_call
from onethinker.tools.zoom import cropped

SEEN = MediaBudget(image_pixels=64 * 64, frame_pixels=64 * 64, fps=2.0, max_frames=6)
MORE = SEEN.model_copy(update={"image_pixels": 96 * 96, "max_frames": 16})
"""What a model sees beside its tools, and one that has none and as many visual tokens."""
STARTS = range(0, SECONDS, PART)
"""The first second of each part of a clip that shows one shape."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_needs(tmp_path_factory.mktemp("needs"), 12, seed=2, teacher_error=0.0, validation=3, test=6)


@pytest.fixture(scope="module")
def train(folder: Path) -> Samples:
    return load_samples(folder / "train")


def test_it_is_sound_and_the_same_again(folder: Path, train: Samples, tmp_path: Path) -> None:
    assert check(folder) == []
    assert Counter(s.meta["needs"] for s in train) == {"zoom": 4, "look": 4, "search": 4}
    assert len({s.meta["kind"] for s in train}) == 5
    one, again = (build_needs(tmp_path / name, 3, seed=2) for name in "ab")
    assert json.loads((again / "world.json").read_text()) == json.loads((one / "world.json").read_text())


def test_the_teachers_calls_show_what_is_asked(folder: Path, train: Samples) -> None:
    """Every call succeeds, its response holds the clue, and the answer after it is right."""
    tools, prompts = make_tools(["zoom", "look", "search"], folder / KNOWLEDGE), load_prompts("short")
    for sample in train:
        (turn,) = [answer_call(t, make_request(sample, train, prompts, SEEN), tools) for t in sample.meta["turns"]]
        assert not turn.failed and turn.tool == sample.meta["needs"]
        assert score(sample, sample.meta["response"]).accuracy == 1
        if turn.tool == "search":
            assert str(turn.response[0]).startswith(f"[{sample.meta['clue']}]") and sample.truth in turn.response[0]
        else:
            assert len(turn.pictures) == {"zoom": 1, "look": 5}[turn.tool]


def test_small_marks_are_seen_in_the_crop_alone() -> None:
    """Pictures that differ in a mark hardly differ at the budget; their crops do, and show the letters."""
    scene = Scene(64, (Thing("circle", "red", "small", (16, 16, 32, 32)),))

    def seen(picture: np.ndarray) -> np.ndarray:
        return np.asarray(within_budget(Image.fromarray(picture[0]), MORE.image_pixels, 16), int)

    def crop(picture: np.ndarray) -> np.ndarray:
        return np.asarray(cropped(Image.fromarray(picture[0]), (250, 500, 312.5, 562.5), SEEN.image_pixels), int)

    words = [marked(scene, [(word, "green", (3, 17))]) for word in ("HE", "HK", "HL")]
    shapes = [marked(scene, [(shape, "green", (32, 32))]) for shape in ("circle", "square", "triangle")]
    for one, two in [*combinations(words, 2), *combinations(shapes, 2)]:
        assert np.abs(seen(one) - seen(two)).max() < 40
        assert np.abs(crop(one) - crop(two)).max() > 150
    ink = np.abs(crop(words[0]) - 238).sum(-1) > 200
    assert (ink[17:31, 3:13] == glyph("H", 2)).mean() > 0.95 and (ink[17:31, 19:29] == glyph("E", 2)).mean() > 0.95


def test_brief_events_lie_between_the_frames(train: Samples) -> None:
    """A budget's frames show each part's shape alone; the teacher's look shows one frame that is another picture."""
    for sample in (s for s in train if s.meta["needs"] == "look"):
        file = sample.paths(train.root)[0]
        usual = {part: open_clip(file, SEEN, times=np.array([part + 1.0])).frames[0].astype(int) for part in STARTS}
        for count in COUNTS:
            clip = open_clip(file, SEEN.model_copy(update={"max_frames": count}))
            assert len(clip.frames) == count
            for frame, second in zip(clip.frames, clip.times, strict=True):
                assert np.abs(frame - usual[second // PART * PART]).max() < 25
        call = json.loads(sample.meta["turns"][0].split("<tool_call>")[1].split("</tool_call>")[0])["arguments"]
        seconds = np.arange(call["start"], call["end"] + 1, 1 / call["fps"])
        looked = open_clip(file, SEEN, times=seconds).frames.astype(int)
        other = np.abs(looked - usual[call["start"] // PART * PART]).max(axis=(1, 2, 3)) > 100
        assert len(looked) == 5 and other.sum() == 1


def test_a_brief_picture_lasts_a_second() -> None:
    rng = Random(0)
    parts = [draw_still(rng, Level(), 1) for _ in STARTS]
    film = filmed(parts, [draw_still(rng, Level(), 2)], [42])
    assert len(film) == 60 and [i for i in range(60) if (film[i] != film[i // PART * PART]).any()] == [42]


def test_facts_of_splits_are_disjoint_and_few_hundred(folder: Path) -> None:
    table = facts(2, 0)
    assert len(table) == len({f.id for f in table}) == len({f.text.rsplit(" is ")[0] for f in table}) == 189
    assert len({tuple(sorted(" ".join(f.of).split())) for f in table}) == 189  # a search by words tells all apart
    assert Counter(f.split for f in table) == {"train": 132, "test": 38, "validation": 19}
    rows = [json.loads(line) for line in (folder / KNOWLEDGE).read_text().splitlines()]
    assert {row["id"]: row["text"] for row in rows} == {f.id: f.text for f in table}
    asked = {
        s.meta["clue"]
        for split in ("test", "validation")
        for s in load_samples(folder / split)
        if s.meta["kind"] == "fact"
    }
    assert asked and asked.isdisjoint({f.id for f in table if f.split == "train"})


def test_the_teacher_errs_as_often_as_it_is_told() -> None:
    rng = Random(0)
    made = [work(rng, 0.2, ("<think>r", "<think>w"), (final("", "A"), final("", "B"))) for _ in range(1000)]
    astray = [w for w in made if len(w.turns) == 2]
    assert 150 < len(astray) < 250 and astray[0].turns == ("<think>w", "<think>not there. r")
    assert 150 < sum("B" in w.response for w in made) < 250


def test_what_cannot_be_built_is_said(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="fly: expected some of zoom, look, search"):
        needs_named("zoom,fly")
    with pytest.raises(WorldError, match="difficulty 2: a world that needs tools has 0 to 1"):
        build_needs(tmp_path / "w", 3, 0, 2)


def test_pictures_are_large(train: Samples) -> None:
    sample = next(s for s in train if s.meta["needs"] == "zoom")
    assert open_image(sample.paths(train.root)[0]).size == (1024, 1024)
