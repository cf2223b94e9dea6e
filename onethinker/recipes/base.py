"""One mechanism for configuration: a `Recipe` is a whole run, typed; YAML and `--set` change its keys, nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from onethinker.media import MediaBudget
from onethinker.util.names import likeness

Share = Annotated[float, Field(ge=0, le=1)]


def _known_reward(name: str) -> str:
    from onethinker.tasks.rewards import known_reward  # late: help that names no profile loads no measures

    return known_reward(name)


def _known_metric_profile(name: str) -> str:
    from onethinker.tasks.pool import known_metric_profile

    return known_metric_profile(name)


RewardName = Annotated[str, AfterValidator(_known_reward)]
MetricProfileName = Annotated[str, AfterValidator(_known_metric_profile)]


class RecipeError(ValueError):
    """A recipe or an override that cannot be used; the message names the nearest key."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelConfig(Section):
    """base: `mini` (built from nothing), a shipped name, a folder or a hub id."""

    base: str = "mini"
    dtype: Literal["float32", "bfloat16"] = "float32"
    attention: str = "sdpa"
    device: str = "auto"


class LoraConfig(Section):
    """rank 0 trains every weight that is not frozen."""

    rank: NonNegativeInt = 0
    alpha: PositiveInt = 32
    dropout: Share = 0.0


class DataConfig(Section):
    """train, evaluate: files or folders that `load_samples` reads. media_root: for both, their own folder if empty."""

    train: str = ""
    evaluate: str = ""
    media_root: str = ""
    limit: PositiveInt | None = None
    max_unreadable: Share = Field(
        0.05, description="share of the samples, but at least one, that SFT may find unreadable before it stops"
    )


class OptimizerConfig(Section):
    """Linear warm-up, then constant, cosine or linear decay to `final` of the peak.

    kind: `adamw`, or `muon` for the layers' matrices (at `matrix_lr`) and AdamW for the rest.
    """

    kind: Literal["adamw", "muon"] = "adamw"
    lr: NonNegativeFloat = 1e-5
    matrix_lr: NonNegativeFloat = 1e-5
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: NonNegativeFloat = 0.0
    warmup: Share = Field(0.03, description="share of the steps")
    schedule: Literal["constant", "cosine", "linear"] = "cosine"
    final: Share = 0.0
    max_grad_norm: PositiveFloat = 1.0


class SFTConfig(Section):
    """batch counts samples a step; micro_tokens bounds the tokens of one forward pass (gradient accumulation).

    budget: media sizes where they differ from the recipe's `media`.
    """

    optimizer: OptimizerConfig = OptimizerConfig()
    steps: PositiveInt | None = Field(None, description="stops here, or after `epochs`")
    epochs: PositiveFloat = 1.0
    batch: PositiveInt = 32
    micro_tokens: PositiveInt = 8192
    freeze_vision: bool = True
    freeze_projector: bool = True
    gradient_checkpointing: bool = False
    max_tokens: PositiveInt = 20_480
    budget: MediaBudget | None = None
    save_every: PositiveInt = 200
    keep: PositiveInt = 2


class JudgeConfig(Section):
    """Who grades free text instead of ROUGE: a server at `url` (http://host:port/v1), none if empty.

    kind: chat (a rubric) or reward (POLAR behind vLLM). model: the server's first unless given. in_group: grades count
    relative to those of the same prompt.
    """

    url: str = ""
    kind: Literal["chat", "reward"] = "chat"
    model: str = ""
    in_group: bool = False


class RLConfig(Section):
    """prompts a step, each answered `group` times; updates in minibatches of `minibatch` prompts.

    decode_batch_size: answers decoded together, which bounds the cache of keys and values. engine: who answers, `local`
    or `vllm`: the server at `server` (http://host:port/v1), which reads the weights from the folder `handover` (the
    run's own if empty), or else one in the trainer's process, with `engine_options` of `vllm.LLM`. importance_cap:
    bound on the weights for the difference between vLLM's probabilities and ours.
    """

    optimizer: OptimizerConfig = OptimizerConfig(lr=2e-6, schedule="constant", warmup=0.0)
    steps: PositiveInt = 200
    prompts: PositiveInt = 128
    minibatch: PositiveInt = 32
    group: PositiveInt = 8
    decode_batch_size: PositiveInt = 256
    engine: Literal["local", "vllm"] = "local"
    server: str = ""
    handover: str = ""
    engine_options: dict[str, Any] = Field(default_factory=dict)
    importance_cap: PositiveFloat = 2.0
    temperature: PositiveFloat = 1.0
    max_prompt_tokens: PositiveInt = 16_384
    max_tokens: PositiveInt = 4096
    micro_tokens: PositiveInt = 8192
    algorithm: str = "ema_grpo"
    algorithm_options: dict[str, Any] = Field(default_factory=dict)
    reward: RewardName = "released"
    judge: JudgeConfig = JudgeConfig()
    loss: Literal["token_mean", "sequence_mean", "dr_grpo"] = "token_mean"
    ratio: Literal["token", "sequence"] = "token"
    clip_low: NonNegativeFloat = 0.2
    clip_high: NonNegativeFloat = 0.3
    dual_clip: PositiveFloat = 3.0
    kl: NonNegativeFloat = 0.01
    mask_truncated: bool = False
    filter_groups: bool = True
    accuracy_low: Share = 0.01
    accuracy_high: Share = 0.99
    refill_tries: NonNegativeInt = Field(
        3, description="times more prompts than a step needs that may be drawn to fill it"
    )
    sampler: Literal["uniform", "task_balanced", "modality_balanced", "curriculum"] = "modality_balanced"
    freeze_vision: bool = False
    freeze_projector: bool = False
    gradient_checkpointing: bool = False
    save_every: PositiveInt = 20
    keep: PositiveInt = 2

    @model_validator(mode="before")
    @classmethod
    def _old_names(cls, values: Any) -> Any:
        """Recipes that checkpoints of version 0.1 hold have `rows`."""
        if isinstance(values, dict) and "rows" in values:
            return {"decode_batch_size" if key == "rows" else key: value for key, value in values.items()}
        return values


class EvalConfig(Section):
    """Greedy answers, and `sampled` answers a question at `temperature` for the mean sampled reward (0: none)."""

    max_tokens: PositiveInt = 8192
    batch: PositiveInt = 64
    sampled: NonNegativeInt = 0
    temperature: NonNegativeFloat = 1.0
    metric_profile: MetricProfileName = "official"
    reward: RewardName = "released"
    bootstrap: PositiveInt = 1000
    budget: MediaBudget = MediaBudget(image_pixels=1024 * 32 * 32, frame_pixels=256 * 32 * 32)


class Recipe(Section):
    """A whole run. `name` is for people; `watch` says where to follow a training and `parallel` how the processes that
    torchrun starts hold the model, a copy each or a part of every weight each; all else decides what comes out."""

    name: str
    watch: tuple[Literal["tensorboard", "trackio", "wandb"], ...] = ("tensorboard",)
    parallel: Literal["ddp", "fsdp"] = "ddp"
    seed: int = 0
    prompts: str = "full"
    model: ModelConfig = ModelConfig()
    lora: LoraConfig = LoraConfig()
    data: DataConfig = DataConfig()
    media: MediaBudget = MediaBudget()
    sft: SFTConfig = SFTConfig()
    rl: RLConfig = RLConfig()
    evaluate: EvalConfig = EvalConfig()

    def deciding(self) -> dict[str, Any]:
        """The keys that a run must share with its resumption: where it is logged, how processes hold the model,
        where servers are and how many samples may be unreadable may differ."""
        server: dict[str, Any] = {"server": True, "handover": True, "engine_options": True, "judge": {"url"}}
        excluded: dict[str, Any] = {"watch": True, "parallel": True, "data": {"max_unreadable"}, "rl": server}
        tree = self.model_dump(exclude=excluded)
        tree["rl"]["rows"] = tree["rl"].pop("decode_batch_size")  # as run folders of version 0.1 have it
        return tree


def sft_steps(recipe: Recipe, samples: int) -> int:
    """The steps of SFT on so many samples: `sft.steps`, or else `sft.epochs` of them in batches of `sft.batch`."""
    if recipe.sft.steps is not None:
        return recipe.sft.steps
    return max(1, round(recipe.sft.epochs * samples / recipe.sft.batch))


def override(recipe: Recipe, assignments: list[str]) -> Recipe:
    """Apply `section.key=value` strings: the value is read as YAML, or taken as it stands where the key is text.

    Raises RecipeError; for an unknown key it names the nearest.
    """
    changes: list[tuple[str, Any]] = []
    for text in assignments:
        key, mark, value = text.partition("=")
        if not mark:
            raise RecipeError(f"--set {text}: expected key=value, such as sft.optimizer.lr=1e-5")
        changes += leaves({key: value if _annotation(key) is str else _read(value, f"--set {key}")})
    return _apply(recipe, changes, "--set")


def from_yaml(path: Path, shipped: dict[str, Recipe]) -> Recipe:
    """A YAML file: the keys that differ from the recipe it names under `base` (default `mini`).

    The recipe is named after the file unless it says otherwise.
    """
    try:
        changes = _read(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not YAML ({error})") from error
    if not isinstance(changes, dict):
        raise RecipeError(f"{path}: expected keys of a recipe, found {type(changes).__name__}")
    base = str(changes.pop("base", "mini"))
    if base not in shipped:
        raise RecipeError(f"{path}: base {base!r} is not shipped; expected one of {', '.join(shipped)}")
    return _apply(shipped[base], leaves({"name": path.stem} | changes), str(path))


def _apply(recipe: Recipe, changes: list[tuple[str, Any]], where: str) -> Recipe:
    """Set dotted keys. An optional section that is absent starts from its defaults; another algorithm starts without
    the options of the one before."""
    tree = recipe.model_dump()
    if any(key == ALGORITHM and value != recipe.rl.algorithm for key, value in changes):
        tree["rl"]["algorithm_options"] = {}
    for key, value in changes:
        branch, _, leaf = key.rpartition(".")
        if _annotation(key) is None and branch != OPTIONS:
            near = (
                f"it is called {RENAMED[key]} now"
                if key in RENAMED
                else f"the nearest is {_nearest(key, leaves(tree))}"
            )
            raise RecipeError(f"{where}: {key}: no such key; {near}")
        node = tree
        for part in branch.split(".") if branch else []:
            node[part] = node[part] or {}
            node = node[part]
        node[leaf] = value
    return _validate(tree, where)


ALGORITHM, OPTIONS = "rl.algorithm", "rl.algorithm_options"
RENAMED = {"rl.rows": "rl.decode_batch_size"}
"""Old keys and what they are called now."""


def _annotation(key: str) -> Any:
    """The type of a dotted key, None where there is no such key."""
    found: Any = Recipe
    for part in key.split("."):
        section = _section(found)
        if section is None or part not in section.model_fields:
            return None
        found = section.model_fields[part].annotation
    return found


def _section(annotation: Any) -> type[BaseModel] | None:
    """The section that a type is, or may be."""
    kinds = (annotation, *get_args(annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _nearest(key: str, leaves: list[tuple[str, Any]]) -> str:
    """The key most like it as a whole and in its last word, with its present value."""

    def closeness(leaf: tuple[str, Any]) -> float:
        pairs = ((key, leaf[0]), (key.rpartition(".")[2], leaf[0].rpartition(".")[2]))
        return sum(likeness(*pair) for pair in pairs)

    name, value = max(leaves, key=closeness)
    return f"{name} (now {value!r})"


class _Yaml(yaml.SafeLoader):
    """YAML with `1e-5` a number, as everybody means it."""


_Yaml.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+$"), list("+-.0123456789")
)


def _read(text: str, where: str) -> Any:
    try:
        return yaml.load(text, _Yaml)
    except (yaml.YAMLError, RecursionError) as error:
        raise RecipeError(f"{where}: not YAML ({error})") from error


def leaves(tree: dict[Any, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Dotted keys and values; sections are opened, other mappings are values."""
    found: list[tuple[str, Any]] = []
    for key, value in tree.items():
        name = f"{prefix}{key}"
        opened = isinstance(value, dict) and _section(_annotation(name))
        found += leaves(value, f"{name}.") if opened else [(name, value)]
    return found


def _validate(tree: dict[str, Any], where: str) -> Recipe:
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}, got {e['input']!r}" for e in error.errors()]
        raise RecipeError(f"{where}: " + "; ".join(lines)) from error
