"""What of the verl plugin needs no verl: estimators over labelled rows, the reward function, a job's files."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from onethinker.recipes import SHIPPED, RecipeError
from onethinker.recipes.base import leaves, override
from onethinker.sample import DataError, Sample, Samples
from onethinker.scale.verl import plugin, reward
from onethinker.scale.verl.estimators import Labels, advantages, estimator
from onethinker.scale.verl.job import Cluster, configuration, not_taken, refuse, write_job
from onethinker.scale.verl.reward import KEYS, compute_score, sample_of
from onethinker.scoring.judge import JudgeError
from onethinker.tasks import list_tasks, score
from onethinker.train.advantage import make
from tests.tasks import examples


def facts(sample: Sample) -> dict[str, object]:
    """`extra_info` of the row that an export writes."""
    from onethinker.corpus.export.rl import _meta

    return {"id": sample.id, "task": sample.task, "modality": sample.modality, "meta": _meta(sample), "num_turns": 2}


# ---- estimators -------------------------------------------------------------------------------------------------

KEYS_8 = [f"{uid}_{session}_0" for uid in ("a", "b") for session in range(4)]
REWARDS_8 = np.array([0.0, 1.0, 1.0, 0.5, 0.2, 0.9, 0.1, 0.2])
UIDS_8 = ["a"] * 4 + ["b"] * 4
TASKS_8 = ["math"] * 4 + ["tracking"] * 4


def test_labelled_rows_have_the_algorithms_own_advantages() -> None:
    labels = Labels("ema_grpo", make("ema_grpo"), KEYS_8, TASKS_8, [False] * 8)
    expected = make("ema_grpo")(REWARDS_8, UIDS_8, TASKS_8)
    np.testing.assert_array_equal(advantages(labels, REWARDS_8, UIDS_8), expected)


def test_padding_and_failed_answers_are_no_part_of_any_statistic() -> None:
    keys, uids, tasks = [*KEYS_8, "padx_0_0"], [*UIDS_8, "padx"], [*TASKS_8, "math"]
    rewards = np.append(REWARDS_8, 0.0)
    left_out = [False, False, True, *[False] * 5, True]
    algorithm, other = make("ema_grpo"), make("ema_grpo")
    got = advantages(Labels("ema_grpo", algorithm, keys, tasks, left_out), rewards, uids)
    kept = [i for i, out in enumerate(left_out) if not out]
    expected = other(rewards[kept], [uids[i] for i in kept], [tasks[i] for i in kept])
    np.testing.assert_array_equal(got[kept], expected)
    assert got[2] == got[8] == 0
    assert algorithm.state_dict() == other.state_dict()


def test_an_answer_of_several_outputs_counts_once() -> None:
    keys = ["a_0_0", "a_0_1", "a_1_0", "a_0_10"]  # the last output by number, not by text
    rewards, tasks = np.array([7.0, 7.0, 1.0, 0.0]), ["math"] * 4
    got = advantages(Labels("dr_grpo", make("dr_grpo"), keys, tasks, [False] * 4), rewards, ["a"] * 4)
    assert got.tolist() == [-0.5, -0.5, 0.5, -0.5]


def test_without_our_trainer_an_estimator_says_which_to_set() -> None:
    with pytest.raises(RuntimeError, match=r"set trainer\.v1\.trainer_mode to onethinker_sync"):
        estimator("ema_grpo")(None, None)


# ---- the reward function ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", list_tasks())
def test_every_task_earns_what_score_says_under_the_same_keys(task: str) -> None:
    sample = examples.sample_of(task)
    for response in (examples.respond(sample.truth), "<think>no", "<think>x</think><answer>?</answer>", ""):
        got = compute_score("own", response, sample.truth, facts(sample))
        expected = score(sample, response)
        assert tuple(got) == KEYS and all(isinstance(value, float) for value in got.values())
        assert (got["score"], got["acc"], got["error"]) == (expected.reward("released"), expected.accuracy, 0.0)
        assert got["ok"] == float(expected.status == "ok")


def test_the_profile_of_the_recipe_is_used() -> None:
    sample = examples.sample_of("temporal_grounding")
    response = examples.respond(sample.truth)
    got = compute_score("own", response, sample.truth, facts(sample), profile="paper")
    assert got["score"] == score(sample, response).reward("paper")


def test_our_own_failure_is_an_error_and_says_which_row(caplog: pytest.LogCaptureFixture) -> None:
    sample = examples.sample_of("tracking")
    broken = compute_score("own", "<answer>{}</answer>", "no truth", facts(sample))
    assert broken == dict.fromkeys(KEYS, 0.0) | {"error": 1.0}
    others = (("x", facts(sample) | {"task": "tracing"}), (None, facts(sample)))
    for truth, known in others:
        assert compute_score("own", "<answer>{}</answer>", truth, known) == broken  # type: ignore[arg-type]
    assert "no task 'tracing'" in caplog.text and "ground_truth is None" in caplog.text
    foreign = compute_score("gsm8k", "5", "5", {"index": 3})
    assert foreign == broken and "as `onethinker export verl` writes it" in caplog.text and sample.id in caplog.text


def test_a_judge_that_does_not_answer_is_an_error_of_what_it_judges_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(url: str, kind: str, model: str) -> None:
        raise JudgeError(f"{url} does not answer")

    monkeypatch.setattr(reward, "_judge", away)
    free, exact = examples.sample_of("open_ended"), examples.sample_of("numerical")
    got = [
        compute_score("own", examples.respond(s.truth), s.truth, facts(s), judge_url="http://judge/v1")
        for s in (free, exact)
    ]
    assert got[0] == dict.fromkeys(KEYS, 0.0) | {"error": 1.0} and "http://judge/v1 does not answer" in caplog.text
    assert (got[1]["acc"], got[1]["error"]) == (1.0, 0.0)


# ---- the plugin without verl, and a job's files -----------------------------------------------------------------


def test_where_verl_is_not_the_plugin_says_so_and_raises_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(plugin, "_registered", [])
    monkeypatch.setattr(plugin, "_failures", [])
    with pytest.raises(plugin.PluginMissingError, match="VERL_USE_EXTERNAL_PLUGINS"):
        plugin.check()
    monkeypatch.setitem(__import__("sys").modules, "verl", None)
    plugin.register()
    assert "the verl plugin did not load: estimators: ModuleNotFoundError" in capsys.readouterr().err
    with pytest.raises(plugin.PluginMissingError, match="did not load"):
        plugin.check()


def test_a_job_is_whole(world: Samples, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    given = [f"data.train={world.root}", f"data.media_root={world.root}", "model.base=/models/8b", "rl.reward=paper"]
    recipe = override(SHIPPED["qwen3_vl_8b"], given)
    job = write_job(recipe, tmp_path / "out", cluster=Cluster(4, 8, 2), mode="colocate_async")
    config = yaml.safe_load((job.folder / "onethinker.yaml").read_text())
    rows = [row for file in config["data"]["train_files"] for row in pq.read_table(file).to_pylist()]
    assert job.data.rows == len(rows) == len(world)
    for row, sample in zip(rows, world, strict=True):
        again = sample_of(row["data_source"], row["reward_model"]["ground_truth"], row["extra_info"])
        assert (again.question, again.truth, again.options) == (sample.question, sample.truth, sample.options)
        kept = {key: value for key, value in sample.meta.items() if key != "response"}
        assert (row["ability"], dict(again.meta)) == (sample.task, kept)
    assert config["algorithm"]["adv_estimator"] == "onethinker_ema_grpo"
    assert config["trainer"]["v1"]["trainer_mode"] == "onethinker_colocate_async"
    options = config["trainer"]["v1"]["onethinker_colocate_async"]["algorithm_options"]
    assert make("ema_grpo", **options).beta == 0.99
    assert config["reward"]["custom_reward_function"]["reward_kwargs"] == {"profile": "paper"}
    assert (config["trainer"]["nnodes"], config["trainer"]["n_gpus_per_node"]) == (4, 8)
    assert os.access(job.folder / "launch.sh", os.X_OK)
    subprocess.run(["bash", "-n", str(job.folder / "launch.sh")], check=True)
    assert any(line.startswith("rl.sampler") for line in job.not_taken)
    assert json.loads((tmp_path / "out" / "data" / ".export.json").read_text())["form"] == "verl"


@pytest.mark.parametrize(
    ("assignment", "fix"),
    [
        ("model.base=mini", "--model FOLDER"),
        ("rl.optimizer.kind=muon", "adamw"),
        ("rl.optimizer.schedule=linear", "cosine or constant"),
        ("rl.freeze_vision=true", "rl.freeze_vision=false"),
        ("tools.names=[zoom]", "tools.names="),
        ("rl.judge={url: http://x, in_group: true}", "rl.judge.in_group=false"),
        ("data.limit=5", "data mix"),
        ("data.train=", "--data DIR"),
        ("rl.steps=1", "does not divide 2 GPUs"),
    ],
)
def test_what_verl_cannot_do_is_refused_with_the_fix(assignment: str, fix: str, tmp_path: Path) -> None:
    recipe = override(SHIPPED["qwen3_vl_2b"], ["data.train=x", assignment])
    with pytest.raises(RecipeError, match=fix.replace("[", r"\[")):
        write_job(recipe, tmp_path / "out", cluster=Cluster(1, 2, 4))
    with pytest.raises(DataError, match="x: no such file"):
        write_job(override(SHIPPED["qwen3_vl_2b"], ["data.train=x"]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_only_not_taken_is_told() -> None:
    told = not_taken(override(SHIPPED["qwen3_vl_2b"], ["rl.algorithm=mt_grpo", "rl.mask_truncated=true"]))
    assert [line.split(":")[0] for line in told][-2:] == ["rl.mask_truncated", "mt_grpo"]


ELSEWHERE = (
    "data.",
    "model.base",
    "sft.",
    "evaluate.",
    "prompts",
    "media.",
    "rl.judge",
    "tools.",
    "rl.algorithm_options",
)
"""Keys that the exported rows hold, that stages beside RL read, or of which other tests hold what becomes."""
NO_MATTER = {
    "parallel": "verl shards as its strategy says",
    "model.attention": "kernels of the same attention",
    "model.device": "verl's own",
    "rl.engine": "vLLM answers",
    "rl.decode_batch_size": "vLLM's own",
    "rl.micro_tokens": "never less than a row, which is more here",
    "rl.optimizer.matrix_lr": "of Muon, which is refused",
    "lora.alpha": "without adapters",
    "lora.dropout": "without adapters",
    "rl.accuracy_low": "told whatever it is",
    "rl.accuracy_high": "told whatever it is",
}


def changed(key: str, value: Any) -> str:
    known = {"model.dtype": "float32", "rl.optimizer.kind": "muon", "rl.optimizer.schedule": "linear",
             "rl.algorithm": "grpo", "rl.reward": "paper", "rl.loss": "dr_grpo", "rl.ratio": "sequence",
             "rl.sampler": "curriculum", "rl.engine": "vllm", "parallel": "fsdp", "watch": "[wandb]",
             "rl.engine_options": "{a: 1}", "rl.optimizer.betas": "[0.5, 0.6]", "rl.optimizer.warmup": "0.5",
             "rl.optimizer.final": "0.5", "rl.accuracy_low": "0.2", "rl.accuracy_high": "0.8"}  # fmt: skip
    if key in known:
        return known[key]
    if isinstance(value, bool):
        return str(not value).lower()
    return str(value + 1) if isinstance(value, int) else str(value / 2 + 0.01) if isinstance(value, float) else "other"


def test_every_key_of_a_recipe_reaches_verl_or_is_told_or_refused(tmp_path: Path) -> None:
    recipe = override(SHIPPED["qwen3_vl_2b"], ["data.train=x", "model.base=/models/2b"])

    def becomes(changes: list[str]) -> tuple[Any, ...]:
        made = override(recipe, changes)
        try:
            refuse(made, "sync")
        except RecipeError as error:
            return (str(error),)
        return configuration(made, tmp_path, tmp_path, tmp_path, Cluster(), "sync"), not_taken(made)

    usual, lost = becomes([]), []
    for key, value in leaves(recipe.model_dump()):
        if not key.startswith(ELSEWHERE) and becomes([f"{key}={changed(key, value)}"]) == usual:
            lost.append(key)
    assert set(lost) <= NO_MATTER.keys()
