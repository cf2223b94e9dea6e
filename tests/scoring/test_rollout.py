"""Rollouts: each question with its own answers, engine failures kept apart from bad answers."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from onethinker.engines.base import Completion, Sampling
from onethinker.engines.scripted import ScriptedEngine
from onethinker.media import MediaBudget
from onethinker.sample import DataError
from onethinker.sample.answer import Status
from onethinker.scoring.rollout import make_request, roll_out, score_completions
from onethinker.tasks.prompts import load_prompts

PROMPTS, BUDGET = load_prompts("short"), MediaBudget()


class Backwards(ScriptedEngine):
    """Answers the last request first, as an engine may."""

    def answer(self, requests, sampling):
        return reversed(list(super().answer(requests, sampling)))


def test_every_question_gets_its_own_answers(world):
    """In any order; the truth of every task scores the most that its measure allows."""
    truths = {s.id: [f"<think>seen</think><answer>{s.truth}</answer>", "nothing"] for s in world}
    found = dict(roll_out(world, Backwards(truths), PROMPTS, BUDGET, Sampling(n=2, max_tokens=10_000)))
    assert sorted(found) == list(range(len(world)))
    for position, (right, wrong) in found.items():
        assert right.sample is wrong.sample is world[position]
        assert (right.index, wrong.index) == (0, 1)
        assert right.score.status is Status.OK and wrong.score.status is Status.NO_ANSWER
        assert right.score.accuracy > 0.99 >= wrong.score.accuracy + 0.2
        row = right.row()
        assert json.loads(json.dumps(row)) == row
        assert (row["id"], row["status"], row["response"]) == (world[position].id, "ok", truths[row["id"]][0])


def test_only_some(world):
    engine = ScriptedEngine(lambda r, i: "x")
    found = dict(roll_out(world, engine, PROMPTS, BUDGET, Sampling(), only=[7, 3]))
    assert sorted(found) == [3, 7]
    assert engine.asked == [world[7].id, world[3].id]
    assert found[3][0].sample.id == world[3].id


def test_an_engine_failure_is_an_error_not_a_zero(world):
    rollout = score_completions([world[0]], [[Completion("<answer>A</answer>", "error", error="server gone")]])[0][0]
    assert rollout.score.status is rollout.answer.status is Status.ERROR
    assert math.isnan(rollout.score.reward())
    assert rollout.row()["error"] == "server gone"
    cut = score_completions([world[0]], [[Completion("<think>so", "length")]])[0][0]
    assert cut.score.status is Status.TRUNCATED and cut.score.reward() == 0


def test_requests_stay_under_the_root(world):
    request = make_request(world[0], world, PROMPTS, BUDGET)
    assert request.text.startswith("<image>") and request.media[0].is_file() and request.media[0].is_absolute()
    with pytest.raises(DataError, match="leaves the media root"):
        make_request(replace(world[0], media=("../../../etc/passwd",)), world, PROMPTS, BUDGET)
