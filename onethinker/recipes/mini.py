"""The mini model on the procedural world: minutes on two cores."""

from onethinker.media import MediaBudget
from onethinker.recipes.base import EvalConfig, ModelConfig, OptimizerConfig, Recipe, RLConfig, SFTConfig

MEDIA = MediaBudget(image_pixels=96 * 96, frame_pixels=64 * 64, fps=2.0, max_frames=16)

RECIPE = Recipe(
    name="mini",
    prompts="short",
    model=ModelConfig(base="mini"),
    media=MEDIA,
    sft=SFTConfig(
        optimizer=OptimizerConfig(
            kind="muon", lr=4e-3, matrix_lr=5e-3, weight_decay=0.05, warmup=0.05, schedule="constant"
        ),
        steps=450,
        batch=16,
        micro_tokens=16_384,
        freeze_vision=False,
        freeze_projector=False,
        max_tokens=1024,
        save_every=75,
    ),
    rl=RLConfig(
        optimizer=OptimizerConfig(lr=2e-4, schedule="linear", warmup=0.0),
        steps=60,
        prompts=32,
        minibatch=32,
        group=8,
        max_prompt_tokens=512,
        max_tokens=128,
        micro_tokens=16_384,
        save_every=10,
    ),
    evaluate=EvalConfig(max_tokens=128, batch=128, sampled=4, budget=MEDIA),
)
