"""Summaries against numbers counted by hand."""

import copy
import json

import pytest

from onethinker.evaluate.summary import summarise
from onethinker.sample import Sample
from onethinker.sample.answer import read_answer
from onethinker.scoring.bootstrap import Bootstrap
from onethinker.scoring.results import lenient_score_of, score_of, score_row
from onethinker.tasks import get_task

BOX = '{"boxes": [0, 0, 500, 500]}'
SAMPLES = [
    *(Sample(f"n{i}", "numerical", "image", "how many?", "3") for i in range(4)),
    *(Sample(f"b{i}", "spatial_grounding", "image", "the thing", BOX) for i in range(2)),
]


def make_row(sample, response, *, finish="stop", decoding="greedy", index=0, seconds=0.0, tokens=0):
    answer = read_answer(response, finish)
    strict = get_task(sample.task).score(sample, answer)
    lenient = get_task(sample.task).score(sample, answer, lenient=True)
    differs = (strict.status, strict.accuracy) != (lenient.status, lenient.accuracy)
    return score_row(strict) | {
        "id": sample.id, "task": sample.task, "index": index, "decoding": decoding, "finish": finish,
        "seconds": seconds, "tokens": tokens, "prompt_tokens": 10, "lenient": score_row(lenient) if differs else None,
    }  # fmt: skip


def said(text):
    return f"<think>t</think><answer>{text}</answer>"


@pytest.fixture
def rows():
    numbers, boxes = SAMPLES[:4], SAMPLES[4:]
    return [
        make_row(numbers[0], said("3"), tokens=10, seconds=1.0),
        make_row(numbers[1], said("4"), tokens=20, seconds=3.0),
        make_row(numbers[2], "<think>on and on", finish="length", tokens=60, seconds=2.0),
        make_row(numbers[3], "", finish="error"),
        make_row(boxes[0], said(BOX)),
        make_row(boxes[1], said('{"boxes": [0, 0, 500, 250]}')),
        # n0: right twice; n1: right once of two; n2: an error and a wrong one
        *(make_row(numbers[0], said("3"), decoding="sampled", index=i) for i in range(2)),
        *(make_row(numbers[1], said(text), decoding="sampled", index=i) for i, text in enumerate("34")),
        make_row(numbers[2], "", finish="error", decoding="sampled"),
        make_row(numbers[2], said("9"), decoding="sampled", index=1),
    ]


def test_counts_and_means(rows):
    summary = summarise(rows, SAMPLES, bootstrap=Bootstrap(100))
    entry = summary["tasks"]["numerical"]
    assert (entry["questions"], entry["n"], entry["errors"], entry["missing"]) == (4, 3, 1, 0)
    assert entry["status"] == {"ok": 2, "no_answer": 0, "malformed": 0, "truncated": 1, "error": 1}
    assert entry["truncated"] == 1
    assert entry["headline"] == "accuracy"
    assert entry["metrics"]["accuracy"]["value"] == pytest.approx(1 / 3)
    assert (entry["seconds"], entry["tokens"], entry["prompt_tokens"]) == (2.0, 30.0, 10.0)
    box = summary["tasks"]["spatial_grounding"]
    assert box["metrics"]["mIoU"]["value"] == pytest.approx((1 + 0.5) / 2)
    assert box["headline"] == "Acc@0.5"
    headline = box["metrics"]["Acc@0.5"]["value"]
    assert summary["mean"]["headline"]["value"] == pytest.approx((1 / 3 + headline) / 2)
    assert summary["mean"]["accuracy"]["value"] == pytest.approx((1 / 3 + 0.75) / 2)
    assert (summary["questions"], summary["n"], summary["errors"]) == (6, 5, 1)


def test_sampled_answers_are_averaged_within_a_question_first(rows):
    entry = summarise(rows, SAMPLES, bootstrap=Bootstrap(100))["tasks"]["numerical"]["sampled"]
    # right: 0.9 + 0.1 + 0.5 = 1.5; wrong but in form: 0.1 + 0.5 = 0.6
    assert entry["reward"]["value"] == pytest.approx((1.5 + (1.5 + 0.6) / 2 + 0.6) / 3)
    assert entry["accuracy"]["value"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert (entry["questions"], entry["answers"], entry["errors"]) == (3, 5, 1)


def test_the_reward_profile_decides_the_sampled_reward(rows):
    entry = summarise(rows, SAMPLES, reward="paper", bootstrap=Bootstrap(10))["tasks"]["numerical"]["sampled"]
    assert entry["reward"]["value"] == pytest.approx((2 + 1.5 + 1) / 3)  # R_acc + format


def test_questions_without_a_row_are_missing_and_rows_of_other_questions_do_not_count(rows):
    summary = summarise(rows, SAMPLES[1:], bootstrap=Bootstrap(10))
    assert summary["tasks"]["numerical"]["metrics"]["accuracy"]["value"] == 0.0
    summary = summarise(rows[1:], SAMPLES, bootstrap=Bootstrap(10))
    assert (summary["missing"], summary["tasks"]["numerical"]["n"]) == (1, 2)


def test_a_task_of_errors_alone_has_no_numbers_and_no_part_in_the_mean(rows):
    broken = [make_row(s, "", finish="error") for s in SAMPLES[4:]]
    summary = summarise([*rows[:4], *broken], SAMPLES, bootstrap=Bootstrap(10))
    entry = summary["tasks"]["spatial_grounding"]
    assert (entry["n"], entry["errors"], entry["headline"], entry["accuracy"]) == (0, 2, None, None)
    assert summary["mean"]["headline"]["value"] == pytest.approx(1 / 3)
    json.dumps(summary, allow_nan=False)


def test_it_is_pure(rows):
    before = copy.deepcopy(rows)
    first, second = (summarise(rows, SAMPLES, bootstrap=Bootstrap(50)) for _ in range(2))
    assert first == second and rows == before
    assert summarise(rows[::-1], SAMPLES, bootstrap=Bootstrap(50)) == first, "the order of rows does not matter"
    assert summarise(json.loads(json.dumps(rows)), SAMPLES, bootstrap=Bootstrap(50)) == first


def test_scores_survive_their_rows():
    for response in (said(BOX), said("{boxes: no}"), "", said("```json\n" + BOX + "\n```")):
        row = make_row(SAMPLES[4], response)
        back = json.loads(json.dumps(row))
        strict = get_task("spatial_grounding").score(SAMPLES[4], read_answer(response))
        assert score_of(back) == strict
        assert lenient_score_of(back).accuracy >= strict.accuracy


def test_metrics_that_rank_all_answers_have_an_interval_too():
    """COCO's AP of detections, measured anew on resamples of the questions."""
    samples = [Sample(str(n), "detection", "image", "all cats", DETECTED) for n in range(12)]
    answers = [DETECTED if n % 3 else '{"objects": []}' for n in range(12)]
    rows = [make_row(sample, said(answer)) for sample, answer in zip(samples, answers, strict=True)]
    metrics = summarise(rows, samples, bootstrap=Bootstrap(resamples=50))["tasks"]["detection"]["metrics"]
    assert list(metrics)[:1] == ["F1@0.5"] and metrics["AP"]["value"] == pytest.approx(67 / 101)
    assert 0.3 < metrics["AP"]["low"] < metrics["AP"]["value"] < metrics["AP"]["high"] < 0.95


DETECTED = '{"objects": [{"label": "cat", "box": [100, 100, 500, 500]}]}'
