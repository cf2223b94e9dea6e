"""`onethinker plan` against the real thing: FLOPs that torch counts, bytes of real tensors, published sizes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from onethinker.media import MediaBudget
from onethinker.models import mini
from onethinker.models.cache import GrowingCache
from onethinker.models.compat import enable_checkpointing
from onethinker.models.load import ModelError, add_lora, freeze
from onethinker.models.published import PUBLISHED, meta_model
from onethinker.plan import counts
from onethinker.plan.estimate import GB, make_plan
from onethinker.plan.machine import make_rate
from onethinker.plan.show import advice, print_plan
from onethinker.recipes import SHIPPED, load_recipe
from onethinker.recipes.base import override
from onethinker.train.optimizer import make_optimizer, update
from tests.amount import thinned

SIDE, TOKENS = 8, 60
"""Patches along an image's side; text tokens after its 16 visual ones."""
IMAGE = counts.Media(SIDE * SIDE, 1, SIDE * SIDE // 4)
MINI = SHIPPED["mini"]


@pytest.fixture
def model():
    made, _ = mini.build(0)
    made.set_attn_implementation("eager")
    return made.train()


def _inputs(config) -> dict[str, torch.Tensor]:
    vision = config.vision_config
    width = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    ids = torch.cat([torch.full((1, IMAGE.tokens), config.image_token_id), torch.arange(300, 300 + TOKENS)[None]], 1)
    return {
        "input_ids": ids,
        "mm_token_type_ids": (ids == config.image_token_id).int(),
        "pixel_values": torch.rand(IMAGE.patches, width),
        "image_grid_thw": torch.tensor([[1, SIDE, SIDE]]),
    }


def _formula(config) -> dict[str, float]:
    tokens = IMAGE.tokens + TOKENS
    return {
        "vision": counts.vision_flops(config, IMAGE),
        "projector": counts.projector_flops(config, IMAGE),
        "language": counts.language_flops(config, tokens, tokens**2),
        "head": counts.head_flops(config, tokens),
    }


def _counted(model) -> tuple[int, int]:
    """FLOPs of a real forward and backward pass, as torch counts them."""
    with FlopCounterMode(display=False) as forward:
        logits = model(**_inputs(model.config)).logits
    with FlopCounterMode(display=False) as backward:
        logits.sum().backward()
    return forward.get_total_flops(), backward.get_total_flops()


def test_forward_and_backward_flops_are_what_torch_counts(model) -> None:
    forward, backward = _counted(model)
    expected = sum(_formula(model.config).values())
    vision = model.config.vision_config
    pixels = 2 * IMAGE.patches * (vision.in_channels * vision.temporal_patch_size * vision.patch_size**2)
    assert forward == expected
    assert backward == 2 * expected - pixels * vision.hidden_size  # no gradient to the pixels


def test_frozen_parts_and_adapters_cost_what_torch_counts(model) -> None:
    parts = _formula(model.config)
    freeze(model, vision=True, projector=True)
    assert _counted(model)[1] == 2 * (parts["language"] + parts["head"])
    adapted = add_lora(mini.build(0)[0], 1, 2, 0.0)
    adapted.set_attn_implementation("eager")
    freeze(adapted, vision=True, projector=True)
    passing = parts["language"] + parts["head"]
    _, backward = _counted(adapted.get_base_model().train())
    assert 0.95 * passing < backward < 1.35 * passing  # attention's products have two gradients each


def test_flops_of_a_clip_grow_with_frames_not_their_square() -> None:
    config = meta_model("mini").config
    budget = MediaBudget(image_pixels=64 * 64, frame_pixels=64 * 64, fps=2.0, max_frames=64)
    short, long = counts.clip_size(config, budget, 4.0), counts.clip_size(config, budget, 16.0)
    assert (short.frames, long.frames, short.patches) == (4, 16, 4 * 64)
    assert counts.vision_flops(config, long) == pytest.approx(4 * counts.vision_flops(config, short))


def test_weights_gradients_and_moments_are_the_bytes_of_real_tensors(model) -> None:
    plan = make_plan(MINI, 1)
    memory = plan.stages["RL updates"].memory
    weights = sum(p.nbytes for p in model.parameters())
    assert sum(plan.parameters.values()) * 4 == memory["weights"] == memory["reference"] == weights
    model(**_inputs(model.config)).logits.sum().backward()
    assert memory["gradients"] == sum(p.grad.nbytes for p in model.parameters() if p.grad is not None)
    assert memory["AdamW states"] == _moments(model, MINI.rl.optimizer)
    muon = MINI.sft.optimizer
    assert muon.kind == "muon"
    model(**_inputs(model.config)).logits.sum().backward()
    assert plan.stages["SFT"].memory["Muon and AdamW states"] == _moments(model, muon)


def _moments(model, config) -> int:
    """Bytes of what an optimiser keeps after a real step."""
    optimizer = make_optimizer(model, config)
    update(model, optimizer, config, 1.0)
    states = [state for member in getattr(optimizer, "members", [optimizer]) for state in member.state.values()]
    return sum(v.nbytes for state in states for v in state.values() if torch.is_tensor(v) and v.dim() > 0)


def test_adapters_are_counted_as_peft_makes_them() -> None:
    adapted = add_lora(mini.build(0)[0], 4, 8, 0.0)
    real = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    plan = make_plan(override(MINI, ["lora.rank=4"]), 1)
    assert plan.stages["SFT"].trained == plan.stages["RL updates"].trained == real
    assert "reference" not in plan.stages["RL updates"].memory


def test_key_value_cache_is_the_bytes_of_real_buffers() -> None:
    config = meta_model("mini").config
    text, cache = config.text_config, GrowingCache()
    for width in [50, *([1] * 200)]:
        for layer in range(text.num_hidden_layers):
            states = torch.zeros(1, text.num_key_value_heads, width, text.head_dim)
            cache.update(states, states, layer)
    real = sum(buffer.nbytes for layer in cache.layers for buffer in layer._buffers)
    assert counts.cache_bytes(config, 50, 200, "float32") == real


def _kept(model, run) -> int:
    """Bytes that autograd keeps, weights and their casts left out."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    shapes = {tuple(p.shape) for p in model.parameters()} | {tuple(p.shape[::-1]) for p in model.parameters()}
    found: dict[int, tuple[int, torch.Tensor]] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in weights and tuple(tensor.shape) not in shapes:
            found[tensor.untyped_storage().data_ptr()] = (tensor.untyped_storage().nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        alive = run()
    assert alive is not None
    return sum(size for size, _ in found.values())


@pytest.mark.parametrize(
    ("checkpointing", "computed"),
    thinned([(c, d) for c in (False, True) for d in ("float32", "bfloat16")], (False, "bfloat16"), (True, "float32")),
)
def test_activations_of_the_language_model_are_the_bytes_that_autograd_keeps(model, computed, checkpointing) -> None:
    model.set_attn_implementation("sdpa")
    if checkpointing:
        enable_checkpointing(model)
    embeds = torch.rand(1, 700, model.config.text_config.hidden_size, requires_grad=True)

    def run() -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=computed == "bfloat16"):
            return model.model.language_model(inputs_embeds=embeds, use_cache=False).last_hidden_state

    formula = counts.text_activations(model.config, 700, "float32", computed)
    expected = formula.inputs if checkpointing else formula.layers
    slack = 0.6 if checkpointing else 0.12  # the last norm, and angles that every layer shares
    assert expected * 0.98 <= _kept(model, run) <= expected * (1 + slack)


@pytest.mark.parametrize("computed", ["float32", "bfloat16"])
def test_activations_of_the_vision_tower_are_the_bytes_that_autograd_keeps(model, computed) -> None:
    model.set_attn_implementation("sdpa")
    inputs = _inputs(model.config)
    pixels, grid = inputs["pixel_values"].repeat(9, 1), torch.tensor([[9, SIDE, SIDE]])

    def run() -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=computed == "bfloat16"):
            return model.model.visual(pixels, grid_thw=grid).pooler_output

    formula = counts.vision_activations(model.config, len(pixels), "float32", computed)
    assert formula.layers * 0.98 <= _kept(model, run) <= formula.layers * 1.6  # mergers and pixels come on top


@pytest.mark.parametrize(
    ("name", "parameters", "head"),
    [("qwen3_vl_2b", 2_127_532_032, 0), ("qwen3_vl_8b", 8_767_123_696, 151_936 * 4096)],
)
def test_published_shapes(name: str, parameters: int, head: int) -> None:
    plan = make_plan(SHIPPED[name], 8)
    assert sum(plan.parameters.values()) == parameters
    assert plan.parameters["head"] == head
    assert SHIPPED[name].model.base in PUBLISHED


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_every_shipped_recipe_builds_and_is_told(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    fits = print_plan(SHIPPED[name], 8, make_rate(tflops=500.0, utilisation=0.4))
    told = capsys.readouterr().out
    assert ("yes, it fits" in told) == fits
    assert ("no, it does not fit" in told) != fits
    for word in ("vision tower", "AdamW states", "KV cache", "activations", "500 TFLOP/s", "40%", "assumed"):
        assert word in told


def _peaks(recipe, *gpus: int) -> list[float]:
    return [max(stage.peak for stage in make_plan(recipe, n).stages.values()) for n in gpus]


def test_parts_shrink_with_more_gpus_and_copies_do_not() -> None:
    recipe = load_recipe("qwen3_vl_8b")
    assert recipe.parallel == "fsdp"
    assert _peaks(recipe, 1, 8, 64) == sorted(_peaks(recipe, 1, 8, 64), reverse=True)
    one, eight = (make_plan(recipe, n).stages["SFT"].memory for n in (1, 8))
    assert all(one[part] == 8 * eight[part] for part in ("weights", "AdamW states", "gradients"))
    copies = override(recipe, ["parallel=ddp", "rl.decode_batch_size=1"])
    assert _peaks(copies, 1, 8, 64) == _peaks(copies, 1) * 3
    updates = make_plan(copies, 8).stages["RL updates"].memory
    weights = 8_767_123_696 * 4
    assert (updates["weights"], updates["gradients"], updates["AdamW states"]) == (weights, weights, 2 * weights)
    assert updates["reference"] == weights / 2  # in bfloat16, as it learns nothing
    assert not make_plan(copies, 8).fits(192) and make_plan(recipe, 8).fits(80)


def test_processes_that_answer_hold_whole_weights_beside_their_part() -> None:
    recipe = load_recipe("qwen3_vl_8b")
    memory = make_plan(recipe, 8).stages["RL rollouts"].memory
    embedding, matrices = 151_936 * 4096, 8_767_123_696 - 151_936 * 4096
    whole = 4 * embedding + 2 * matrices  # cast before they are gathered, but for the embedding
    assert memory["gathered or cast weights"] == pytest.approx(whole, rel=0.002)
    assert memory["gathered or cast weights"] < 0.6 * 8 * memory["weights"]
    served = make_plan(override(recipe, ["rl.engine=vllm"]), 8).stages["RL rollouts"].memory
    assert served["gathered or cast weights"] == 8 * memory["weights"]  # handed over as they are stored
    alone = override(recipe, ["parallel=ddp"])
    copies = make_plan(alone, 1).stages["RL rollouts"].memory["gathered or cast weights"]
    assert copies == pytest.approx(2 * matrices, rel=0.002)


def _applied(recipe, change: str, gpus: int):
    """The recipe and the number of GPUs after a line of advice."""
    words = change.split()
    pairs = list(zip(words[::2], words[1::2], strict=True))
    wider = [int(value) for flag, value in pairs if flag == "--gpus"]
    return override(recipe, [value for flag, value in pairs if flag == "--set"]), *(wider or [gpus])


@pytest.mark.parametrize(
    ("given", "gpus", "memory", "first"),
    thinned([
        (["parallel=ddp"], 8, 80.0, "--set parallel=fsdp"),
        (["parallel=ddp", "rl.decode_batch_size=32"], 8, 80.0, "--set parallel=fsdp --set rl.decode_batch_size=16"),
        (["rl.decode_batch_size=32"], 8, 90.0, "--set rl.decode_batch_size=16"),
        (["sft.gradient_checkpointing=false", "rl.gradient_checkpointing=false"], 8, 80.0,
         "--set sft.gradient_checkpointing=true --set rl.gradient_checkpointing=true"),
        ([], 1, 80.0, "--set lora.rank=64"),
    ], every=3),
)  # fmt: skip
def test_advice_is_mild_first_and_holds(given: list[str], gpus: int, memory: float, first: str) -> None:
    recipe = override(load_recipe("qwen3_vl_8b"), given)
    assert not make_plan(recipe, gpus).fits(memory)
    found = list(advice(recipe, gpus, memory))
    assert found[0] == first
    assert len(set(found)) == len(found)
    for change in found:
        changed, number = _applied(recipe, change, gpus)
        assert make_plan(changed, number).fits(memory)
        assert number <= max(8, 4 * gpus)


@pytest.mark.slow
def test_more_gpus_are_advised_last_and_not_past_a_few_times_as_many() -> None:
    recipe = load_recipe("qwen3_vl_8b")
    assert list(advice(recipe, 1, 80.0))[-1] == "--gpus 8"
    assert not any("--gpus" in change for change in advice(recipe, 8, 24.0))


def test_every_epoch_of_sft_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    recipe = override(load_recipe("qwen3_vl_8b"), ["sft.epochs=3", "sft.batch=32"])
    sft = make_plan(recipe, 8, samples=100_000).stages["SFT"]
    assert (sft.steps, sft.length) == (9375, "3 epochs of 100,000 samples")
    assert make_plan(recipe, 8).stages["SFT"].steps is None
    assert make_plan(override(recipe, ["sft.steps=7"]), 8, samples=100_000).stages["SFT"].steps == 7
    print_plan(recipe, 8, samples=100_000)
    assert "3 epochs of 100,000 samples" in capsys.readouterr().out
    print_plan(recipe, 8)
    assert "--samples N" in capsys.readouterr().out


@pytest.mark.parametrize("gpus", [1, 32])
def test_nothing_is_cut_short_on_a_narrow_terminal(gpus, capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    print_plan(load_recipe("qwen3_vl_8b"), gpus, samples=340_000)
    told = capsys.readouterr().out
    assert "…" not in told and max(map(len, told.splitlines())) <= 80
    words = " ".join(told.split())
    assert "most of the time on 256: SFT GPUs without work (32 to deal out)" in words
    assert "SFT on 340,000 samples" in words


def test_time_follows_the_rate() -> None:
    slow, fast = (make_plan(MINI, 1, make_rate(tflops=t)).stages for t in (1.0, 2.0))
    assert slow["SFT"].parts["arithmetic"] == pytest.approx(2 * fast["SFT"].parts["arithmetic"])
    assert max(s.peak for s in slow.values()) < 8 * GB


def test_what_was_measured_of_a_machine_stands_in_place_of_shares() -> None:
    recipe = override(MINI, ["sft.optimizer.kind=adamw", "sft.micro_tokens=1"])  # a pass a sample
    rate = make_rate(tflops=1.0)
    plain = make_plan(recipe, 1, rate).stages
    slow = dict.fromkeys(("vision", "projector", "language", "head"), rate.flops / 2)
    measured = {"training": rate.bandwidth / 4, "process": 5e7, "each_pass": 0.25, "each_step": 0.125}
    found = make_plan(recipe, 1, replace(rate, reached=slow, **measured)).stages
    for name in ("SFT", "RL rollouts", "RL updates"):
        assert found[name].peak - plain[name].peak == pytest.approx(5e7)
    ours, theirs = found["SFT"].parts, plain["SFT"].parts
    assert ours["arithmetic"] == pytest.approx(2 * theirs["arithmetic"])
    for part in ("optimiser", "embedding's gradient"):
        assert ours[part] == pytest.approx(4 * theirs[part]) and theirs[part] > 0
    assert ours["starting passes"] == 0.25 * recipe.sft.batch and "starting passes" not in theirs
    more = found["RL rollouts"].parts["starting kernels"] - plain["RL rollouts"].parts["starting kernels"]
    batches = math.ceil(recipe.rl.prompts / max(1, recipe.rl.decode_batch_size // recipe.rl.group))
    assert more == pytest.approx(0.125 * batches * min(512, recipe.rl.max_tokens))


def test_unknown_models_and_numbers_are_refused(tmp_path) -> None:
    with pytest.raises(ModelError, match="known offline"):
        meta_model(str(tmp_path / "nothing"))
    with pytest.raises(ValueError, match="gpus is 0"):
        make_plan(MINI, 0)
