"""Scored together equals scored one by one, strictly and leniently, on answers right, wrong and odd."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest

from onethinker.sample import DataError, Sample
from onethinker.sample.answer import read_answer
from onethinker.tasks import TASKS, get_task
from onethinker.tasks.base import Score
from tests.amount import many
from tests.tasks.examples import JSON_TASKS, TEXT_TASKS, TRUTHS, respond, sample_of

ODD = ("true", "null", '"7"', "1e999", "NaN", "-Infinity", "9" * 400, "1e13", "-0.0", "1e-300", "[]", "{}", "[1, 2]")


def numbers(rng: random.Random, count: int) -> list[float]:
    top = rng.choice((1, 1000, 1000, 1000))
    whole = rng.random() < 0.7 and top > 1
    if whole:
        return [rng.randrange(-20, 1050) for _ in range(count)]
    return [round(rng.uniform(-0.01, 1) * top, rng.randrange(6)) for _ in range(count)]


def track(rng: random.Random) -> dict[str, Any]:
    first = rng.randrange(5)
    keys = [str(k) for k in range(first, first + rng.randrange(1, 9))]
    if rng.random() < 0.2:
        rng.shuffle(keys)
    return {k: numbers(rng, 4) for k in keys if rng.random() < 0.9} or {"1": numbers(rng, 4)}


def answer(rng: random.Random, task: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    count = rng.randrange(4)
    if task == "detection":
        return {"objects": [{"label": rng.choice(("cat", "Dog ")), "box": numbers(rng, 4)} for _ in range(count)]}
    if task == "pointing":
        return {"points": [numbers(rng, 2) for _ in range(count)], "boxes": [numbers(rng, 4) for _ in range(count)]}
    if task in ("temporal_grounding", "spatial_temporal_grounding"):
        made["time"] = sorted(numbers(rng, 2)) if rng.random() < 0.8 else numbers(rng, 2)
    if task == "video_segmentation":
        made["time"] = round(rng.uniform(0, 30), 2)
    if task != "temporal_grounding":
        made["boxes"] = track(rng) if task in ("spatial_temporal_grounding", "tracking") else numbers(rng, 4)
    if task.endswith("segmentation"):
        for key in ("positive_points", "negative_points"):
            made[key] = [numbers(rng, 2) for _ in range(3)]
    return made


def spoiled(rng: random.Random, text: str) -> str:
    """The JSON text with one token replaced, doubled or dropped, as models do."""
    tokens = text.split(" ")
    place = rng.randrange(len(tokens))
    way = rng.randrange(4)
    if way == 0:
        tokens[place] = rng.choice(ODD) + ("," if tokens[place].endswith(",") else "")
    elif way == 1:
        tokens.insert(place, tokens[place])
    elif way == 2:
        del tokens[place]
    else:
        return text[:-1] + f', "{rng.choice(("boxes", "time", "extra", "bo" + chr(92) + "u0078es"))}": 1}}'
    return " ".join(tokens)


def responses(rng: random.Random, sample: Sample) -> str:
    near = json.loads(sample.truth)
    if rng.random() < 0.5:
        near |= {k: v for k, v in answer(rng, sample.task).items() if rng.random() < 0.4}
    text = json.dumps(near)
    if rng.random() < 0.4:
        text = spoiled(rng, text)
    whole = respond(text)
    return rng.choice((whole, whole, whole, whole, text, f"<answer>{text}</answer>", whole[:-5]))


def same(a: object, b: object) -> bool:
    """Equal, numbers up to the order of sums."""
    if isinstance(a, float) or isinstance(b, float):
        return isinstance(a, (int, float)) and isinstance(b, (int, float)) and math.isclose(a, b, abs_tol=1e-12)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return type(a) is type(b) and a == b


def check(found: object, expected: Score) -> None:
    assert isinstance(found, Score)
    for name in Score.__struct_fields__:
        assert same(getattr(found, name), getattr(expected, name)), (name, found, expected)


@pytest.mark.parametrize("task", JSON_TASKS)
def test_equal_to_one_by_one(task: str) -> None:
    rng, cases = random.Random(task), many(800, 80)
    samples, answers = [], []
    for case in range(cases):
        meta: dict[str, Any] = {"duration": rng.choice((20, 31.5))} if case % 5 == 0 else {}
        if task == "tracking" and case % 7 == 0:
            meta = {"frame_boxes": [[1, 2, 30, 40]] * 12, "fps": 4}
        sample = sample_of(task, json.dumps(answer(rng, task)), meta=meta)
        samples.append(sample)
        answers.append(read_answer(responses(rng, sample), rng.choice(("stop", "stop", "length", "error"))))
    together = get_task(task).score_both(samples, answers)
    for sample, one, (strict, lenient) in zip(samples, answers, together, strict=True):
        check(strict, get_task(task).score(sample, one))
        check(lenient, get_task(task).score(sample, one, lenient=True))
    assert sum(strict.status == "ok" and strict.accuracy > 0 for strict, _ in together) > cases // 20
    assert cases // 20 < sum(strict is lenient for strict, lenient in together) < cases - cases // 80


@pytest.mark.parametrize("task", JSON_TASKS)
def test_equal_whatever_character_is_changed(task: str) -> None:
    rng = random.Random(f"{task} characters")
    texts = [TRUTHS[task]]
    for _ in range(many(600, 60)):
        text = json.dumps(answer(rng, task))
        place, more = (
            rng.randrange(len(text)),
            rng.choice(("", "0", "-", ".", "e", '"', "\\", ",", "]", "}", " ", "\ud800")),
        )
        texts.append(text[:place] + more + text[place + rng.randrange(2) :])
    texts += [
        TRUTHS[task].replace('"5"', key)
        for key in ('"05"', '"-0"', '"+5"', '"5.0"', '"1000000000"', '"\\u0035"', '"٥"')
    ]
    answers = [read_answer(respond(text)) for text in texts]
    sample = sample_of(task)
    for one, found in zip(answers, get_task(task).score_many([sample] * len(answers), answers), strict=True):
        check(found, get_task(task).score(sample, one))
    read = 0
    for text in texts:
        plain = get_task(task).plain(text)
        if plain is not None:
            read += 1
            assert plain == get_task(task).parse(text, sample)
    assert read > len(texts) // 10


@pytest.mark.parametrize("task", JSON_TASKS)
def test_one_huge_number_spoils_only_its_own_row(task: str) -> None:
    huge = ("1e12", "1e13", "9" * 400, "1" * 5000)
    texts = [TRUTHS[task].replace("200", number, 1).replace("3.5", number) for number in huge]
    samples, answers = [sample_of(task)] * 5, [read_answer(respond(t)) for t in (TRUTHS[task], *texts)]
    for one, found in zip(answers, get_task(task).score_many(samples, answers), strict=True):
        check(found, get_task(task).score(samples[0], one))


def test_a_bad_truth_is_its_own_rows_error() -> None:
    metas = ({}, {"frame_boxes": [[1, 2, 3, 4]]}, {"frame_boxes": [[1, 2, 3, 4]] * 2, "fps": 4})
    samples = [sample_of("tracking", meta=meta) for meta in metas]
    answers = [read_answer(respond(s.truth)) for s in samples]
    first, second, third = get_task("tracking").score_many(samples, answers)
    assert isinstance(first, Score) and isinstance(third, Score) and first.accuracy == third.accuracy == 1
    assert isinstance(second, DataError) and "fps" in str(second)
    samples = [sample_of("tracking"), sample_of("tracking", "{}")]
    first, second = get_task("tracking").score_many(samples, [read_answer(respond(s.truth)) for s in samples])
    assert isinstance(first, Score) and first.accuracy == 1
    assert isinstance(second, DataError) and "tracking-1" in str(second)


@pytest.mark.parametrize("task", sorted({*TEXT_TASKS} - {"math"}))
def test_lenient_reading_of_text_that_is_ok_is_the_same_score(task: str) -> None:
    for text in (TRUTHS[task], "12", "B", "three dogs", "A or B"):
        sample, one = sample_of(task), read_answer(respond(text))
        [(strict, lenient)] = get_task(task).score_both([sample], [one])
        check(strict, get_task(task).score(sample, one))
        check(lenient, get_task(task).score(sample, one, lenient=True))


@pytest.mark.parametrize("task", TASKS)
def test_nothing_gives_nothing(task: str) -> None:
    assert get_task(task).score_many([], []) == get_task(task).score_both([], []) == []
