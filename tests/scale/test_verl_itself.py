"""The plugin within the real verl 0.9, on CPU: run by the interpreter of an environment that holds both (docs/verl.md).

VERL/bin/python -m pytest -n0 -m slow tests/scale/test_verl_itself.py
"""

from __future__ import annotations

import asyncio
import copy
import warnings
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from onethinker.recipes import SHIPPED
from onethinker.recipes.base import override
from onethinker.sample import Samples
from onethinker.scale.verl import plugin
from onethinker.scale.verl.job import write_job
from onethinker.scale.verl.reward import KEYS
from onethinker.tasks import score
from onethinker.train.advantage import ALGORITHMS, make
from tests.tasks.examples import respond

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module", autouse=True)
def verl() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip("verl", reason="verl is not installed; docs/verl.md says how")
        pytest.importorskip("transfer_queue", reason="verl's V1 trainer needs TransferQueue")
    if not any(point.name == "onethinker" for point in entry_points(group="verl.plugins")):
        pytest.skip("onethinker is not installed in verl's environment (pip install -e .), so that verl cannot find it")
    return module


@pytest.fixture(scope="module")
def config(verl: Any, world: Samples, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What `export verl` writes of the mini model's recipe, composed by Hydra over verl's own defaults."""
    from hydra import compose, initialize_config_dir

    given = [f"data.train={world.root}", f"data.media_root={world.root}", "model.base=mini-rl",
             "rl.optimizer.schedule=constant", "rl.prompts=8", "rl.minibatch=8"]  # fmt: skip
    out = tmp_path_factory.mktemp("verl")
    job = write_job(override(SHIPPED["mini"], given), out)
    verls = Path(verl.__file__).parent / "trainer" / "config"
    with initialize_config_dir(str(job.folder), version_base=None):
        return compose("onethinker", [f"hydra.searchpath=[file://{verls}]", f"trainer.default_local_dir={out}/saved"])


def test_verl_loads_the_plugin_by_its_entry_point() -> None:
    from verl.trainer.ppo.core_algos import get_adv_estimator_fn
    from verl.trainer.ppo.v1 import PPOTrainer, get_trainer_cls

    assert plugin.check() == [
        f"onethinker_{name}" for name in [*ALGORITHMS, *("sync", "colocate_async", "separate_async")]
    ]
    assert all(callable(get_adv_estimator_fn(f"onethinker_{name}")) for name in ALGORITHMS)
    for mode in ("sync", "colocate_async", "separate_async"):
        assert issubclass(get_trainer_cls(f"onethinker_{mode}"), PPOTrainer)
        assert not get_trainer_cls(f"onethinker_{mode}").__abstractmethods__


def test_the_config_composes_and_is_valid(config: Any) -> None:
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import omega_conf_to_dataclass, validate_config

    validate_config(config, need_reference_policy(config), need_critic(config))
    actor = omega_conf_to_dataclass(config.actor_rollout_ref.actor)
    assert (actor.clip_ratio_low, actor.clip_ratio_high, actor.optim.lr) == (0.2, 0.3, 2e-4)
    assert omega_conf_to_dataclass(config.actor_rollout_ref.rollout).n == 8
    assert not need_critic(config)


def test_what_stops_a_whole_run_on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/verl.md names it: verl knows no platform of CPUs, and takes no worker where Ray has no GPU."""
    from verl.plugin.platform.platform_manager import PlatformRegistry
    from verl.single_controller.ray import base

    assert not {"cpu"} & set(PlatformRegistry.registered_names())
    monkeypatch.setattr(base.ray._private.state, "available_resources_per_node", lambda: {"here": {"CPU": 2.0}})
    with pytest.raises(ValueError, match="Total available GPUs 0 is less than total desired GPUs 1"):
        base.ResourcePoolManager({"global_pool": [1]}, {}).create_resource_pool()


# ---- estimators -------------------------------------------------------------------------------------------------


class Queue:
    """TransferQueue's key-value calls, kept in a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}

    def kv_batch_get(self, keys: list[str], partition_id: str, select_fields: list[str]) -> Any:
        from verl.utils.tensordict_utils import list_of_dict_to_tensordict

        rows = [self.rows[key] for key in keys]
        return list_of_dict_to_tensordict([{f: r[f] for f in select_fields if f in r} for r in rows])

    def kv_batch_put(self, keys: list[str], partition_id: str, fields: Any) -> Any:
        from transfer_queue import KVBatchMeta

        for name in fields.keys():  # noqa: SIM118
            for key, value in zip(keys, fields[name].unbind()):
                self.rows[key][name] = value
        return KVBatchMeta(partition_id=partition_id, keys=keys, tags=[{} for _ in keys])


def batch_of(step: int, queue: Queue) -> tuple[Any, np.ndarray, list[str], list[str]]:
    """Ten groups of four answers of several tasks and one row of padding; their rewards, uids and tasks."""
    import torch
    from transfer_queue import KVBatchMeta

    rng = np.random.default_rng(step)
    names = ["math", "tracking", "temporal_grounding", "caption", "open_ended", "ocr"]
    keys, rewards, uids, tasks = list[str](), list[float](), list[str](), list[str]()
    for group in range(10):
        task = names[int(rng.integers(len(names)))]
        for session in range(4):
            keys.append(f"u{step}x{group}_{session}_0")
            rewards.append(float(np.float32(rng.beta(2, 2 + group) * 1.5)))
            uids.append(f"u{step}x{group}")
            tasks.append(task)
    for key, reward, task, uid in zip([*keys, "pad_0_0"], [*rewards, 0.0], [*tasks, "math"], [*uids, "pad"]):
        length = int(rng.integers(1, 6))
        scores = torch.zeros(length)
        scores[-1] = reward
        queue.rows[key] = {
            "uid": uid, "ability": task, "extra_fields": {"reward_extra_info": {"error": 0.0}},
            "response_mask": torch.ones(length, dtype=torch.int64), "rm_scores": scores,
        }  # fmt: skip
    tags = [*({"is_padding": False} for _ in keys), {"is_padding": True}]
    return KVBatchMeta(partition_id="train", keys=[*keys, "pad_0_0"], tags=tags), np.array(rewards), uids, tasks


def trainer_of(config: Any, name: str, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Our trainer without workers: what saves and loads weights does nothing."""
    from omegaconf import open_dict
    from verl.trainer.ppo.v1 import get_trainer_cls, trainer_base

    from onethinker.scale.verl import trainer

    for module in (trainer_base, trainer):
        monkeypatch.setattr(module, "tq", queue)
    config = copy.deepcopy(config)
    with open_dict(config):
        config.algorithm.adv_estimator = f"onethinker_{name}"
        config.trainer.v1.onethinker_sync.algorithm_options = {}
        config.trainer.default_local_dir += f"/{name}"
        config.actor_rollout_ref.model = {"path": "none"}
    made = get_trainer_cls("onethinker_sync")(config)
    nothing = SimpleNamespace(save_checkpoint=lambda *_, **__: None, load_checkpoint=lambda *_, **__: None)
    made.actor_rollout_wg = nothing
    made.train_dataloader = SimpleNamespace(state_dict=dict, load_state_dict=lambda state: None)
    made.checkpoint_callback = SimpleNamespace(on_save=lambda **_: None)
    return made


@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_estimator_through_verls_own_path_is_ours(name: str, config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty steps of mixed tasks, saved and restored by another trainer after the tenth."""
    queue, ours = Queue(), make(name)
    trainer = trainer_of(config, name, queue, monkeypatch)
    assert trainer.trainer_mode == "sync" and type(trainer.replay_buffer).__name__ == "ReplayBuffer"
    for step in range(1, 21):
        batch, rewards, uids, tasks = batch_of(step, queue)
        metrics: dict[str, float] = {}
        trainer.global_steps = step
        trainer._compute_advantage(batch, metrics)
        expected = ours(rewards, uids, tasks)
        got = [queue.rows[key]["advantages"] for key in batch.keys]
        assert all(bool((row == row[0]).all()) for row in got)
        np.testing.assert_allclose([float(row[0]) for row in got], [*expected, 0.0], atol=1e-6)
        assert metrics["onethinker/errors"] == 0
        if step == 10:
            trainer._save_checkpoint()
            trainer = trainer_of(config, name, queue, monkeypatch)
            trainer._load_checkpoint()
            assert trainer.global_steps == 10
            assert trainer.algorithm.state_dict() == ours.state_dict()
    assert {f"onethinker/{key}" for key in ours.stats()} <= set(metrics)


def test_verls_own_trainer_is_told_what_an_estimator_lacks(config: Any) -> None:
    import torch
    from verl.protocol import DataProto
    from verl.trainer.ppo.v1.utils import compute_advantage_for_multi_trajectories

    data = DataProto.from_dict(
        {"token_level_rewards": torch.ones(2, 3), "response_mask": torch.ones(2, 3)},
        {"uid": np.array(["a", "a"], object)},
    )
    with pytest.raises(RuntimeError, match=r"trainer\.v1\.trainer_mode"):
        compute_advantage_for_multi_trajectories(
            data, ["a_0_0", "a_1_0"], "onethinker_ema_grpo", config=config.algorithm
        )


# ---- rewards and data -------------------------------------------------------------------------------------------


def test_the_reward_manager_scores_a_batch_with_a_broken_answer(config: Any, world: Samples) -> None:
    import torch
    from verl.experimental.reward_loop.reward_loop import RewardLoopWorker
    from verl.protocol import DataProto

    worker = RewardLoopWorker(config)
    tokenizer = worker.input_tokenizer
    rows = read_rows(config)
    chosen, responses = list(world)[::4], list[str]()
    for place, sample in enumerate(chosen):
        responses.append("<think>lost" if place == 1 else respond(sample.truth))
    ids = [tokenizer.encode(text + tokenizer.eos_token) for text in responses]
    width = max(map(len, ids))
    batch = {
        "prompts": torch.zeros(len(ids), 1, dtype=torch.long),
        "responses": torch.tensor([row + [tokenizer.pad_token_id] * (width - len(row)) for row in ids]),
        "attention_mask": torch.tensor([[1] + [1] * len(row) + [0] * (width - len(row)) for row in ids]),
    }
    of_id = {row["extra_info"]["id"]: row for row in rows}
    fields = {
        name: np.array([of_id[sample.id][name] for sample in chosen], dtype=object)
        for name in ("data_source", "reward_model", "extra_info")
    }
    results = worker.loop.run_until_complete(worker.compute_score_batch(DataProto.from_dict(batch, fields)))
    for sample, response, result in zip(chosen, responses, results, strict=True):
        expected = score(sample, response)
        assert tuple(result["reward_extra_info"]) == KEYS
        assert result["reward_score"] == pytest.approx(expected.reward("released")), sample.id
        assert result["reward_extra_info"]["ok"] == float(expected.status == "ok")
    assert results[1]["reward_extra_info"]["ok"] == 0 and results[0]["reward_extra_info"]["ok"] == 1


def test_the_data_set_class_gives_what_our_engines_see(config: Any, world: Samples, mini_processor: Any) -> None:
    """Pictures, clips and text: the same tokens and pixels as ours, by verl's own call of the processor."""
    from verl.trainer.ppo.utils import create_rl_dataset
    from verl.utils.tokenizer import build_multimodal_processor_inputs

    from onethinker.engines.encode import Encoder
    from onethinker.media import MediaBudget
    from onethinker.scoring.rollout import make_request
    from onethinker.tasks.prompts import load_prompts

    config.data.filter_overlong_prompts_workers = 1
    dataset = create_rl_dataset(config.data.train_files, config.data, mini_processor.tokenizer, mini_processor)
    assert type(dataset).__name__ == "OneThinkerDataset" and len(dataset) == len(world)
    encoder, prompts = Encoder(mini_processor), load_prompts("short")
    patch, seen = mini_processor.image_processor.patch_size, set[str]()
    for place, sample in enumerate(world):
        messages = dataset[place]["raw_prompt"]
        images, clips, _ = asyncio.new_event_loop().run_until_complete(
            type(dataset).process_multi_modal_info(messages, image_patch_size=patch, config=config.data)
        )
        text = mini_processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        got = build_multimodal_processor_inputs(mini_processor, text=[text], images=images, videos=clips)
        budget = MediaBudget(**config.data.media_budget)
        expected = encoder.encode(make_request(sample, world, prompts, budget))
        assert got["input_ids"][0].tolist() == expected.ids_T.tolist(), sample.id
        for name, tensor in expected.media.items():
            assert (got[name] == tensor).all(), (sample.id, name)
        seen |= {sample.modality}
    assert {"image", "video"} <= seen


def read_rows(config: Any) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    return [row for file in config.data.train_files for row in pq.read_table(file).to_pylist()]
