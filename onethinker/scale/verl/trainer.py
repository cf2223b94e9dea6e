"""verl's trainers with the task of each answer in the estimator, and the estimator's state in every checkpoint.

Written against verl 0.9 (verl/trainer/ppo/v1/trainer_base.py): `PPOTrainer._compute_advantage` fetches a fixed list of
fields and hands on `uid` alone; `_save_checkpoint` writes `global_step_N/`; `_load_checkpoint` has no hook.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import transfer_queue as tq
from verl.trainer.ppo.v1.trainer_colocate_async import PPOTrainerColocateAsync
from verl.trainer.ppo.v1.trainer_separate_async import PPOTrainerSeparateAsync
from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync

from onethinker.scale.verl.estimators import Labels, labelled
from onethinker.scale.verl.plugin import ESTIMATORS
from onethinker.train.advantage import make
from onethinker.util.files import write_whole

STATE = "onethinker.json"
"""In a checkpoint's folder: which estimator, and what it remembers."""

logger = logging.getLogger(__name__)


class LabelledTrainer:
    """What each of ours adds to one of verl's. verl_mode: that trainer's own name."""

    verl_mode = "sync"
    config: Any
    global_steps: int

    def __init__(self, config: Any) -> None:
        super().__init__(config)  # type: ignore[call-arg]
        named = str(config.algorithm.adv_estimator)
        options = config.trainer.v1.get(ESTIMATORS + self.verl_mode, {}).get("algorithm_options", {})
        self.algorithm_name = named.removeprefix(ESTIMATORS)
        self.algorithm = make(self.algorithm_name, **dict(options)) if named.startswith(ESTIMATORS) else None

    def _build_replay_buffer(self) -> Any:
        """verl knows what is synchronous by the mode's name, here first and in many places later; ours go by the name
        of the trainer that they extend, with its options."""
        self.trainer_mode = self.verl_mode
        self.parameter_sync_step = self.config.trainer.v1.get(self.verl_mode, {}).get("parameter_sync_step", 1)
        return super()._build_replay_buffer()  # type: ignore[misc]

    def _compute_advantage(self, batch: Any, metrics: dict[str, Any]) -> Any:
        if self.algorithm is None:
            return super()._compute_advantage(batch, metrics)  # type: ignore[misc]
        data = tq.kv_batch_get(
            keys=batch.keys, partition_id=batch.partition_id, select_fields=["ability", "extra_fields"]
        )
        tasks = [str(_plain(task)) for task in data["ability"]]
        failed = [_failed(_plain(fields)) for fields in data["extra_fields"]]
        left_out = [bool(tag.get("is_padding")) or fault for tag, fault in zip(batch.tags, failed, strict=True)]
        with labelled(Labels(self.algorithm_name, self.algorithm, list(batch.keys), tasks, left_out)):
            made = super()._compute_advantage(batch, metrics)  # type: ignore[misc]
        metrics.update({f"onethinker/{name}": value for name, value in self.algorithm.stats().items()})
        metrics["onethinker/errors"] = sum(failed)
        return made

    def _save_checkpoint(self) -> None:
        """The state first: verl then names the checkpoint the latest, which must be whole."""
        if self.algorithm is not None:
            folder = Path(self.config.trainer.default_local_dir) / f"global_step_{self.global_steps}"
            folder.mkdir(parents=True, exist_ok=True)
            kept = {"algorithm": self.algorithm_name, "state": self.algorithm.state_dict()}
            write_whole(folder / STATE, json.dumps(kept))
        super()._save_checkpoint()  # type: ignore[misc]

    def _load_checkpoint(self) -> None:
        super()._load_checkpoint()  # type: ignore[misc]
        if self.algorithm is None or not self.global_steps:
            return
        trainer = self.config.trainer
        given = trainer.resume_mode == "resume_path"
        folder = trainer.resume_from_path if given else f"{trainer.default_local_dir}/global_step_{self.global_steps}"
        file = Path(folder) / STATE
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            logger.error("%s: not there, another trainer saved this; %s starts anew", file, self.algorithm_name)
            return
        if kept["algorithm"] != self.algorithm_name:
            logger.error("%s: is of %s; %s starts anew", file, kept["algorithm"], self.algorithm_name)
            return
        self.algorithm.load_state_dict(kept["state"])
        logger.info("%s: the state of %s is restored", file, self.algorithm_name)


def _plain(value: Any) -> Any:
    """A value without the wrapper that TensorDict may put around what is no tensor."""
    return getattr(value, "data", value)


def _failed(extra_fields: Any) -> bool:
    """Whether our reward function said that an answer could not be scored."""
    found = extra_fields.get("reward_extra_info") if isinstance(extra_fields, dict) else None
    return bool(found and found.get("error"))


class Sync(LabelledTrainer, PPOTrainerSync):
    """`trainer.v1.trainer_mode=onethinker_sync`."""


class ColocateAsync(LabelledTrainer, PPOTrainerColocateAsync):
    """`trainer.v1.trainer_mode=onethinker_colocate_async`."""

    verl_mode = "colocate_async"


class SeparateAsync(LabelledTrainer, PPOTrainerSeparateAsync):
    """`trainer.v1.trainer_mode=onethinker_separate_async`."""

    verl_mode = "separate_async"


TRAINERS: dict[str, type] = {kind.verl_mode: kind for kind in (Sync, ColocateAsync, SeparateAsync)}
