"""`search` by an embedding model: what is nearest, which model a run had, and what is said where it is not there."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from onethinker.engines.base import Request
from onethinker.media import MediaBudget
from onethinker.recipes import SHIPPED, override
from onethinker.recipes.answering import tool_overrides
from onethinker.recipes.tools import read_knowledge_anew, recipe_tools
from onethinker.tools import ToolError, make_tools
from onethinker.tools.search import Search

NOTHING = Request("q", "?", (), MediaBudget())
TEXTS = [
    *("the cat sat on the mat", "a dog ran in the park", "the stone is red", "a dog ran in the park", "big blue house"),
]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "base.jsonl").write_text("\n".join(json.dumps({"id": str(i), "text": t}) for i, t in enumerate(TEXTS)))
    return tmp_path / "base.jsonl"


def tiny(folder: Path, seed: int = 0) -> Path:
    """A BERT of random weights with mean pooling, as sentence-transformers saves one."""
    library = pytest.importorskip("sentence_transformers", reason="needs 'onethinker[embedding]'")
    import torch
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    bert = folder / "bert"
    bert.mkdir(parents=True)
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *sorted({word for text in TEXTS for word in text.split()}),
        "small",
    ]
    (bert / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizerFast(str(bert / "vocab.txt")).save_pretrained(bert)
    torch.manual_seed(seed)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(vocabulary), max_position_embeddings=64, **sizes)).save_pretrained(bert)
    parts = [Transformer(str(bert)), Pooling(32)]
    library.SentenceTransformer(modules=parts, device="cpu").save(str(folder / "model"))
    return folder / "model"


def test_the_nearest_by_cosine_of_mean_pooled_vectors(base: Path, tmp_path: Path) -> None:
    model = tiny(tmp_path / "one")
    (search,) = make_tools(["search"], base, str(model))
    assert isinstance(search, Search)
    query = "a small cat in the house"

    import torch
    from transformers import AutoModel, AutoTokenizer

    bert, tokenizer = AutoModel.from_pretrained(model).eval(), AutoTokenizer.from_pretrained(model)
    vectors = []
    for text in [*TEXTS, query]:
        with torch.no_grad():
            mean = bert(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0).numpy()
        vectors.append(mean / np.linalg.norm(mean))
    expected = np.argsort(-np.round(np.stack(vectors[:-1]) @ vectors[-1], 5), kind="stable")
    assert [p.id for p in search.find(query, 9)] == [str(i) for i in expected]
    assert [p.id for p in search.find(TEXTS[1], 2)] == ["1", "3"]  # equal passages, the earlier first
    assert search.call({"query": "the stone is red", "k": 1}, NOTHING) == ("[2] the stone is red",)
    assert search.call({"query": "cat " * 200, "k": 1}, NOTHING)  # longer than the model takes
    with pytest.raises(ToolError, match="expected"):
        search.call({"query": "cat", "k": 11}, NOTHING)


def test_which_model_it_is_is_part_of_the_identity(base: Path, tmp_path: Path) -> None:
    model = tiny(tmp_path / "one")
    search = Search(base, str(model))
    shutil.copytree(model, tmp_path / "copy")
    assert Search(base, str(tmp_path / "copy")).identity == search.identity
    other = Search(base, str(tiny(tmp_path / "two", seed=1)))
    assert len({search.identity, other.identity, Search(base).identity}) == 3
    settings = tmp_path / "copy" / "config_sentence_transformers.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "prompts": {"query": "red ", "document": ""}}))
    assert Search(base, str(tmp_path / "copy")).identity != search.identity


def test_what_is_no_embedding_model_is_told(base: Path, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="needs 'onethinker[embedding]'")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ToolError, match="not an embedding model"):
        Search(base, str(tmp_path / "empty"))


@pytest.mark.parametrize("name", ["nowhere/model", "base.jsonl", "./away", "a b"])
def test_a_folder_that_is_not_there_is_told_first(base: Path, name: str, monkeypatch) -> None:
    monkeypatch.chdir(base.parent)
    (base.parent / "nowhere").mkdir()
    with pytest.raises(ToolError, match="--embedding"):
        make_tools(["search"], base, name)


def test_a_library_that_is_not_here_is_told_with_what_brings_it(base: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ToolError, match=r"pip install 'onethinker\[embedding\]'"):
        make_tools(["search"], base, str(tmp_path))
    assert make_tools(["search"], base)[0].identity == Search(base).identity


def test_a_recipe_names_it(base: Path, capsys) -> None:
    given = tool_overrides("search", base, "./away")
    recipe = override(SHIPPED["mini"], given)
    assert recipe.tools.embedding == "./away" and SHIPPED["mini"].tools.embedding == ""
    read_knowledge_anew()
    with pytest.raises(ToolError, match=r"away: no such folder.*tools\.embedding"):
        recipe_tools(recipe)
    make_tools(["zoom"], "", "./away")
    assert "./away is not used" in capsys.readouterr().err
