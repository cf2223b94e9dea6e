from dataclasses import replace

import pytest

from onethinker.engines.scripted import ScriptedEngine
from onethinker.recipes.base import EvalConfig
from onethinker.scoring.bootstrap import Bootstrap
from onethinker.scoring.compare import compare
from onethinker.util.runs import RunError

FAST = Bootstrap(300)


@pytest.fixture
def two(samples, truths, run, said, tmp_path):
    """a: n0 to n2 right of six, b: n2 to n5; all boxes right in both, but b9 is an error in b."""
    wrong = dict.fromkeys(truths, said("77"))
    boxes = {k: v for k, v in truths.items() if k.startswith("b")}
    a = wrong | boxes | {k: truths[k] for k in ("n0", "n1", "n2")}
    b = wrong | boxes | {k: truths[k] for k in ("n2", "n3", "n4", "n5")}
    run(samples, ScriptedEngine(a, identity="a"), tmp_path / "a", model="model a")
    run(samples, ScriptedEngine(b, identity="b", fail=["b9"]), tmp_path / "b", model="model b")
    return tmp_path / "a", tmp_path / "b"


def test_differences_flips_and_errors(two):
    found = compare(*two, bootstrap=FAST)
    entry = found["tasks"]["numerical"]
    assert entry["metrics"]["accuracy"]["a"]["value"] == 0.5
    assert entry["metrics"]["accuracy"]["difference"]["value"] == pytest.approx(4 / 6 - 3 / 6)
    assert entry["metrics"]["accuracy"]["difference"]["low"] < 0 < entry["metrics"]["accuracy"]["difference"]["high"]
    assert [flip["id"] for flip in entry["gained"]] == ["n3", "n4", "n5"]
    assert [flip["id"] for flip in entry["lost"]] == ["n0", "n1"]
    assert (found["n"], found["errors"], found["notes"]) == (9, 1, [])
    assert found["mean"]["value"] == pytest.approx((1 / 6 + 0) / 2)
    assert (found["a"]["model"], found["b"]["model"]) == ("model a", "model b")


def test_a_folder_against_itself_differs_in_nothing(two):
    found = compare(two[0], two[0], bootstrap=FAST)
    assert found["mean"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert not found["tasks"]["numerical"]["gained"] + found["tasks"]["numerical"]["lost"]


def test_other_questions_are_refused_unless_intersecting(samples, truths, run, two, tmp_path):
    run(samples[:5], ScriptedEngine(truths, identity="c"), tmp_path / "c")
    with pytest.raises(RunError, match=r"5 questions are only in .*--intersect"):
        compare(two[0], tmp_path / "c", bootstrap=FAST)
    found = compare(two[0], tmp_path / "c", intersect=True, bootstrap=FAST)
    assert found["n"] == 5 and "5 in both" in found["notes"][0]


def test_rows_of_an_earlier_larger_run_do_not_count(samples, truths, run, tmp_path):
    run(samples, ScriptedEngine(truths), tmp_path / "a")
    run(samples[:3], ScriptedEngine(truths), tmp_path / "a")
    run(samples[:3], ScriptedEngine(truths, identity="b"), tmp_path / "b")
    assert compare(tmp_path / "a", tmp_path / "b", bootstrap=FAST)["n"] == 3


def test_other_profiles_and_empty_folders_are_refused(samples, truths, run, two, tmp_path):
    config = EvalConfig(bootstrap=50, metric_profile="released")
    run(samples, ScriptedEngine(truths), tmp_path / "r", config=config)
    with pytest.raises(RunError, match=r"'official'.*'released'"):
        compare(two[0], tmp_path / "r", bootstrap=FAST)
    with pytest.raises(RunError, match=r"no summary\.json"):
        compare(two[0], tmp_path / "nowhere", bootstrap=FAST)
    with pytest.raises(RunError, match=rf"one of .*{two[0].name}.* in it"):
        compare(two[0].parent, two[1], bootstrap=FAST)


def test_sampled_rewards_are_compared_question_by_question(samples, truths, run, said, tmp_path):
    config = EvalConfig(bootstrap=50, sampled=2)
    half = truths | {k: said("77") for k in ("n0", "n1", "n2")}
    run(samples, ScriptedEngine(half, identity="a"), tmp_path / "a", config=config)
    run(samples, ScriptedEngine(truths, identity="b"), tmp_path / "b", config=config)
    run(samples, ScriptedEngine(truths, identity="c"), tmp_path / "greedy")
    found = compare(tmp_path / "a", tmp_path / "b", bootstrap=FAST)["sampled"]
    assert found["b"]["value"] == pytest.approx(1.5)
    assert found["difference"]["value"] == pytest.approx(0.9 * 3 / 6 / 2), "three of six numbers, one task of two"
    assert found["difference"]["low"] > 0
    assert compare(tmp_path / "greedy", tmp_path / "b", bootstrap=FAST)["sampled"] is None


def test_equal_questions_count_each(samples, truths, run, tmp_path):
    first = samples[0]
    twice = replace(samples, items=(*samples.items[:3], replace(first, id="again")))
    answers = truths | {"again": truths[first.id]}
    for name in "ab":
        run(twice, ScriptedEngine(answers, identity=name), tmp_path / name)
    found = compare(tmp_path / "a", tmp_path / "b", bootstrap=FAST)
    assert found["n"] == 4 and found["errors"] == 0
