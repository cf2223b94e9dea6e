"""What every registered task promises, whatever a model writes."""

from __future__ import annotations

import json
import math
import time
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

import onethinker.tasks
from onethinker.media import MediaBudget, is_clip, open_clip, open_image
from onethinker.sample import DataError, load_samples
from onethinker.sample.answer import Status, read_answer
from onethinker.tasks import TASKS, get_task, score
from onethinker.tasks.base import METRIC_PROFILES, REWARDS, Score
from tests.amount import many, thinned
from tests.tasks.examples import JSON_TASKS, TEXT_TASKS, respond, sample_of

REAL = Path(__file__).resolve().parents[3] / "shared" / "real"
LONG, DEEP = many(100_000, 2_000), many(10_000, 2_000)
"""Of what is hostile by its length or depth; the names below are those of the whole."""


def boxes_answer(count: int) -> str:
    boxes = ",".join(f'"{second}":[1,2,3,4]' for second in range(count))
    return f'{{"time": [0, 9e5], "boxes": {{{boxes}}}}}'


HOSTILE = {
    "nothing": "",
    "white space": " \n\t ",
    "null": "null",
    "an empty object": "{}",
    "an empty list": "[]",
    "NaN": '{"time": NaN, "boxes": [NaN, NaN, NaN, NaN]}',
    "Infinity": '{"time": [0, Infinity], "boxes": [0, 0, Infinity, Infinity]}',
    "1e999": '{"time": [0, 1e999], "boxes": [0, 0, 1e999, 1e999]}',
    "1e308": '{"time": [0, 1e308], "boxes": [-1e308, -1e308, 1e308, 1e308]}',
    "a long integer": f'{{"time": [0, {"9" * 5000}], "boxes": [0, 0, 1, {"9" * 5000}]}}',
    "booleans": '{"time": [false, true], "boxes": [false, false, true, true]}',
    "text as numbers": '{"time": ["1", "2"], "boxes": ["1", "2", "3", "4"]}',
    "duplicate keys": '{"time": [1, 2], "time": [3, 9], "boxes": [1, 2, 3, 4], "boxes": [1, 2, 3, 5]}',
    "10,000 levels": "[" * DEEP + "]" * DEEP,
    "10,000 levels of objects": '{"boxes":' * DEEP + "1" + "}" * DEEP,
    "lone surrogates": '{"boxes": "\ud800", "\udfff": "\ud800\ud800"}',
    "escaped lone surrogates": r'{"boxes": {"\ud800": [1, 2, 3, 4]}, "time": "\udfff"}',
    "right-to-left marks": '\u202e{"time": [1, 2], "boxes": [1, 2, 3, 4]}\u202c',
    "a null byte": '{"time": [1, 2]\x00, "boxes": [1, 2, 3, 4]}',
    "wrong shapes": '{"time": {"a": 1}, "boxes": [[1, 2], [3, 4]], "positive_points": 3, "negative_points": [[1]]}',
    "nested answers": "<answer><answer>B</answer>",
    "a wall of brackets": "[{" * LONG,
    "a wall of quotes": "\"'" * LONG,
    "a wall of digits": "9" * (9 * LONG),
    "a wall of words": "dog " * (2 * LONG),
    "a million boxes": boxes_answer(10 * LONG),
    "ten thousand boxes": boxes_answer(LONG // 10),
    "latex bomb": "$" + "{" * 400 + "x" + "}" * 400 + "^" * 100 + "$",
    "huge power": "$9^{9^{9^{9}}}$",
}
NEVER_JSON = HOSTILE.keys() - {"ten thousand boxes"}


def check_ranges(name: str, found: Score) -> None:
    task = TASKS[name]
    assert 0.0 <= found.accuracy <= 1.0
    assert found.format in (0, 1) and found.tidy in (0, 1)
    assert 0.0 <= found.structure <= 0.5
    assert all(0.0 <= value <= 1.0 for value in found.components.values())
    for profile in REWARDS:
        paid = REWARDS[profile]
        assert paid.least <= found.reward(profile) <= paid.most(task.paper_max) + 1e-12
    json.dumps(found.evidence, allow_nan=False)


@pytest.mark.parametrize("name", TASKS)
def test_truth_scores_the_most(name: str) -> None:
    found = score(sample_of(name), respond(sample_of(name).truth))
    assert found.status is Status.OK
    assert found.accuracy == pytest.approx(1.0)
    assert found.reward("released") == pytest.approx(1.5)
    assert found.reward("paper") == pytest.approx(TASKS[name].paper_max + 1)
    assert found.reward("hardened") == pytest.approx(TASKS[name].paper_max + 1)
    for profile in METRIC_PROFILES:
        assert list(TASKS[name].metrics([found], profile).values()) == pytest.approx(
            [1.0] * len(TASKS[name].metrics([found], profile))
        )


@pytest.mark.parametrize(("name", "lenient"), [(n, lenient) for n in TASKS for lenient in (False, True) if n != "math"])
def test_hostile_answers_are_data(name: str, lenient: bool) -> None:
    task, sample = TASKS[name], sample_of(name)
    task.score(sample, read_answer(respond("7")), lenient=lenient)  # lets what is loaded on first use load
    for case, text in HOSTILE.items():
        tagged = respond(text)
        for response in (tagged, text, f"<think>{text}", f"<think></think><answer>{text}"):
            answer = read_answer(response)
            began = time.process_time()
            found = task.score(sample, answer, lenient=lenient)
            took = time.process_time() - began
            assert took < 3.0, f"{case}: {took:.1f} s"
            check_ranges(name, found)
            if name in JSON_TASKS and not lenient and case in NEVER_JSON and response is tagged:
                assert (found.status, found.accuracy) == (Status.MALFORMED, 0.0), case


def test_hostile_mathematics_is_data() -> None:
    """Reads the same strictly and leniently; equations that never end are timed where `math_equal` is tested."""
    for case, text in HOSTILE.items():
        if case not in ("latex bomb", "huge power"):
            check_ranges("math", score(sample_of("math"), respond(text)))


@pytest.mark.parametrize("name", TASKS)
def test_status_of_empty_untagged_truncated_and_failed_answers(name: str) -> None:
    task, sample = TASKS[name], sample_of(name)
    assert score(sample, respond("")).status is Status.MALFORMED
    assert score(sample, "").status is Status.NO_ANSWER
    assert score(sample, "<think>so").status is Status.NO_ANSWER
    assert score(sample, "<think>so", "length").status is Status.TRUNCATED
    assert score(sample, "<think>so</think><answer>" + sample.truth[:4], "length").status is Status.TRUNCATED
    assert score(sample, "x" * 1_000_001).status is Status.MALFORMED
    failed = score(sample, respond(sample.truth), "error")
    assert failed.status is Status.ERROR
    assert all(math.isnan(failed.reward(profile)) for profile in REWARDS)
    right = score(sample, respond(sample.truth))
    for profile in METRIC_PROFILES:
        assert task.metrics([right, failed], profile) == task.metrics([right], profile)
        assert all(math.isnan(value) for value in task.metrics([failed], profile).values())
        assert list(task.metrics([], profile)) == list(task.metrics([right], profile))


@pytest.mark.parametrize("name", TASKS)
def test_untagged_truth_keeps_accuracy_under_released_alone(name: str) -> None:
    sample = sample_of(name)
    found = score(sample, sample.truth)
    assert (found.status, found.format, found.structure) == (Status.NO_ANSWER, 0, 0.0)
    assert found.accuracy == pytest.approx(1.0)
    assert found.reward("released") == pytest.approx(0.9)
    assert found.reward("paper") == found.reward("hardened") == 0.0
    headline = next(iter(TASKS[name].metrics([found], "official").values()))
    assert headline == 0.0
    assert next(iter(TASKS[name].metrics([found], "released").values())) == pytest.approx(1.0)
    assert TASKS[name].score(sample, read_answer(sample.truth), lenient=True).status is Status.OK


@pytest.mark.parametrize("name", TASKS)
def test_pooled_metrics_are_ratios_of_sums(name: str) -> None:
    task, sample = TASKS[name], sample_of(name)
    scores = [score(sample, respond(sample.truth)), score(sample, respond("")), score(sample, "")]
    for profile in METRIC_PROFILES:
        rows = [task.counted(s, profile) for s in scores]
        found = task.metrics(scores, profile)
        for metric in rows[0]:
            assert found[metric] == pytest.approx(sum(r[metric][0] for r in rows) / sum(r[metric][1] for r in rows))
        assert next(iter(found.values())) < 1.0
        assert list(found) == [*rows[0], *task.pooled([], profile)]


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("answer", thinned(["truth", "", "\ud800 \u202e{" * 9, "none"], "truth", "\ud800 \u202e{" * 9))
def test_draw_returns_pictures(name: str, answer: str) -> None:
    task, sample = TASKS[name], sample_of(name)
    text = sample.truth if answer == "truth" else answer
    read = None if answer == "none" else read_answer(respond(text))
    frames = [Image.new("RGB", (64, 64), "navy") for _ in range(3)]
    pictures = task.draw(sample, read, frames, [0.0, 4.0, 8.0])
    assert len(pictures) == 3
    assert all(min(p.size) >= 384 and p.mode == "RGB" for p in pictures)
    assert len(task.draw(sample, read, [])) == 1
    assert len(task.draw(sample_of(name, truth=""), read, frames[:1])) == 1


@pytest.mark.parametrize("name", TASKS)
def test_bad_truth_names_the_sample(name: str) -> None:
    with pytest.raises(DataError, match=f"sample {name}-1"):
        score(sample_of(name, truth="" if name in TEXT_TASKS else '{"boxes": {}}'), respond("x"))


def test_unknown_task_names_the_nearest() -> None:
    with pytest.raises(KeyError, match="nearest is 'tracking'"):
        get_task("traking")
    assert onethinker.tasks.list_tasks() == list(TASKS)


@cache
def frames_of(media: Path) -> tuple[list[Image.Image], list[float]]:
    if not is_clip(media):
        return [open_image(media)], [0.0]
    clip = open_clip(media, MediaBudget(max_frames=3))
    return [Image.fromarray(f) for f in clip.frames], [float(t) for t in clip.times]


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="the real images and clips are not beside this checkout")
def test_real_samples_score_one_on_their_own_truth_and_draw() -> None:
    samples = load_samples(REAL / "samples.json")
    assert len(samples) == 21
    for sample in samples:
        response = respond(sample.truth)
        found = score(sample, response)
        assert (found.status, found.accuracy) == (Status.OK, pytest.approx(1.0)), sample.id
        frames, times = frames_of(sample.paths(samples.root)[0])
        pictures = TASKS[sample.task].draw(sample, read_answer(response), frames, times)
        assert len(pictures) == len(frames)
        assert any(p.tobytes() != f.tobytes() for p, f in zip(pictures, frames, strict=True))
