"""Saving and loading: other programs read what we write, and every weight comes back."""

from __future__ import annotations

import hashlib
import logging
from importlib.util import find_spec

import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
)

from onethinker.engines.encode import Encoder
from onethinker.models import mini
from onethinker.models.load import ModelError, add_lora, freeze, load, save, weights_digest
from onethinker.train.prefix import TokenGroup
from tests.amount import thinned
from tests.train.plain import plain_logps


@pytest.fixture
def logps(mini_processor, ask):
    """The log-probabilities that a model gives a fixed answer to a prompt with a picture and a clip."""
    prompt = Encoder(mini_processor).encode(ask("<video> Is <image> in it?", "odd", "wide"))

    def compute(model) -> torch.Tensor:
        with torch.no_grad():
            return plain_logps(model.eval(), [TokenGroup(prompt, [[40, 50, 60, 70, 80]])], banned=[])[0]

    return compute


def test_mini_is_seeded():
    digests = [weights_digest(mini.build(seed)[0]) for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]
    state = torch.get_rng_state()
    mini.build(5)
    assert torch.equal(torch.get_rng_state(), state), "building a model must not move the caller's random numbers"


def test_a_model_is_named_by_the_bytes_of_its_weights():
    model = nn.Sequential(nn.Linear(3, 2, bias=False), nn.BatchNorm1d(2)).bfloat16()  # a count has no dimension
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(bytes(tensor.flatten().view(torch.uint8).tolist()))
    assert weights_digest(model) == digest.hexdigest()[:16]


def test_patches_pass_as_a_convolution_would():
    torch.manual_seed(0)
    convolution = load("mini", device="cpu")[0].model.visual.patch_embed.proj
    patches = torch.randn(5, 3, *convolution.kernel_size)
    weights = torch.randn(5, convolution.out_channels)
    expected = nn.functional.conv3d(patches, convolution.weight, convolution.bias).flatten(1)
    found = convolution(patches)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    parameters = list(convolution.parameters())
    torch.testing.assert_close(
        torch.autograd.grad((found * weights).sum(), parameters),
        torch.autograd.grad((expected * weights).sum(), parameters),
        rtol=1e-5,
        atol=1e-5,
    )


def test_mini_keeps_any_text(mini_processor):
    tokenizer = mini_processor.tokenizer
    for text in (
        '<think>A disc.</think><answer>{"boxes":[1,20,300,1000]}</answer>',
        "Is it ? Yes , it 's  here .\n\n\tIt isn't !",
        "naïve 汉字 🙂 \\frac{1}{2} a/b < c > d",
        "",
    ):
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_saved_checkpoint_loads_with_transformers_alone(mini_model, mini_processor, logps, tmp_path):
    expected = logps(mini_model)
    save(mini_model, mini_processor, tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "out", dtype=torch.float32)
    assert torch.equal(logps(model), expected)
    assert model.generation_config.eos_token_id == mini_model.generation_config.eos_token_id
    processor = AutoProcessor.from_pretrained(tmp_path / "out")
    text = "<think>one</think><answer>A</answer>"
    assert processor.tokenizer.encode(text) == mini_processor.tokenizer.encode(text)
    assert processor.chat_template == mini_processor.chat_template
    for name in ("image_processor", "video_processor"):
        old, new = (getattr(p, name) for p in (mini_processor, processor))
        assert (old.patch_size, old.merge_size, dict(old.size)) == (new.patch_size, new.merge_size, dict(new.size))
    again, _ = load(str(tmp_path / "out"), device="cpu")
    assert weights_digest(again) == weights_digest(mini_model)
    save(mini_model, mini_processor, tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


@pytest.mark.parametrize("seed", thinned([0, 3], 3))
def test_adapters_come_back_on_the_weights_they_were_made_for(seed, mini_processor, logps, tmp_path):
    """The mini model has no file: the adapter's folder says how to build it."""
    base, _ = load("mini", device="cpu", seed=seed)
    plain = logps(base)
    model = add_lora(base, rank=4, alpha=8, dropout=0.0)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.1)
    expected = logps(model)
    assert not torch.allclose(expected, plain)
    save(model, mini_processor, tmp_path / "adapter")
    assert not (tmp_path / "adapter" / "config.json").exists()
    again, _ = load(str(tmp_path / "adapter"), device="cpu", adapters=True)
    assert torch.equal(logps(again), expected)
    assert sum(p.requires_grad for p in again.parameters()) == 4 * 7 * 2
    with again.disable_adapter():
        assert torch.equal(logps(again), plain)
    folded, _ = load(str(tmp_path / "adapter"), device="cpu")
    assert not hasattr(folded, "peft_config")
    assert all(p.requires_grad for p in folded.parameters())
    torch.testing.assert_close(logps(folded), expected, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_adapters_on_adapters(mini_processor, logps, tmp_path):
    """Adapters of a second stage stand on the first stage's folded ones."""
    model, _ = load("mini", device="cpu")
    for stage in ("one", "two"):
        model = add_lora(model, rank=2, alpha=4, dropout=0.0)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(parameter, std=0.1)
        expected = logps(model)
        save(model, mini_processor, tmp_path / stage)
        model, _ = load(str(tmp_path / stage), device="cpu")
        torch.testing.assert_close(logps(model), expected, rtol=0, atol=1e-4)


def test_adapters_sit_in_the_language_model_alone(mini_model):
    model = add_lora(mini_model, rank=2, alpha=4, dropout=0.0)
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert len(trained) == 4 * 7 * 2
    assert all("language_model" in name and "lora_" in name for name in trained)


@pytest.mark.parametrize("vision", [False, True])
@pytest.mark.parametrize("projector", [False, True])
def test_freezing(vision, projector, mini_model):
    freeze(mini_model, vision=vision, projector=projector)
    visual = mini_model.model.visual
    mergers = [visual.merger, *visual.deepstack_merger_list]
    blocks = [*visual.blocks, visual.patch_embed, visual.pos_embed]
    for frozen, modules in ((projector, mergers), (vision, blocks)):
        assert {p.requires_grad for m in modules for p in m.parameters()} == {not frozen}
    counted = sum(p.numel() for m in mergers + blocks for p in m.parameters())
    assert counted == sum(p.numel() for p in visual.parameters())
    assert all(p.requires_grad for p in mini_model.model.language_model.parameters())
    assert all(p.requires_grad for p in mini_model.lm_head.parameters())


def test_digest_sees_the_smallest_change(mini_model):
    before = weights_digest(mini_model)
    weight = mini_model.model.visual.blocks[1].mlp.linear_fc1.bias
    with torch.no_grad():
        weight[0] = torch.nextafter(weight[0], torch.tensor(1.0))
    assert weights_digest(mini_model) != before
    assert weights_digest(mini_model.to(torch.bfloat16)) not in (before, "")


@pytest.mark.skipif(find_spec("flash_attn") is not None, reason="it is installed here")
@pytest.mark.parametrize("name", ["mini", "mini-sft"])
def test_an_attention_that_is_not_installed_is_told(name):
    with pytest.raises(ModelError, match=r"[Ff]lash"):
        load(name, device="cpu", attention="flash_attention_2")


def test_adapters_that_are_cut_off_are_named(tmp_path):
    model, processor = load("mini-sft", device="cpu")
    save(add_lora(model, 2, 4, 0.0), processor, tmp_path / "adapters")
    for name, size in (("adapter_model.safetensors", 999), ("adapter_config.json", 99)):
        file = tmp_path / "adapters" / name
        whole = file.read_bytes()
        file.write_bytes(whole[:size])
        with pytest.raises(ModelError, match=r"cannot load the adapters in .*adapters: "):
            load(str(tmp_path / "adapters"), device="cpu")
        file.write_bytes(whole)
    load(str(tmp_path / "adapters"), device="cpu")


def test_errors_say_what_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"cannot load model 'nobody/nothing'"):
        load("nobody/nothing")
    for name in ("mimi", "mini:x"):
        with pytest.raises(ModelError, match=rf"model '{name}' is neither shipped \(mini.* nor a folder"):
            load(name, device="cpu")
    with pytest.raises(ModelError, match=r"no config\.json in this folder"):
        load(str(tmp_path), device="cpu")
    with pytest.raises(ModelError, match="float16'; expected one of float32, bfloat16"):
        load("mini", dtype="float16")


def test_the_hub_s_attempts_are_told_once(caplog):
    logger = logging.getLogger("huggingface_hub.utils._http")
    (once,) = [f for f in logger.filters if type(f).__name__ == "_Once"]
    once.told = False
    record = logger.makeRecord(logger.name, logging.WARNING, "", 0, "Retrying in %ss [Retry 1/5].", (1,), None)
    other = logger.makeRecord(logger.name, logging.WARNING, "", 0, "a token is missing", (), None)
    assert once.filter(record) and "does not answer" in record.getMessage()
    assert not once.filter(logger.makeRecord(logger.name, logging.WARNING, "", 0, "[Retry 2/5]", (), None))
    assert once.filter(other) and other.getMessage() == "a token is missing"


def test_a_model_of_another_kind_is_refused(mini_processor, tmp_path):
    words = LlamaConfig(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=9)
    sight = CLIPVisionConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, image_size=28, patch_size=14
    )
    LlavaForConditionalGeneration(LlavaConfig(vision_config=sight, text_config=words)).save_pretrained(tmp_path)
    mini_processor.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="of the kind llava; expected a Qwen3-VL"):
        load(str(tmp_path), device="cpu")


@pytest.mark.slow
def test_shipped_tokenizer_is_what_its_command_makes(tmp_path):
    from onethinker.models.mini.__main__ import texts

    mini.train_tokenizer(texts(tmp_path)).save(str(tmp_path / "tokenizer.json"))
    assert (tmp_path / "tokenizer.json").read_bytes() == (mini.HERE / "tokenizer.json").read_bytes()
