"""The keys of a recipe, each with its type, default and meaning: what `recipe show` prints and docs/recipe.md lists."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from onethinker.media import MediaBudget

Share = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]


def _known_reward(name: str) -> str:
    from onethinker.tasks.rewards import known_reward  # late: help that names no profile loads no measures

    return known_reward(name)


def _known_metric_profile(name: str) -> str:
    from onethinker.tasks.pool import known_metric_profile

    return known_metric_profile(name)


RewardName = Annotated[str, AfterValidator(_known_reward)]
MetricProfileName = Annotated[str, AfterValidator(_known_metric_profile)]


class Section(BaseModel):
    """A part of a recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def key(default: Any, meaning: str) -> Any:
    """A key with its default and, for people, its meaning and unit."""
    return Field(default, description=meaning)


def section(kind: type[Any], meaning: str, **defaults: Any) -> Any:
    """A section with the defaults that it has here."""
    return Field(kind(**defaults), description=meaning)


class ModelConfig(Section):
    """The model to start from and how it computes."""

    base: str = key(
        "mini",
        "the model to start from: mini (built from nothing), a shipped name, a folder, a run's folder or a hub id",
    )
    dtype: Literal["float32", "bfloat16"] = key(
        "float32", "type that it computes in; weights that train are kept in float32 beside it"
    )
    attention: str = key(
        "sdpa", "attention kernel: sdpa, eager, flex_attention or, to answer but not to train, flash_attention_2"
    )
    device: str = key("auto", "where it computes: auto, cpu, cuda, cuda:N or mps")


class LoraConfig(Section):
    """Low-rank adapters on the language model's projections, in place of training every weight."""

    rank: NonNegativeInt = key(0, "rank of the adapters; 0 trains every weight that is not frozen")
    alpha: PositiveInt = key(32, "scale of the adapters: what they add is multiplied by alpha / rank")
    dropout: Share = key(0.0, "share of the adapters' inputs that is dropped while training")


class DataConfig(Section):
    """What is learned from and measured on."""

    train: str = key("", "file or folder of training samples, as `--data` of sft and rl")
    evaluate: str = key("", "file or folder of the questions of an evaluation, as `--data` of eval")
    media_root: str = key("", "folder that media paths are relative to; the data's own folder if empty")
    limit: PositiveInt | None = key(None, "take only the first so many samples")
    difficulty: tuple[Share, Share] | None = key(
        None,
        "train only on samples whose pass rate, as `data difficulty` measured it, lies within [low, high]; one without "
        "is left out",
    )
    buffer: PositiveInt = key(
        16_384,
        "rows that shards are shuffled among: a set in Parquet shards of more rows, in tars or at a URL is read as "
        "training needs it",
    )
    max_unreadable: Share = key(
        0.05, "share of the samples, but at least one, that SFT or RL may find unreadable before it stops"
    )

    @field_validator("difficulty")
    @classmethod
    def _some_lie_within(cls, bounds: tuple[float, float] | None) -> tuple[float, float] | None:
        if bounds and bounds[0] > bounds[1]:
            raise ValueError("no pass rate lies within; the lower bound comes first")
        return bounds


class OptimizerConfig(Section):
    """The optimiser and the learning rate: linear warm-up, then constant, or a decay to `final` of the peak."""

    kind: Literal["adamw", "muon"] = key("adamw", "adamw, or muon for the layers' matrices and AdamW for the rest")
    lr: NonNegativeFloat = key(1e-5, "peak learning rate of AdamW")
    matrix_lr: NonNegativeFloat = key(1e-5, "peak learning rate of the matrices that Muon trains")
    betas: tuple[Decay, Decay] = key((0.9, 0.95), "AdamW's decay of its mean and its mean square of gradients")
    weight_decay: NonNegativeFloat = key(0.0, "share of a weight taken off a step, times the learning rate")
    warmup: Share = key(0.03, "share of all steps over which the learning rate rises from 0")
    schedule: Literal["constant", "cosine", "linear"] = key("cosine", "course of the learning rate after the warm-up")
    final: Share = key(0.0, "share of the peak at which a cosine or linear decay ends")
    max_grad_norm: PositiveFloat = key(1.0, "norm that all gradients together are clipped to")


class SFTConfig(Section):
    """Supervised fine-tuning on worked answers."""

    optimizer: OptimizerConfig = section(OptimizerConfig, "the optimiser of SFT")
    steps: PositiveInt | None = key(None, "updates of the weights; where null, `epochs` decides")
    epochs: PositiveFloat = key(1.0, "times that the samples are gone through, where `steps` is null")
    batch: PositiveInt = key(32, "samples of a step, over all processes")
    micro_tokens: PositiveInt = key(
        8192, "tokens of one forward pass; a step's gradients are added up over as many passes as it takes"
    )
    freeze_vision: bool = key(True, "leave the vision tower as it is")
    freeze_projector: bool = key(True, "leave the projector (the tower's mergers) as it is")
    gradient_checkpointing: bool = key(
        False, "compute activations again in the backward pass instead of keeping them: less memory, a third more work"
    )
    max_tokens: PositiveInt = key(20_480, "tokens of a prompt with its answer; longer samples are left out and counted")
    budget: MediaBudget | None = key(None, "sizes of images and clips, where they differ from the recipe's `media`")
    save_every: PositiveInt = key(200, "steps from one checkpoint to the next; the last step is always saved")
    keep: PositiveInt = key(2, "checkpoints that stay; older ones are removed")


class ToolsConfig(Section):
    """What the model may call while it thinks."""

    names: tuple[str, ...] = key((), "the tools, of zoom, look and search; none if empty")
    turns: Annotated[int, Field(ge=2)] = key(4, "turns of an answer at most, the last one the answer itself")
    knowledge: str = key("", "what `search` looks in: a folder of .txt, .md and .jsonl files, or one of them")
    embedding: str = key("", "the embedding model that `search` looks with, a folder or a hub id; BM25 if empty")


class JudgeConfig(Section):
    """A model that grades free text in place of ROUGE."""

    url: str = key("", "its server, http://host:port/v1; none if empty")
    kind: Literal["chat", "reward"] = key("chat", "chat (asked with a rubric) or reward (POLAR behind vLLM)")
    model: str = key("", "its name on the server; the server's first if empty")
    in_group: bool = key(False, "grades count relative to those of the same prompt's other answers")


class RLConfig(Section):
    """Reinforcement learning on scored answers."""

    optimizer: OptimizerConfig = section(
        OptimizerConfig, "the optimiser of RL", lr=2e-6, schedule="constant", warmup=0.0
    )
    steps: PositiveInt = key(200, "rounds of answering and updating")
    prompts: PositiveInt = key(128, "prompts of a step, over all processes")
    minibatch: PositiveInt = key(32, "prompts of one update; a step makes prompts / minibatch updates")
    group: PositiveInt = key(8, "answers (rollouts) to each prompt, which are compared with one another")
    decode_batch_size: PositiveInt = key(256, "answers decoded together, which bounds the cache of keys and values")
    engine: Literal["local", "vllm"] = key("local", "who answers: the trainer's own model, or vLLM")
    server: str = key("", "vLLM's server, http://host:port/v1; where empty, vLLM runs in the trainer's process")
    handover: str = key("", "folder through which the server is given new weights; the run's own if empty")
    engine_options: dict[str, Any] = Field(
        default_factory=dict, description="options of `vllm.LLM`, where vLLM runs in the trainer's process"
    )
    importance_cap: PositiveFloat = key(
        2.0, "bound on the weights that make up for the difference between vLLM's probabilities and ours"
    )
    temperature: PositiveFloat = key(1.0, "sampling temperature of the answers")
    max_prompt_tokens: PositiveInt = key(
        16_384, "tokens of a prompt with its media; longer ones are left out and counted"
    )
    max_tokens: PositiveInt = key(4096, "tokens of an answer, thinking included; longer ones are cut (truncated)")
    micro_tokens: PositiveInt = key(
        8192, "tokens of one forward pass; an update's gradients are added up over as many passes as it takes"
    )
    algorithm: str = key(
        "ema_grpo", "estimator of advantages: ema_grpo, grpo, dr_grpo, batch_std, task_batch_std, task_running_std, "
        "g2rpo or mt_grpo"
    )  # fmt: skip
    algorithm_options: dict[str, Any] = Field(
        default_factory=dict, description="the algorithm's own options, such as beta, clip and guard of ema_grpo"
    )
    reward: RewardName = key(
        "released", "profile of the reward, the formula from score to reward: released, paper or hardened"
    )
    judge: JudgeConfig = section(JudgeConfig, "who grades free text")
    loss: Literal["token_mean", "sequence_mean", "dr_grpo"] = key(
        "token_mean", "average of the loss: over all tokens, over answers, or dr_grpo's sum over a fixed length"
    )
    ratio: Literal["token", "sequence"] = key(
        "token", "probability ratio that is clipped: of each token or of an answer"
    )
    clip_low: NonNegativeFloat = key(0.2, "how far the ratio may fall below 1 before it is clipped")
    clip_high: NonNegativeFloat = key(0.3, "how far the ratio may rise above 1 before it is clipped")
    dual_clip: Annotated[float, Field(gt=1)] = key(3.0, "bound on the ratio of answers with a negative advantage")
    kl: NonNegativeFloat = key(
        0.01, "weight of the penalty on the KL divergence from the model that RL began with; 0 for none"
    )
    mask_truncated: bool = key(False, "answers that were cut off are not learned from")
    filter_groups: bool = key(True, "drop a prompt whose answers are all right or all wrong, and draw another")
    accuracy_low: Share = key(0.01, "mean accuracy of a group below which it counts as all wrong")
    accuracy_high: Share = key(0.99, "mean accuracy of a group above which it counts as all right")
    refill_tries: NonNegativeInt = key(3, "times more prompts than a step needs that may be drawn to fill it")
    sampler: Literal["uniform", "task_balanced", "modality_balanced", "curriculum"] = key(
        "modality_balanced",
        "how prompts are drawn: evenly over samples, over tasks, over images and clips, or (curriculum) those of "
        "middling difficulty more often",
    )
    freeze_vision: bool = key(False, "leave the vision tower as it is")
    freeze_projector: bool = key(False, "leave the projector (the tower's mergers) as it is")
    gradient_checkpointing: bool = key(
        False, "compute activations again in the backward pass instead of keeping them: less memory, a third more work"
    )
    save_every: PositiveInt = key(20, "steps from one checkpoint to the next; the last step is always saved")
    keep: PositiveInt = key(2, "checkpoints that stay; older ones are removed")

    @field_validator("accuracy_high")
    @classmethod
    def _some_group_trains(cls, high: float, given: ValidationInfo) -> float:
        if high < given.data.get("accuracy_low", 0.0):
            raise ValueError(f"below accuracy_low={given.data['accuracy_low']:g}, so that no prompt could train")
        return high

    @model_validator(mode="before")
    @classmethod
    def _old_names(cls, values: Any) -> Any:
        """Recipes that checkpoints of version 0.1 hold have `rows`."""
        if isinstance(values, dict) and "rows" in values:
            return {"decode_batch_size" if key == "rows" else key: value for key, value in values.items()}
        return values


class EvalConfig(Section):
    """An evaluation: greedy answers, and sampled ones beside them where wanted."""

    max_tokens: PositiveInt = key(8192, "tokens of an answer, thinking included")
    batch: PositiveInt = key(64, "answers decoded together")
    sampled: NonNegativeInt = key(
        0, "answers a question that are sampled besides the greedy one, for the mean reward; 0 for none"
    )
    temperature: NonNegativeFloat = key(1.0, "temperature of the sampled answers")
    metric_profile: MetricProfileName = key(
        "official", "formulas of the metrics: official (each benchmark's tool) or released"
    )
    reward: RewardName = key("released", "profile of the reward that is reported: released, paper or hardened")
    bootstrap: PositiveInt = key(1000, "resamplings of the questions behind each interval")
    budget: MediaBudget = section(
        MediaBudget,
        "sizes of images and clips in an evaluation",
        image_pixels=1024 * 32 * 32,
        frame_pixels=256 * 32 * 32,
    )


class Recipe(Section):
    """A whole run. All keys but `name`, `watch`, `parallel` and `checkpoints` decide what comes out."""

    name: str = Field(description="the recipe's name, for people and default folders")
    watch: tuple[Literal["tensorboard", "trackio", "wandb"], ...] = key(
        ("tensorboard",), "trackers that follow a training besides metrics.jsonl; wandb sends numbers away"
    )
    parallel: Literal["ddp", "fsdp"] = key(
        "ddp",
        "how the processes that torchrun starts hold the model: a copy each (ddp) or a part of every weight (fsdp)",
    )
    checkpoints: str = key(
        "", "path or URL, such as s3://bucket/run, to which checkpoints and log are copied and from which a run goes on"
    )
    seed: NonNegativeInt = key(0, "of everything random: order of samples, sampled answers, weights built from nothing")
    tools: ToolsConfig = section(ToolsConfig, "what the model may call while it thinks")
    prompts: str = key("full", "words around a question: the set short or full, or a YAML file of templates")
    model: ModelConfig = section(ModelConfig, "the model")
    lora: LoraConfig = section(LoraConfig, "adapters")
    data: DataConfig = section(DataConfig, "data")
    media: MediaBudget = section(MediaBudget, "sizes of images and clips in training")
    sft: SFTConfig = section(SFTConfig, "supervised fine-tuning")
    rl: RLConfig = section(RLConfig, "reinforcement learning")
    evaluate: EvalConfig = section(EvalConfig, "evaluation")

    def as_kept(self) -> dict[str, Any]:
        """All keys under the names that config.json of a run or a study has had since version 0.1, so that its folder
        is known again. Without those that came later and decide nothing of what comes out."""
        tree = self.model_dump(exclude={"data": {"max_unreadable", "buffer"}, "checkpoints": True})
        if tree["data"]["difficulty"] is None:
            del tree["data"]["difficulty"]
        tree["rl"]["rows"] = tree["rl"].pop("decode_batch_size")
        if not self.tools.names:
            del tree["tools"]
        return tree

    def deciding(self) -> dict[str, Any]:
        """Of `as_kept` what a run must share with its resumption: where it is logged, how processes hold the model and
        where servers are may differ."""
        tree = self.as_kept()
        for name in ("watch", "parallel", "checkpoints"):
            tree.pop(name, None)
        for name in ("server", "handover", "engine_options"):
            del tree["rl"][name]
        del tree["rl"]["judge"]["url"]
        return tree
