"""Opening a study: it grows but never changes, sets some keys itself, asks nothing that its start has seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onethinker.recipes import RecipeError
from onethinker.studies import bench
from onethinker.studies.bench import commands_of, open_bench, take_known
from onethinker.util.runs import RunError

HERE = Path(__file__).parent


def test_no_held_out_picture_is_one_that_the_start_learned_from(
    tmp_path: Path, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_bench("x", tmp_path, "mini-sft", seeds=1, quick=True, assignments=small, command="")
    monkeypatch.setattr(bench, "seen_pictures", lambda name: frozenset())
    _, every = opened.world(0)
    seen = Path(every[0].media[0]).stem
    monkeypatch.setattr(bench, "seen_pictures", lambda name: frozenset({seen} if name == "mini-sft" else ()))
    _, test = opened.world(0)
    assert 0 < len(test) < len(every)
    assert [s.id for s in test] == [s.id for s in every if seen not in {Path(m).stem for m in s.media}]


def opened(out: Path, model: str = "mini:0", **options: object) -> bench.Bench:
    settings = {"seeds": 2, "quick": True, "assignments": [], "command": "x"} | options
    return open_bench("algorithms", out, model, **settings)  # type: ignore[arg-type]


def test_a_study_grows_but_never_changes(tmp_path: Path) -> None:
    assert opened(tmp_path / "s").recipe.model.base == "mini:0"
    assert opened(tmp_path / "s", seeds=7).seeds == 7
    with pytest.raises(RunError, match=r"recipe\.rl\.steps: 10 → 11"):
        opened(tmp_path / "s", assignments=["rl.steps=11"])
    with pytest.raises(RunError, match="weights"):
        opened(tmp_path / "s", "mini:1")


def test_a_study_of_version_0_1_grows(tmp_path: Path) -> None:
    """config_0_1.json was written by `bench algorithms --quick --model mini:0` of then. Weights are named by a hash of
    what torch draws, so that they are this machine's."""
    kept = json.loads((HERE / "config_0_1.json").read_text())
    now = json.loads((opened(tmp_path / "new").out / "config.json").read_text())
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "config.json").write_text(json.dumps(kept | {"weights": now["weights"]}))
    assert opened(tmp_path / "s", seeds=3).seeds == 3
    with pytest.raises(RunError, match=r"recipe\.rl\.rows: 256 → 8"):
        opened(tmp_path / "s", assignments=["rl.decode_batch_size=8"])


def test_a_record_that_is_none_is_not_taken_over(tmp_path: Path) -> None:
    record = tmp_path / "study.json"
    for content, error, said in (
        ("{", RunError, "cannot be read as JSON"),
        ("[1]", RecipeError, "a study of other settings"),
        ('{"study": "transfer"}', RecipeError, "a study of other settings"),
    ):
        record.write_text(content)
        with pytest.raises(error, match=said):
            take_known(opened(tmp_path / "s"), record)


def test_a_study_remembers_what_was_typed_once_and_in_order(tmp_path: Path) -> None:
    for command in ("bench a", "bench b --seeds 9", "bench a"):
        opened(tmp_path / "s", command=command)
    assert commands_of(tmp_path / "s") == ["bench a", "bench b --seeds 9"]
    with pytest.raises(RunError):
        opened(tmp_path / "s", command="bench c", assignments=["rl.steps=11"])
    assert commands_of(tmp_path / "s") == ["bench a", "bench b --seeds 9"]


def test_what_a_study_sets_itself_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="seed=3: a study sets this itself"):
        opened(tmp_path / "s", assignments=["seed=3"])
    with pytest.raises(RecipeError, match=r"rl\.algorithm 'grop'; did you mean grpo"):
        opened(tmp_path / "s", assignments=["rl.algorithm=grop"])
    with pytest.raises(RecipeError, match="no option 'bta'; did you mean beta"):
        opened(tmp_path / "s", assignments=["rl.algorithm_options={bta: 1}"])
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file/s cannot be made .*another --out"):
        opened(tmp_path / "file" / "s")
    assert not (tmp_path / "s").exists()


def test_every_algorithm_gets_the_same_rollouts(tmp_path: Path) -> None:
    """Nothing is drawn again, so steps × prompts × group is what every run asks."""
    made = opened(tmp_path / "s")
    assert made.recipe.rl.refill_tries == 0
    rl = made.recipe.rl
    assert made.settings()["rollouts"] == rl.steps * rl.prompts * rl.group
