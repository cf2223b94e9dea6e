"""Collecting groups: what trains, what is drawn again, what is left out and counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onethinker.engines.encode import Encoder
from onethinker.engines.scripted import ScriptedEngine
from onethinker.scoring.judge import JudgeError
from onethinker.tasks.prompts import load_prompts
from onethinker.train.advantage import make
from onethinker.train.algorithms.base import AlgorithmError
from onethinker.train.algorithms.grpo import GRPO
from onethinker.train.experience import Collector
from onethinker.train.parallel import SINGLE_PROCESS
from onethinker.train.rl import _advantages, _select, _summary
from onethinker.train.sampler import Sampler
from onethinker.train.step_prompts import StepPrompts
from onethinker.train.unreadable import NoStepError, Unreadable
from onethinker.util.runs import RunError


def right(sample) -> str:
    return f"<think>seen</think><answer>{sample.truth}</answer>"


@pytest.fixture
def collector(world, tiny, mini_processor, tmp_path):
    """`collector(script, …)`: over the numerical samples. The script: (request, index) → text."""
    encoder = Encoder(mini_processor)

    def make_one(script, *changes, samples=None):
        recipe = tiny("rl.filter_groups=true", "rl.prompts=2", "rl.group=4", "rl.sampler=uniform", *changes)
        asked = samples or world.of_task("numerical")
        sampler = Sampler(recipe.rl.sampler, asked, 0)
        step_prompts = StepPrompts(encoder, recipe.media)
        unreadable = Unreadable("RL", tmp_path, recipe.data.max_unreadable, len(asked), SINGLE_PROCESS)
        engine, prompts = ScriptedEngine(script), load_prompts("short")
        return Collector(asked, engine, sampler, prompts, recipe, step_prompts, unreadable)

    return make_one


@pytest.fixture
def truths(world):
    return {s.id: right(s) for s in world}


WRONG = "<think>seen</think><answer>no</answer>"


def test_groups_with_something_to_say_train(collector, truths):
    found = collector(lambda r, i: truths[r.id] if i < 2 else WRONG).collect(0)
    assert len(found.kept) == 2 and not found.dropped
    for group in found.kept:
        assert group.accuracy == 0.5
        assert group.rewards_G.tolist() == pytest.approx([1.5, 1.5, 0.6, 0.6])
        assert len(group.answers(1, 3).rollouts) == 2


class OddJudge:
    """Ten for every second answer, a failure for the last."""

    identity = "odd"

    def grade(self, asks):
        return [*(10.0 * (i % 2) for i in range(len(asks) - 1)), JudgeError("busy")]

    def absolute(self, grade):
        return grade / 10


def test_a_judge_grades_free_text_in_place_of_rouge(collector, world, tiny):
    asked = world.of_task("open_ended")
    free = collector(lambda r, i: f"<think>seen</think><answer>word {i}</answer>", samples=asked)
    found = replace(free, judge=OddJudge()).collect(0)
    first, last = found.kept[0], found.kept[-1]
    assert first.rewards_G.tolist() == pytest.approx([0.6, 1.5, 0.6, 1.5])
    assert np.isnan(last.rewards_G).tolist() == [False, False, False, True] and last.accuracy == pytest.approx(1 / 3)
    assert last.rollouts[-1].problem == "judge: busy"
    assert first.rollouts[1].score.components["judge"] == 1.0
    assert _summary(tiny(), found)["errors"] == 1, "a judge that fails is counted"


def test_a_judge_is_not_asked_about_numbers(collector, truths):
    found = replace(collector(lambda r, i: truths[r.id] if i < 2 else WRONG), judge=OddJudge()).collect(0)
    assert found.kept[0].rewards_G.tolist() == pytest.approx([1.5, 1.5, 0.6, 0.6])


def test_all_right_and_all_wrong_are_drawn_again_so_often(collector, truths, world):
    enough = world.of_task("numerical", "math", "ocr")
    one = collector(lambda r, i: truths[r.id], "rl.refill_tries=2", samples=enough)
    found = one.collect(0)
    assert not found.kept
    assert len(found.dropped) == 6 == len(one.engine.asked), "two prompts, and twice again"
    kept = collector(lambda r, i: WRONG, "rl.filter_groups=false").collect(0)
    assert len(kept.kept) == 2 and not kept.dropped


def test_a_refill_asks_for_what_is_missing_only(collector, truths, world):
    hard = world.of_task("numerical")[0].id
    one = collector(lambda r, i: WRONG if r.id == hard else truths[r.id] if i else WRONG, "rl.prompts=3")
    found = one.collect(0)
    assert {g.sample.id for g in found.dropped} == {hard}
    assert len(found.kept) == 3
    assert len(one.engine.asked) == 3 + len(found.dropped)


def test_errors_are_left_out_not_zero(collector, truths):
    def script(request, index):
        if index == 1:
            raise ValueError("engine hiccup")
        return truths[request.id] if index == 0 else WRONG

    found = collector(script, "rl.accuracy_high=0.4").collect(0)
    for group in found.kept:
        assert np.isnan(group.rewards_G).tolist() == [False, True, False, False]
        assert group.accuracy == pytest.approx(1 / 3), "one of three scored answers"
    for advantages_G in _advantages(make("ema_grpo"), found.kept):
        assert advantages_G[1] == 0.0
        assert advantages_G[[0, 2, 3]].sum() == pytest.approx(0, abs=1e-9)
        assert advantages_G[0] > 0


def test_a_step_of_which_no_answer_can_be_scored_ends_the_run(collector):
    """A server that does not see the media would otherwise be asked to the end of the schedule, for nothing."""
    failing = collector(lambda r, i: (_ for _ in ()).throw(ValueError("no such file")))
    with pytest.raises(NoStepError, match=r"step 3: not one of \d+ answers could be scored, such as to .*no such file"):
        failing.collect(2)


def test_more_unreadable_prompts_than_allowed_end_the_run_before_any_is_asked(collector, truths, world):
    """However many steps they are met in, and each counted once."""
    good = world.of_task("numerical", "ocr")
    lost = tuple(replace(s, media=("media/gone.png",)) if i < 2 else s for i, s in enumerate(good))
    changes = ("rl.prompts=1", f"data.max_unreadable={1 / len(good):.4f}1")
    one = collector(lambda r, i: truths[r.id] if i else WRONG, *changes, samples=replace(good, items=lost))
    with pytest.raises(NoStepError, match=rf"2 samples .* more than the 1 of {len(good)} that") as told:
        for step in range(len(good)):
            one.collect(step)
    assert "mend these files" in str(told.value)
    assert all(f"{s.id}: " in str(told.value) for s in lost[:2]) and "gone.png" in str(told.value)
    again = collector(lambda r, i: truths[r.id] if i else WRONG, "rl.prompts=1", samples=replace(good, items=lost[1:]))
    for step in range(3 * len(good)):
        again.collect(step)
    assert again.unreadable.times >= 2, "the same one, in each epoch"


def test_errors_do_not_lower_the_summary(collector, truths, tiny):
    def script(request, index):
        if index == 1:
            raise ValueError("engine hiccup")
        return truths[request.id]

    row = _summary(tiny(), collector(script, "rl.filter_groups=false").collect(0))
    assert row["reward"] == row["reward/numerical"] == pytest.approx(1.5)
    assert row["accuracy"] == 1.0
    assert row["errors"] == 2


def test_long_prompts_are_left_out_and_the_worst_named(collector, truths, world):
    samples = world.of_task("tracking", "numerical")
    one = collector(
        lambda r, i: truths[r.id] if i else WRONG, "rl.max_prompt_tokens=60", "rl.prompts=6", samples=samples
    )
    lengths = {s.id: one._length(p) for p, s in enumerate(samples)}
    found = one.collect(0)
    assert found.too_long > 0
    assert {g.sample.id for g in found.groups} == {name for name, length in lengths.items() if length <= 60}
    assert found.longest == max((length, name) for name, length in lengths.items())
    with pytest.raises(
        RunError, match=r"none of the prompts drawn can be asked, .* longer than rl\.max_prompt_tokens=5"
    ):
        collector(lambda r, i: WRONG, "rl.max_prompt_tokens=5").collect(0)


def test_an_unreadable_clip_costs_its_own_prompt(collector, truths, world):
    good = world.of_task("numerical")
    samples = replace(good, items=(replace(good[0], id="gone", media=("media/gone.png",)), *good.items[1:]))
    found = collector(lambda r, i: truths[r.id] if i else WRONG, "rl.prompts=3", samples=samples).collect(0)
    assert found.unreadable >= 1
    assert {g.sample.id for g in found.kept} == {good[1].id, good[2].id}
    with pytest.raises(RunError, match=r"sample gone: .*gone\.png"):
        collector(lambda r, i: WRONG, samples=samples[:1]).collect(0)


@pytest.mark.parametrize(
    ("fault", "said"),
    [({"truth": "many"}, "its truth is not in the form"), ({"task": "numbers"}, "sample bad: no task 'numbers'")],
)
def test_a_row_that_cannot_be_scored_costs_its_own_prompt(fault, said, collector, truths, world):
    """The same prompts are drawn again by whoever resumes, so that the run could never go on."""
    good = world.of_task("numerical")
    samples = replace(good, items=(replace(good[0], id="bad", **fault), *good.items[1:]))
    found = collector(lambda r, i: truths.get(r.id, WRONG) if i else WRONG, "rl.prompts=3", samples=samples).collect(0)
    assert found.unreadable >= 1 and said in found.problem
    assert {g.sample.id for g in found.kept} == {good[1].id, good[2].id}


def test_an_algorithm_chooses_among_the_groups(collector, truths):
    found = collector(lambda r, i: truths[r.id] if i else WRONG, "rl.prompts=3").collect(0)
    first, *rest = found.kept
    _select(make("ema_grpo"), found, 3)
    assert found.kept == [first, *rest]
    _select(make("mt_grpo"), found, 1)
    assert found.kept == [first] and found.dropped == rest


@pytest.mark.parametrize("chosen", [[True, True], [2], [-1], [0, 0.5]])
def test_a_choice_of_no_candidate_is_told(chosen, collector, truths):
    class Own(GRPO):
        def select(self, candidates, count):
            return chosen

    found = collector(lambda r, i: truths[r.id] if i else WRONG, "rl.prompts=2").collect(0)
    with pytest.raises(AlgorithmError, match=rf"Own.select gave {chosen[-1]}; expected places among its 2 candidates"):
        _select(Own(), found, 2)


def test_a_refill_tells_the_algorithm_what_the_step_has(collector, truths):
    told = []

    class Asked(GRPO):
        def task_weights(self, kept=(), count=1):
            told.append((list(kept), count))

    first = []

    def script(request, index):
        first.append(request.id)
        return truths[request.id] if index and request.id != first[0] else WRONG

    kept = collector(script, "rl.prompts=2").collect(0, Asked()).kept
    assert told == [([], 2), ([kept[0].sample.task], 2)], "the first prompt was all wrong and is made up for"


def test_groups_that_were_filtered_out_take_no_place(collector, truths):
    found = collector(lambda r, i: truths[r.id] if i else WRONG, "rl.prompts=2").collect(0)
    filtered = found.kept.pop()
    found.dropped.append(filtered)
    _select(make("mt_grpo"), found, 2)
    assert len(found.kept) == 1 and found.dropped == [filtered]
