"""A copy of a model whose tokenizer has the words of a tool call whole, as that of Qwen3-VL has `<tool_call>`.

The mini model's tokenizer was made from text without calls and spells one in some sixty tokens, most of a letter or
two. In the copy it is a dozen; the new rows of embedding and head are the means of their pieces' rows.

    python -m onethinker.models.call_tokens mini-sft FOLDER
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from tokenizers import AddedToken

from onethinker.models.load import load, save
from onethinker.models.shipped import RECIPE_FILE, ModelError, locate

CALL_TOKENS = (
    "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", '{"name":', ',"arguments":{',
    '"zoom"', '"look"', '"search"', '"box":', '"start":', '"end":', '"fps":', '"query":', '"k":',
)  # fmt: skip


def add_call_tokens(model: str, out: Path) -> Path:
    """Write the copy to the folder `out` and return it; the recipe beside the model goes along."""
    core, processor = load(model, device="cpu")
    tokenizer = processor.tokenizer
    pieces = [tokenizer.encode(token, add_special_tokens=False) for token in CALL_TOKENS]
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in CALL_TOKENS])
    core.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    with torch.no_grad():
        for token, own in zip(CALL_TOKENS, pieces, strict=True):
            row = tokenizer.convert_tokens_to_ids(token)
            for matrix in (core.get_input_embeddings().weight, core.get_output_embeddings().weight):
                matrix[row] = matrix[own].mean(0)
    save(core, processor, out)
    if (recipe := Path(locate(model)) / RECIPE_FILE).exists():
        shutil.copyfile(recipe, out / RECIPE_FILE)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a checkpoint's folder, or the name of a shipped model")
    parser.add_argument("out", type=Path, help="the folder of the copy")
    given = parser.parse_args()
    try:
        print(add_call_tokens(given.model, given.out))
    except ModelError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
