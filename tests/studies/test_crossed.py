"""Intervals over seeds and questions against what is known without it, and against evaluation's own numbers."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from onethinker.engines.scripted import ScriptedEngine
from onethinker.evaluate.run import evaluate
from onethinker.recipes.base import EvalConfig
from onethinker.sample import Samples
from onethinker.studies.crossed import Crossed, cross, holm, mean_of, paired_test, pooled, read_terms
from onethinker.tasks.prompts import load_prompts

R = 4000


def terms(values_SN: np.ndarray) -> list[dict]:
    return [{"k": {f"q{i}": (float(v), 1.0) for i, v in enumerate(row)}} for row in values_SN]


def test_questions_alone_spread_as_the_standard_error() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.2, (1, 400))
    found = cross({"a": terms(values)}, R)[0]["a"]["k"]
    assert found.spread == (pytest.approx(values.std() / 20, rel=0.05), np.inf)
    assert found.row()["value"] == pytest.approx(values.mean())


def test_seeds_alone_give_students_interval() -> None:
    """Every question of a seed has one value, so that only the seeds differ."""
    seeds = [0.1, 0.4, 0.5, 0.9, 0.35]
    found = cross({"a": terms(np.repeat(np.array(seeds)[:, None], 50, 1))}, 100)[0]["a"]["k"]
    row = found.row()
    peer = stats.t.interval(0.95, 4, np.mean(seeds), stats.sem(seeds))
    assert (row["low"], row["high"]) == pytest.approx(peer)
    assert row["seeds"] == pytest.approx(seeds)


def test_both_spreads_add_up() -> None:
    rng = np.random.default_rng(1)
    by_seed, by_question = rng.normal(0, 0.1, (8, 1)), rng.normal(0, 1.0, (1, 300))
    error, freedom = cross({"a": terms(by_seed + by_question)}, R)[0]["a"]["k"].spread
    assert error**2 == pytest.approx(by_seed.var(ddof=1) / 8 + by_question.var() / 300, rel=0.1)
    assert freedom > 7


def test_luck_in_single_answers_is_counted_once() -> None:
    """Nothing but sampling noise: the error is σ/√(SN); resampling seeds and questions together gives √3 times that."""
    errors = []
    for seed in range(40):
        found, _ = cross({"a": terms(np.random.default_rng(seed).normal(size=(5, 200)))}, 300)
        errors.append(found["a"]["k"].spread[0] * 1000**0.5)
    assert 0.95 < np.mean(errors) < 1.2


@pytest.mark.parametrize("seeds", [2, 3, 8])
@pytest.mark.parametrize(
    "of_seeds, of_questions, mixed", [(0.0, 0.0, 1.0), (0.02, 0.5, 0.5), (0.1, 0.0, 0.3), (0.1, 0.5, 0.3)]
)
def test_intervals_hold_what_they_say(seeds: int, of_seeds: float, of_questions: float, mixed: float) -> None:
    """Of 95% intervals over fresh seeds and questions about 95% hold the truth, whatever it is that varies; of two
    seeds somewhat fewer, where they happen to lie close."""
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(200):
        luck = rng.normal(0, of_questions, (1, 60)) + rng.normal(0, mixed, (seeds, 60))
        row = cross({"a": terms(0.3 + rng.normal(0, of_seeds, (seeds, 1)) + luck)}, 200)[0]["a"]["k"].row()
        held += row["low"] <= 0.3 <= row["high"]
    assert (0.83 if seeds == 2 else 0.89) <= held / 200 <= 0.995


def test_intervals_are_no_wider_than_what_seeds_alone_say() -> None:
    """Where questions happen to be lost by one seed that the other wins, their bootstrap knows less than V_mixed."""
    luck = np.random.default_rng(7).normal(0, 1, 60)
    seeds = np.array([luck, 0.3 - luck])
    row = cross({"a": terms(seeds)}, 400)[0]["a"]["k"].row()
    assert (row["low"], row["high"]) == pytest.approx(stats.t.interval(0.95, 1, 0.15, stats.sem(seeds.mean(1))))


def test_pairing_removes_what_the_arms_share() -> None:
    rng = np.random.default_rng(3)
    shared = rng.normal(0, 1, (5, 200))
    found, _ = cross({"a": terms(shared), "b": terms(shared + 0.05 + rng.normal(0, 0.01, shared.shape))}, R)
    test = paired_test(found["b"]["k"] - found["a"]["k"])
    assert test["difference"]["value"] == pytest.approx(0.05, abs=0.002)
    assert test["p"] < 1e-6 and test["won"] == 5
    alone = found["b"]["k"].row()
    assert alone["high"] - alone["low"] > 10 * (test["difference"]["high"] - test["difference"]["low"])


def test_an_arm_against_itself_is_no_difference() -> None:
    found, _ = cross({"a": terms(np.random.default_rng(4).normal(size=(3, 20)))}, 100)
    same = paired_test(found["a"]["k"] - found["a"]["k"])
    assert (same["p"], same["won"], same["difference"]["value"]) == (1.0, 0, 0.0)


def test_false_alarms_come_about_as_often_as_they_should() -> None:
    rng = np.random.default_rng(5)
    alarms = 0
    for _ in range(300):
        a, b = (terms(rng.normal(0, 0.1, (5, 1)) + rng.normal(0, 1, (5, 40))) for _ in range(2))
        found, _ = cross({"a": a, "b": b}, 200)
        alarms += paired_test(found["b"]["k"] - found["a"]["k"])["p"] < 0.05
    assert 0.01 < alarms / 300 < 0.09


@pytest.mark.parametrize("seeds", [2, 5])
@pytest.mark.parametrize("of_seeds, mixed", [(0.1, 0.3), (0.02, 1.0)])
def test_corrected_p_values_are_sure_of_themselves_no_oftener_than_they_say(
    seeds: int, of_seeds: float, mixed: float
) -> None:
    """At the level of the first of 45 pairs: by Satterthwaite's degrees of freedom there would be several times as
    many false alarms where seeds happen to lie close."""
    rng, found, spread = np.random.default_rng(6), 0, (of_seeds**2 + mixed**2 / 40) ** 0.5
    for _ in range(8_000):
        by_seed = rng.normal(0, spread, seeds)
        draws = by_seed + rng.normal(0, mixed / 40**0.5, (40, seeds))
        found += Crossed(by_seed, draws).p_far() < 0.05 / 45
    assert found / 8_000 < 2 * 0.05 / 45


def test_pooled_luck_is_the_residual_of_a_two_way_analysis() -> None:
    """Seeds alone differ; every pair of arms has 2 MS/S as its variance, with (K − 1)(S − 1) degrees of freedom."""
    rng = np.random.default_rng(8)
    arms_KS = rng.normal(0, 1, (4, 3)) + rng.normal(0, 5, 3)
    arms = [Crossed(seeds, np.repeat(seeds[None], 9, 0)) for seeds in arms_KS]
    residual_KS = arms_KS - arms_KS.mean(1, keepdims=True) - arms_KS.mean(0) + arms_KS.mean()
    for found in pooled([b - a for a, b in combinations(arms, 2)], 4):
        assert found.spread == (pytest.approx((2 * (residual_KS**2).sum() / 6 / 3) ** 0.5), 6)
        assert found.p_far() == found.p()
    assert pooled([Crossed(np.zeros(1), np.ones((4, 1)))], 4)[0].spread == (0.0, np.inf)


def test_pooled_luck_leaves_to_questions_what_they_have() -> None:
    """V_mixed is pooled as V_seeds is; V_questions stays each pair's own."""
    rng = np.random.default_rng(10)
    seeds_KS = rng.normal(0, 0.8, (3, 4))
    arms = [Crossed(s, s + rng.normal(0, 0.1 * (k + 1), (400, 4))) for k, s in enumerate(seeds_KS)]
    pairs = [b - a for a, b in combinations(arms, 2)]
    of_questions = [pair.draws_RS.mean(1).var() for pair in pairs]
    apart = [pair.draws_RS - pair.draws_RS.mean(1, keepdims=True) for pair in pairs]
    mixed = float(np.mean([draws.var(0).sum() / 12 for draws in apart]))
    between = float(np.mean([pair.by_seed_S.var(ddof=1) / 4 for pair in pairs]))
    assert between > 2 * mixed > 0
    assert max(of_questions) > 1.2 * mixed
    for found, variance in zip(pooled(pairs, 3), of_questions, strict=True):
        assert found.spread[0] ** 2 == pytest.approx(max(between, variance + between - mixed))


@pytest.mark.parametrize("uneven, most", [(0.0, 0.09), (0.4, 0.14)])
def test_of_many_pooled_pairs_few_are_sure_by_chance_and_a_true_one_is_found(uneven: float, most: float) -> None:
    """Eleven equal arms and one that is 2 apart, two seeds, which by themselves never tell: Holm's corrected p is below
    0.05 for any of the equal pairs in about 5% of the studies, somewhat oftener if arms' luck differs in size."""
    rng, alarms, hits = np.random.default_rng(9), 0, 0
    pairs = list(combinations(range(12), 2))
    for _ in range(150):
        arms = []
        for truth in (*[0.0] * 11, 2.0):
            seeds = truth + rng.normal(0, 0.15 * rng.lognormal(0, uneven), 2)
            arms.append(Crossed(seeds, seeds + rng.normal(0, 0.1, (60, 2))))
        found = pooled([arms[b] - arms[a] for a, b in pairs], 12)
        corrected = dict(zip(pairs, holm([pair.p_far() for pair in found]), strict=True))
        alarms += any(p < 0.05 for (_, b), p in corrected.items() if b < 11)
        hits += corrected[0, 11] < 0.05
    assert alarms / 150 < most and hits / 150 > 0.9


def test_what_is_visible_is_what_p_would_call_so() -> None:
    seeds = np.array([0.1, 0.3, 0.2])
    found = Crossed(seeds, np.repeat(seeds[None], 9, 0))
    move = found.visible(0.01) - found.value
    assert Crossed(seeds + move, found.draws_RS + move).p_far() == pytest.approx(0.01)


def test_one_cell_stands_for_every_seed_and_gaps_are_left_out_for_all() -> None:
    arm = terms(np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]]))
    start = terms(np.array([[1.0, 1.0, 0.0]]))
    del arm[1]["k"]["q0"]
    found, left_out = cross({"sft": start, "a": arm}, 50)
    assert left_out == 1
    assert found["sft"]["k"].by_seed_S.tolist() == [0.5, 0.5]
    assert found["a"]["k"].by_seed_S.tolist() == [0.5, 0.5]


def test_ratios_are_pooled_and_means_are_plain() -> None:
    cell = {"k": {"x": (1.0, 4.0), "y": (3.0, 4.0)}, "l": {"z": (1.0, 1.0)}}
    found, _ = cross({"a": [cell]}, 50)
    assert found["a"]["k"].row()["value"] == 0.5
    assert mean_of(list(found["a"].values())).row()["value"] == 0.75


def test_holm_as_worked_by_hand() -> None:
    """0.005·4; 0.01·3; then 0.03·2 carries over 0.04·1."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_numbers_are_those_of_the_evaluation(world: Samples, tmp_path: Path) -> None:
    """Truths as answers for some, nothing for others: headline and reward of every task as the summary has them."""
    truths = {s.id: f"<think>x</think><answer>{s.truth}</answer>" for s in world if hash_of(s.id) % 3}
    config = EvalConfig(sampled=2, bootstrap=20)
    engine = ScriptedEngine(lambda request, index: truths.get(request.id, "nothing") if index == 0 else "nothing")
    summary = evaluate(world, engine, tmp_path, config=config, prompts=load_prompts("short"))
    kinds = {s.id: s.task for s in world}
    for measure in ("headline", "reward"):
        found, left_out = cross({"a": [read_terms(tmp_path, kinds, measure)]}, 20)  # type: ignore[arg-type]
        assert left_out == 0
        for task, entry in summary["tasks"].items():
            peer = entry["metrics"][entry["headline"]] if measure == "headline" else entry["sampled"]["reward"]
            assert found["a"][task].row()["value"] == pytest.approx(peer["value"]), (task, measure)
    assert json.loads((tmp_path / "summary.json").read_text())["n"] == len(world)


def hash_of(name: str) -> int:
    return int(name.rpartition("-")[2])
