"""The mini configuration: Qwen3-VL's own classes at about 4M parameters, built from nothing.

Text 4 layers × 192 (six heads of 32), vision 3 layers × 128, patches of 8 pixels, so that a 64×64 image is 16 tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)

HERE = Path(__file__).parent
PATCH, MERGE = 8, 2
MIN_PIXELS = (2 * PATCH * MERGE) ** 2

END, START, STOP = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
VISION_START, VISION_END = "<|vision_start|>", "<|vision_end|>"
IMAGE, VIDEO = "<|image_pad|>", "<|video_pad|>"
SPECIAL = [END, START, STOP, VISION_START, VISION_END, "<|vision_pad|>", IMAGE, VIDEO]

# A timestamp, a tag, a number and a capital that begins no word are one piece each, so BPE may make each one token.
PIECES = (
    r"<\d{1,3}\.\d seconds>|</?(?:think|answer|image|video)>"
    r"| ?\p{Lu}(?!\p{Ll})| ?[\p{L}_]+| ?\d{1,4}(?:\.\d)?|\s?[^\s\p{L}\p{N}<]+|<|\s+"
)

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' + message.role + '\n' }}"
    "{%- if message.content is string -%}{{ message.content }}"
    "{%- else -%}{%- for part in message.content -%}"
    "{%- if part.type == 'image' or part.type == 'image_url' -%}<|vision_start|><|image_pad|><|vision_end|>"
    "{%- elif part.type == 'video' or part.type == 'video_url' -%}<|vision_start|><|video_pad|><|vision_end|>"
    "{%- elif part.type == 'text' -%}{{ part.text }}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
    "{{ '<|im_end|>\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}"
)


def train_tokenizer(texts: Iterable[str], size: int = 1536) -> Tokenizer:
    """A byte-level BPE tokenizer of `size` tokens with Qwen3-VL's special tokens; any text is readable."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=2,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def processor(tokenizer_file: Path = HERE / "tokenizer.json") -> Qwen3VLProcessor:
    """Qwen3-VL's processor over the shipped tokenizer, with patches of 8 pixels and no hidden enlargement."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(tokenizer_file),
        eos_token=STOP,
        pad_token=END,
        additional_special_tokens=[s for s in SPECIAL if s not in (STOP, END)],
        model_max_length=16_384,
    )
    size = {"shortest_edge": MIN_PIXELS, "longest_edge": 1 << 20}
    shape = {"patch_size": PATCH, "merge_size": MERGE, "temporal_patch_size": 2}
    return Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=size, **shape),
        tokenizer=tokenizer,
        video_processor=Qwen3VLVideoProcessor(size=size, cap_pixels_per_frame=False, **shape),
        chat_template=CHAT_TEMPLATE,
    )


def config(tokenizer: PreTrainedTokenizerFast) -> Qwen3VLConfig:
    """Qwen3-VL's configuration for this tokenizer."""
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in CONFIG_TOKENS.items()}
    return Qwen3VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 192,
            "intermediate_size": 512,
            "num_hidden_layers": 4,
            "num_attention_heads": 6,
            "num_key_value_heads": 2,
            "head_dim": 32,
            "max_position_embeddings": 16_384,
            "initializer_range": 0.07,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10_000.0,
                "mrope_section": [6, 5, 5],
                "mrope_interleaved": True,  # transformers always does; vLLM only where it is told to
            },
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        },
        vision_config={
            "depth": 3,
            "hidden_size": 128,
            "intermediate_size": 384,
            "num_heads": 4,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 2,
            "out_hidden_size": 192,
            "num_position_embeddings": 256,
            "deepstack_visual_indexes": [0, 1],
            "initializer_range": 0.07,
        },
        tie_word_embeddings=False,
        **ids,
    )


CONFIG_TOKENS = {
    "image_token_id": IMAGE,
    "video_token_id": VIDEO,
    "vision_start_token_id": VISION_START,
    "vision_end_token_id": VISION_END,
}


def build(seed: int = 0) -> tuple[Qwen3VLForConditionalGeneration, Qwen3VLProcessor]:
    """A randomly initialised mini model and its processor; the same seed gives the same weights."""
    import torch

    made = processor()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen3VLForConditionalGeneration(config(made.tokenizer))
    model.generation_config.eos_token_id = made.tokenizer.eos_token_id
    model.generation_config.pad_token_id = made.tokenizer.pad_token_id
    return model, made
