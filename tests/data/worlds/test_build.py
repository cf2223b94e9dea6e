"""A built world: repeatable, resumable, disjoint, exact where it should be and wrong where the teacher errs."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from onethinker.data.inspect import check
from onethinker.data.worlds import WorldError, build_world, corpus_text, tasks_named
from onethinker.data.worlds.build import SPLITS
from onethinker.data.worlds.questions import FAMILIES
from onethinker.data.worlds.render import RGB
from onethinker.data.worlds.scene import LEVELS, SHAPES
from onethinker.data.worlds.zeroshot import leaks
from onethinker.media import open_clip
from onethinker.sample import load_samples
from onethinker.sample.answer import read_answer
from onethinker.tasks import get_task, score
from onethinker.util.runs import RunError
from tests.amount import many, thinned

N, HELD = many(260, 130), many(52, 26)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_world(tmp_path_factory.mktemp("world") / "w", N, seed=3, validation=HELD, test=HELD)


def bytes_of(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != ".lock")
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_the_same_seed_writes_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    n, held = many(260, 26), many(52, 13)
    one, again, other = (
        bytes_of(build_world(tmp_path / name, n, seed=seed, validation=held, test=held))
        for name, seed in (("one", 3), ("again", 3), ("other", 4))
    )
    assert again == one
    assert other["train/samples.jsonl"] != one["train/samples.jsonl"]


def test_a_finished_world_is_left_alone_and_a_broken_off_one_is_finished(world: Path, tmp_path: Path) -> None:
    folder = build_world(tmp_path / "w", 52, seed=5)
    whole = bytes_of(folder)
    written = (folder / "world.json").stat().st_mtime_ns
    build_world(folder, 52, seed=5)
    assert (folder / "world.json").stat().st_mtime_ns == written
    (folder / "world.json").unlink()
    (folder / "train" / "samples.jsonl").unlink()
    for file in sorted((folder / "train" / "media").iterdir())[::2]:
        file.unlink()
    assert bytes_of(build_world(folder, 52, seed=5)) == whole


def test_another_configuration_is_refused(world: Path) -> None:
    with pytest.raises(RunError, match="seed: 3 → 4"):
        build_world(world, N, seed=4, validation=HELD, test=HELD)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"tasks": ["flying"]}, "flying"),
        ({"difficulty": 9}, "0 to 3"),
        ({"teacher_error": 2.0}, "share"),
        ({"validation": 0}, "split"),
    ],
)
def test_bad_knobs_are_refused(tmp_path: Path, knobs: dict, message: str) -> None:
    with pytest.raises(WorldError, match=message):
        build_world(tmp_path / "w", 13, 0, **knobs)
    assert not (tmp_path / "w").exists()


def test_splits_hold_what_was_asked_for_evenly(world: Path) -> None:
    for split in SPLITS:
        samples = load_samples(world / split)
        counts = Counter(s.task for s in samples)
        assert set(counts) == set(FAMILIES) and max(counts.values()) - min(counts.values()) <= 1
        assert {s.meta["split"] for s in samples} == {split}
    train = load_samples(world / "train")
    for task in ("multiple_choice", "numerical", "regression", "open_ended", "caption"):
        modalities = Counter(s.modality for s in train if s.task == task)
        assert abs(modalities["image"] - modalities["video"]) <= 2
    assert any(len(s.media) == 2 and s.question.count("<image>") == 2 for s in train)
    summary = json.loads((world / "world.json").read_text())
    assert summary["counts"]["train"] == dict(sorted(Counter(s.task for s in train).items()))


def test_tasks_are_named_by_group_and_weighed_by_how_often() -> None:
    published, extra = tasks_named("published"), tasks_named("extra")
    assert published == list(FAMILIES) and "detection" in extra and not set(extra) & set(published)
    assert tasks_named("ocr, detection,detection") == ["ocr", "detection", "detection"]
    assert tasks_named("published,extra") == [*published, *extra]
    for words, said in (("ocr,flying", "flying"), ("", "none")):
        with pytest.raises(WorldError, match=f"{said}: expected some of published, extra, multiple_choice"):
            tasks_named(words)


def test_a_world_without_names_is_what_it_was(tmp_path: Path) -> None:
    """Byte for byte that of the thirteen published tasks, whatever tasks there are beside them."""
    folder = build_world(tmp_path / "w", 26, seed=5, validation=1, test=13)
    assert json.loads((folder / "world.json").read_text())["digest"] == "b755caddd94f9a45"


def test_a_world_of_other_tasks_is_sound(tmp_path: Path) -> None:
    folder = build_world(tmp_path / "w", 30, seed=1, difficulty=1, tasks=tasks_named("extra"), validation=3, test=9)
    assert check(folder) == []
    assert {s.task for s in load_samples(folder / "train")} == set(tasks_named("extra"))


@pytest.mark.parametrize("difficulty", thinned(range(len(LEVELS)), len(LEVELS) - 1))
def test_every_level_is_sound_and_leaks_no_zero_shot_question(difficulty: int, tmp_path: Path) -> None:
    folder = build_world(tmp_path / "w", many(52, 26), seed=1, difficulty=difficulty, validation=13, test=13)
    assert check(folder) == []  # truths score 1, media open, nothing is in two splits
    assert [leak for split in SPLITS for leak in leaks(load_samples(folder / split))] == []


def test_no_scene_is_in_two_splits(world: Path) -> None:
    assert check(world) == []
    media = [{p.name for p in (world / split / "media").iterdir()} for split in SPLITS]
    assert sum(map(len, media)) == len(set.union(*media))
    frames = [
        {open_clip(p).frames.tobytes() for p in (world / split / "media").iterdir() if p.suffix == ".png"}
        for split in SPLITS
    ]
    assert sum(map(len, frames)) == len(set.union(*frames))


def test_held_out_answers_earn_the_whole_reward(world: Path) -> None:
    for split in ("validation", "test"):
        for sample in load_samples(world / split):
            scored = score(sample, sample.meta["response"])
            assert scored.reward("released") == pytest.approx(1.5), sample
            assert scored.reward("paper") == pytest.approx(get_task(sample.task).paper_max + 1), sample


@pytest.mark.slow
def test_the_teacher_errs_in_training_only_and_only_when_told(world: Path, tmp_path: Path) -> None:
    def accuracy(folder: Path) -> float:
        return float(np.mean([score(s, s.meta["response"]).accuracy for s in load_samples(folder / "train")]))

    wrong = build_world(tmp_path / "wrong", N, seed=3, validation=HELD, test=HELD, teacher_error=0.5)
    right = build_world(tmp_path / "right", N, seed=3, validation=HELD, test=HELD, teacher_error=0.0)
    assert accuracy(right) == 1.0
    assert accuracy(wrong) < accuracy(world) - 0.05 < 0.95
    rows = [load_samples(f / "train") for f in (right, wrong)]
    assert [s.digest() for s in rows[0]] == [s.digest() for s in rows[1]]  # the questions and truths are the same
    assert (right / "test/samples.jsonl").read_bytes() == (wrong / "test/samples.jsonl").read_bytes()


def test_responses_are_short_and_in_form(world: Path) -> None:
    for sample in load_samples(world / "train"):
        answer = read_answer(sample.meta["response"])
        assert answer.format == 1
        assert 0 < len(answer.thinking) < 260
        assert " " not in answer.text or not answer.text.startswith("{")


def test_the_clip_as_decoded_shows_the_tracked_thing_in_its_boxes(world: Path) -> None:
    """Truth against the file: the colour in each second's box, read back from the compressed clip."""
    samples = load_samples(world / "test").of_task("tracking")
    for sample in samples:
        boxes = json.loads(sample.truth)["boxes"]
        named = sample.meta["response"].removeprefix("<think>").split()
        colour, shape = named[1:3]
        assert shape in SHAPES
        clip = open_clip(samples.root / sample.media[0], times=[int(k) - 1 for k in boxes])
        for frame, (x1, y1, x2, y2) in zip(clip.frames, boxes.values(), strict=True):
            pixel = frame[round((y1 + y2) * 0.032), round((x1 + x2) * 0.032)]
            assert np.abs(pixel.astype(int) - RGB[colour]).max() < 25


def test_the_corpus_is_every_text(world: Path) -> None:
    samples = load_samples(world / "test")
    texts = set(corpus_text(samples))
    for sample in samples:
        assert {sample.question, *sample.options, sample.truth, sample.meta["response"]} <= texts
