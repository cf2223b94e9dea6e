"""One mechanism for configuration: a `Recipe` is a whole run, typed; YAML and `--set` change its keys, nothing else."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from onethinker.media import MediaBudget


class RecipeError(ValueError):
    """A recipe or an override that cannot be used; the message names the nearest key."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelConfig(Section):
    """base: `mini` (built from nothing), a shipped name, a folder or a hub id."""

    base: str = "mini"
    dtype: Literal["float32", "bfloat16"] = "float32"
    attention: str = "sdpa"
    device: str = "auto"


class LoraConfig(Section):
    """rank 0 trains every weight that is not frozen."""

    rank: int = 0
    alpha: int = 32
    dropout: float = 0.0


class DataConfig(Section):
    """train, evaluate: files or folders that `load_samples` reads. media_root: for both, their own folder if empty."""

    train: str = ""
    evaluate: str = ""
    media_root: str = ""
    limit: int | None = None


class OptimizerConfig(Section):
    """Linear warm-up, then constant, cosine or linear decay to `final` of the peak.

    kind: `adamw`, or `muon` for the layers' matrices (at `matrix_lr`) and AdamW for the rest.
    """

    kind: Literal["adamw", "muon"] = "adamw"
    lr: float = 1e-5
    matrix_lr: float = 1e-5
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.0
    warmup: float = Field(0.03, description="share of the steps")
    schedule: Literal["constant", "cosine", "linear"] = "cosine"
    final: float = 0.0
    max_grad_norm: float = 1.0


class SFTConfig(Section):
    """batch counts samples a step; micro_tokens bounds the tokens of one forward pass (gradient accumulation).

    budget: media sizes where they differ from the recipe's `media`.
    """

    optimizer: OptimizerConfig = OptimizerConfig()
    steps: int | None = Field(None, description="stops here, or after `epochs`")
    epochs: float = 1.0
    batch: int = 32
    micro_tokens: int = 8192
    freeze_vision: bool = True
    freeze_projector: bool = True
    gradient_checkpointing: bool = False
    max_tokens: int = 20_480
    budget: MediaBudget | None = None
    save_every: int = 200
    keep: int = 2


class RLConfig(Section):
    """prompts a step, each answered `group` times; updates in minibatches of `minibatch` prompts."""

    optimizer: OptimizerConfig = OptimizerConfig(lr=2e-6, schedule="constant", warmup=0.0)
    steps: int = 200
    prompts: int = 128
    minibatch: int = 32
    group: int = 8
    temperature: float = 1.0
    max_prompt_tokens: int = 16_384
    max_tokens: int = 4096
    micro_tokens: int = 8192
    algorithm: str = "ema_grpo"
    algorithm_options: dict[str, Any] = Field(default_factory=dict)
    reward: Literal["released", "paper", "hardened"] = "released"
    loss: Literal["token_mean", "sequence_mean", "dr_grpo"] = "token_mean"
    ratio: Literal["token", "sequence"] = "token"
    clip_low: float = 0.2
    clip_high: float = 0.3
    dual_clip: float = 3.0
    kl: float = 0.01
    mask_truncated: bool = False
    filter_groups: bool = True
    accuracy_low: float = 0.01
    accuracy_high: float = 0.99
    refill_tries: int = Field(3, description="times more prompts than a step needs that may be drawn to fill it")
    sampler: Literal["uniform", "task_balanced", "modality_balanced", "curriculum"] = "modality_balanced"
    freeze_vision: bool = False
    freeze_projector: bool = False
    gradient_checkpointing: bool = False
    save_every: int = 20
    keep: int = 2


class EvalConfig(Section):
    """Greedy answers, and `sampled` answers a question at `temperature` for the mean sampled reward (0: none)."""

    max_tokens: int = 8192
    batch: int = 64
    sampled: int = 0
    temperature: float = 1.0
    metric_profile: Literal["official", "released"] = "official"
    reward: Literal["released", "paper", "hardened"] = "released"
    bootstrap: int = 1000
    budget: MediaBudget = MediaBudget(image_pixels=1024 * 32 * 32, frame_pixels=256 * 32 * 32)


class Recipe(Section):
    """A whole run. `name` is for people; everything else decides what comes out."""

    name: str
    seed: int = 0
    prompts: str = "full"
    model: ModelConfig = ModelConfig()
    lora: LoraConfig = LoraConfig()
    data: DataConfig = DataConfig()
    media: MediaBudget = MediaBudget()
    sft: SFTConfig = SFTConfig()
    rl: RLConfig = RLConfig()
    evaluate: EvalConfig = EvalConfig()


def override(recipe: Recipe, assignments: list[str]) -> Recipe:
    """Apply `section.key=value` strings (values read as YAML). An unknown key names the nearest one."""
    tree = recipe.model_dump()
    known = dict(_leaves(tree))
    for text in assignments:
        key, mark, value = text.partition("=")
        if not mark:
            raise RecipeError(f"--set {text}: expected key=value, such as sft.optimizer.lr=1e-5")
        branch, _, leaf = key.rpartition(".")
        node: Any = tree
        for part in branch.split(".") if branch else []:
            node = node.get(part) if isinstance(node, dict) else None
        if not isinstance(node, dict) or (leaf not in node and not branch.endswith("options")):
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
            raise RecipeError(f"--set {key}: no such key; the nearest is {near[0]} (now {known[near[0]]!r})")
        node[leaf] = _scalar(value)
    return _validate(tree, "--set")


def from_yaml(path: Path, shipped: dict[str, Recipe]) -> Recipe:
    """A YAML file: the keys that differ from the recipe it names under `base` (default `mini`)."""
    try:
        changes = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: not YAML ({error})") from error
    if not isinstance(changes, dict):
        raise RecipeError(f"{path}: expected keys of a recipe, found {type(changes).__name__}")
    base = changes.pop("base", "mini")
    if base not in shipped:
        raise RecipeError(f"{path}: base {base!r} is not shipped; expected one of {', '.join(shipped)}")
    assignments = [f"{key}={yaml.safe_dump(value).strip()}" for key, value in _leaves(changes)]
    return override(shipped[base], [a.removesuffix("\n...") for a in assignments])


def _scalar(text: str) -> Any:
    """YAML's reading, with `1e-5` a number as everybody means it."""
    try:
        return float(text) if "e" in text.lower() else yaml.safe_load(text)
    except ValueError:
        return yaml.safe_load(text)


def _leaves(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in tree.items():
        found += _leaves(value, f"{prefix}{key}.") if isinstance(value, dict) and value else [(prefix + key, value)]
    return found


def _validate(tree: dict[str, Any], where: str) -> Recipe:
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}, got {e['input']!r}" for e in error.errors()]
        raise RecipeError(f"{where}: " + "; ".join(lines)) from error
