"""Qwen3-VL with the published settings of OneThinker (arXiv 2512.03043): 2B on one node, 8B on a cluster."""

from onethinker.media import MediaBudget
from onethinker.recipes.base import EvalConfig, ModelConfig, OptimizerConfig, Recipe, RLConfig, SFTConfig


def published(name: str, base: str, decode_batch_size: int) -> Recipe:
    """SFT: lr 1e-5, batch 32, vision tower and projector frozen, 802,816 pixels an image and 100,352 a frame. RL: lr
    2e-6, 128 prompts a step in minibatches of 32, G = 8, KL 0.01, clip 0.2 / 0.3, dual clip 3, guard 5, β = 0.99."""
    return Recipe(
        name=name,
        prompts="full",
        parallel="fsdp",  # a copy on each GPU would need 120 GB for 8B before the first token
        model=ModelConfig(base=base, dtype="bfloat16"),
        media=MediaBudget(image_pixels=1_048_576, frame_pixels=64 * 32 * 32, fps=2.0, max_frames=128),
        sft=SFTConfig(
            optimizer=OptimizerConfig(lr=1e-5),
            batch=32,
            freeze_vision=True,
            freeze_projector=True,
            gradient_checkpointing=True,
            budget=MediaBudget(image_pixels=802_816, frame_pixels=100_352, fps=2.0, max_frames=128),
        ),
        rl=RLConfig(
            optimizer=OptimizerConfig(lr=2e-6, schedule="constant", warmup=0.0),
            prompts=128,
            minibatch=32,
            group=8,
            decode_batch_size=decode_batch_size,
            kl=0.01,
            clip_low=0.2,
            clip_high=0.3,
            dual_clip=3.0,
            algorithm="ema_grpo",
            algorithm_options={"beta": 0.99, "clip": 5.0, "guard": "clip"},
            max_prompt_tokens=16_384,
            max_tokens=4096,
            gradient_checkpointing=True,
        ),
        evaluate=EvalConfig(max_tokens=8192),
    )


QWEN3_VL_2B = published("qwen3_vl_2b", "Qwen/Qwen3-VL-2B-Instruct", decode_batch_size=32)
QWEN3_VL_8B = published("qwen3_vl_8b", "Qwen/Qwen3-VL-8B-Instruct", decode_batch_size=8)
