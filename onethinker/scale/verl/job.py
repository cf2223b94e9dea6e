"""A recipe's RL as a job of verl: data, config and launch script. Needs no verl.

OUT/data/train-*.parquet   the prompts, with their media linked beside them (or embedded)
OUT/job/onethinker.yaml    what differs from verl's ppo_trainer.yaml, which it extends
OUT/job/launch.sh          the self-check, then the training; `ray job submit --working-dir OUT/job -- bash launch.sh`
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from onethinker.corpus.export import Exported, export
from onethinker.recipes.base import Recipe, RecipeError, leaves
from onethinker.recipes.tools import recipe_prompts
from onethinker.sample.files import data_files
from onethinker.scale.verl.plugin import ESTIMATORS
from onethinker.train.advantage import make
from onethinker.util.files import write_whole
from onethinker.util.plugins import VARIABLE

MODES = ("sync", "colocate_async", "separate_async")
STEPS_DECIDE = 1_000_000
"""Epochs at most: `trainer.total_training_steps` ends a run before."""
LOSSES = {"token_mean": "token-mean", "sequence_mean": "seq-mean-token-mean", "dr_grpo": "seq-mean-token-sum-norm"}
LAUNCH = """#!/usr/bin/env bash
# On a cluster:  ray job submit --working-dir {job} -- bash launch.sh
# Here:          bash {job}/launch.sh trainer.n_gpus_per_node=1     (any key of the config can follow)
set -euo pipefail
cd "$(dirname "${{BASH_SOURCE[0]}}")"
python -m onethinker.scale.verl
exec python -m verl.trainer.main_ppo --config-dir "$PWD" --config-name onethinker "$@"
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where it will run: machines, GPUs of each, and GPUs that hold one copy of the model that answers."""

    nodes: int = 1
    gpus: int = 8
    tensor_parallel: int = 1


@dataclass(frozen=True, slots=True)
class Job:
    """What was written. not_taken: keys of the recipe that verl has no counterpart of, each with what happens."""

    folder: Path
    data: Exported
    not_taken: tuple[str, ...]


def write_job(
    recipe: Recipe, out: Path, *, cluster: Cluster | None = None, mode: str = "sync", embed: bool = False
) -> Job:
    """Write data, config and launch script. Raises RecipeError for what verl cannot do, DataError for the data."""
    out, cluster = out.absolute(), cluster or Cluster()
    refuse(recipe, mode)
    _check_cluster(cluster)
    for data in filter(None, (recipe.data.train, recipe.data.evaluate)):
        data_files(Path(data))
    make(recipe.rl.algorithm, **recipe.rl.algorithm_options)
    recipe_prompts(recipe)
    root = recipe.data.media_root or None
    made = export(recipe.data.train, out / "data", "verl", media_root=root, embed=embed, prompts=recipe.prompts)
    held = made
    if recipe.data.evaluate:
        held = export(recipe.data.evaluate, out / "held_out", "verl", media_root=root, embed=embed,
                      prompts=recipe.prompts)  # fmt: skip
    config = configuration(recipe, out, made.folder, held.folder, cluster, mode)
    job = out / "job"
    job.mkdir(exist_ok=True)
    write_whole(job / "onethinker.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    write_whole(job / "launch.sh", LAUNCH.format(job=job))
    (job / "launch.sh").chmod(0o755)
    return Job(job, made, not_taken(recipe))


def _check_cluster(cluster: Cluster) -> None:
    gpus = cluster.nodes * cluster.gpus
    if gpus % cluster.tensor_parallel:
        raise RecipeError(
            f"--tensor-parallel {cluster.tensor_parallel} does not divide {gpus} GPUs, {cluster.nodes} × {cluster.gpus}"
        )


def refuse(recipe: Recipe, mode: str) -> None:
    """Raises RecipeError for what would train something else than the recipe says."""
    if mode not in MODES:
        raise RecipeError(f"no mode {mode!r} of verl's trainer; expected one of {', '.join(MODES)}")
    if not recipe.data.train:
        raise RecipeError("no training data: give --data DIR (make some with `onethinker data world --out DIR`)")
    if recipe.model.base == "mini":
        raise RecipeError("model.base is mini, which is built from nothing; give --model FOLDER, such as one after SFT")
    if recipe.rl.optimizer.kind != "adamw":
        raise RecipeError("rl.optimizer.kind is muon, which verl has not; give --set rl.optimizer.kind=adamw")
    if recipe.rl.optimizer.schedule == "linear":
        raise RecipeError(
            "rl.optimizer.schedule is linear, which verl has not; give --set rl.optimizer.schedule=cosine or constant"
        )
    if (recipe.rl.freeze_vision or recipe.rl.freeze_projector) and not recipe.lora.rank:
        raise RecipeError(
            "rl.freeze_vision, freeze_projector: verl 0.9 has freeze_vision_tower in its config but reads it nowhere; "
            "give --set rl.freeze_vision=false --set rl.freeze_projector=false, or lora.rank, which leaves both alone"
        )
    if recipe.tools.names:
        raise RecipeError("tools.names: tools are not offered in verl's answers yet; give --set 'tools.names=[]'")
    if recipe.rl.judge.url and recipe.rl.judge.in_group:
        raise RecipeError(
            "rl.judge.in_group: verl scores an answer at a time, without the others of its prompt; give --set "
            "rl.judge.in_group=false"
        )
    if recipe.data.difficulty or recipe.data.limit:
        raise RecipeError("data.difficulty and data.limit choose samples: choose them before (`onethinker data mix`)")


_OWN_VLLM = "verl starts vLLM itself; its options are keys of actor_rollout_ref.rollout"
_UNTAKEN = {
    "checkpoints": "verl writes OUT/checkpoints and copies it nowhere",
    "rl.engine_options": _OWN_VLLM,
    "rl.server": _OWN_VLLM,
    "rl.handover": _OWN_VLLM,
    "rl.refill_tries": "verl draws until a step has its groups",
}
"""Key → what verl does, told of where a recipe says something else than the default."""


def not_taken(recipe: Recipe) -> tuple[str, ...]:
    """Keys that decide something here and nothing there, each with what verl does."""
    rl, found = recipe.rl, list[str]()
    given, default = (dict(leaves(r.model_dump())) for r in (recipe, Recipe(name="")))
    found += [f"{key}: {instead}" for key, instead in _UNTAKEN.items() if given[key] != default[key]]
    if recipe.model.dtype == "float32":
        found.append("model.dtype=float32: verl computes in bfloat16")
    if rl.sampler != "uniform":
        found.append(f"rl.sampler={rl.sampler}: verl draws evenly over the rows")
    if rl.filter_groups:
        found.append("rl.accuracy_low, accuracy_high: verl drops a prompt whose answers all have the same accuracy")
    if rl.mask_truncated:
        found.append("rl.mask_truncated: answers that were cut off are learned from")
    if rl.algorithm == "mt_grpo":
        found.append("mt_grpo: its advantages are taken, its choice of groups and its task weights are not")
    if recipe.lora.rank and recipe.lora.dropout:
        found.append("lora.dropout: 0 in verl")
    return tuple(found)


def configuration(recipe: Recipe, out: Path, train: Path, held: Path, cluster: Cluster, mode: str) -> dict[str, Any]:
    """What is laid over verl's ppo_trainer.yaml. held: rows that are answered where `trainer.test_freq` says so."""
    rl = recipe.rl
    return {
        "defaults": ["ppo_trainer", "_self_"],
        "data": {
            "train_files": sorted(str(file) for file in train.glob("*.parquet")),
            "val_files": sorted(str(file) for file in held.glob("*.parquet")),
            "val_max_samples": -1 if held != train else 64,
            "custom_cls": {"path": "pkg://onethinker.scale.verl.dataset", "name": "OneThinkerDataset"},
            "media_budget": recipe.media.model_dump(),
            "max_prompt_length": rl.max_prompt_tokens,
            "max_response_length": rl.max_tokens,
            "filter_overlong_prompts": True,
            "filter_overlong_prompts_workers": 8,
            "train_batch_size": rl.prompts,
            "seed": recipe.seed,
        },
        "actor_rollout_ref": {
            "model": _model(recipe),
            "actor": _actor(recipe),
            "ref": {"fsdp_config": {"param_offload": True}},
            "rollout": {
                "name": "vllm",
                "n": rl.group,
                "temperature": rl.temperature,
                "seed": recipe.seed,
                "tensor_model_parallel_size": cluster.tensor_parallel,
                "max_model_len": rl.max_prompt_tokens + rl.max_tokens,
            },
        },
        "algorithm": {
            "adv_estimator": ESTIMATORS + rl.algorithm,
            "use_kl_in_reward": False,
            "filter_groups": {"enable": rl.filter_groups, "metric": "acc"},
            "rollout_correction": {"rollout_is": "token", "rollout_is_threshold": rl.importance_cap},
        },
        "reward": {"custom_reward_function": _reward(recipe)},
        "trainer": {
            "nnodes": cluster.nodes,
            "n_gpus_per_node": cluster.gpus,
            "total_epochs": STEPS_DECIDE,
            "total_training_steps": rl.steps,
            "save_freq": rl.save_every,
            "max_actor_ckpt_to_keep": rl.keep,
            "val_before_train": False,
            "project_name": "onethinker",
            "experiment_name": recipe.name,
            "default_local_dir": str(out / "checkpoints"),
            "logger": ["console", *recipe.watch],
            "v1": {
                "trainer_mode": ESTIMATORS + mode,
                ESTIMATORS + mode: {"algorithm_options": dict(rl.algorithm_options)},
                "sampler": {"sync_refill_failed_groups": True},
            },
        },
    } | _environment()  # fmt: skip


def _model(recipe: Recipe) -> dict[str, Any]:
    from onethinker.models.shipped import locate

    model: dict[str, Any] = {
        "path": str(locate(recipe.model.base)),
        "enable_gradient_checkpointing": recipe.rl.gradient_checkpointing,
    }
    if recipe.lora.rank:
        alone = {"exclude_modules": ".*visual.*"}  # adapters belong to the language model
        model |= {"lora_rank": recipe.lora.rank, "lora_alpha": recipe.lora.alpha} | alone
    return model


def _actor(recipe: Recipe) -> dict[str, Any]:
    """The update. An update's pass holds `micro_tokens`, but never less than one whole row."""
    rl, optimizer = recipe.rl, recipe.rl.optimizer
    return {
        "strategy": "fsdp2",
        "ppo_mini_batch_size": min(rl.minibatch, rl.prompts),
        "use_dynamic_bsz": True,
        "ppo_max_token_len_per_gpu": max(rl.micro_tokens, rl.max_prompt_tokens + rl.max_tokens),
        "clip_ratio_low": rl.clip_low,
        "clip_ratio_high": rl.clip_high,
        "clip_ratio_c": rl.dual_clip,
        "policy_loss": {"loss_mode": "gspo" if rl.ratio == "sequence" else "vanilla"},
        "loss_agg_mode": LOSSES[rl.loss],
        "loss_scale_factor": rl.max_tokens if rl.loss == "dr_grpo" else None,
        "use_kl_loss": rl.kl > 0,
        "kl_loss_coef": rl.kl,
        "kl_loss_type": "low_var_kl",
        "grad_clip": optimizer.max_grad_norm,
        "data_loader_seed": recipe.seed,
        "optim": {
            "lr": optimizer.lr,
            "betas": list(optimizer.betas),
            "weight_decay": optimizer.weight_decay,
            "lr_warmup_steps_ratio": optimizer.warmup,
            "lr_scheduler_type": optimizer.schedule,
            "min_lr_ratio": optimizer.final,
            "clip_grad": optimizer.max_grad_norm,
        },
    }


def _reward(recipe: Recipe) -> dict[str, Any]:
    judge, options = recipe.rl.judge, {"profile": recipe.rl.reward}
    if judge.url:
        options |= {"judge_url": judge.url, "judge_kind": judge.kind, "judge_model": judge.model}
    return {"path": "pkg://onethinker.scale.verl.reward", "name": "compute_score", "reward_kwargs": options}


def _environment() -> dict[str, Any]:
    """Workers import the plugins of this process (`--plugin FILE`), which must lie where they can be read."""
    held = os.environ.get(VARIABLE)
    return {"ray_kwargs": {"ray_init": {"runtime_env": {"env_vars": {VARIABLE: held}}}}} if held else {}
