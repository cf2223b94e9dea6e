"""Flags that mean the same on every verb."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from onethinker.media import PICTURE_SUFFIXES, VIDEO_SUFFIXES

Out = Annotated[Path | None, typer.Option(help="Where to write; runs/<what it is> unless given.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Override a recipe's key: --set rl.optimizer.lr=1e-5")]
ModelOption = Annotated[str, typer.Option(help="Start from: a shipped name, a folder or a hub id.")]
Answering = Annotated[str, typer.Option(help="A shipped name, a folder, a hub id or http://…/v1.")]
DataOption = Annotated[str, typer.Option(help="A file or folder of samples (JSONL, Parquet, published JSON, TSV).")]
MediaRoot = Annotated[str, typer.Option(help="Folder that media paths are relative to; the data's own unless given.")]
Limit = Annotated[int | None, typer.Option(help="Take only the first N samples.", min=1)]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start anew in a folder beside the existing one.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
Dtype = Annotated[str, typer.Option(help="float32 or bfloat16.")]
Attention = Annotated[str, typer.Option(help="sdpa, eager, flash_attention_2 or flex_attention.")]
EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        help="local (transformers), openai (a server's http://…/v1, vLLM's too) or vllm (in this process, where it can "
        "be imported); guessed from the model's name.",
    ),
]
Prompts = Annotated[str, typer.Option(help="A prompt set (short, full) or a YAML file; the model's own unless given.")]
JudgeUrl = Annotated[str, typer.Option(help="http://host:port/v1 of a model that grades free text, not ROUGE.")]
JudgeKind = Annotated[str, typer.Option(help="chat (a rubric) or reward (POLAR behind vLLM).")]
JudgeModel = Annotated[str, typer.Option(help="The judge's model; the server's first unless given.")]
As = Annotated[
    str,
    typer.Option(
        "--as",
        help="Ask as this checkpoint or recipe is: prompts, media sizes, tokens. For a server that is elsewhere.",
    ),
]

Tools = Annotated[
    str, typer.Option("--tools", help="What the model may call while it thinks: zoom,look,search or some of them.")
]
Knowledge = Annotated[
    str, typer.Option("--knowledge", help="What `search` looks in: a folder of .txt, .md and .jsonl files, or one.")
]
Embedding = Annotated[
    str, typer.Option("--embedding", help="The embedding model `search` looks with, a folder or a hub id; else BM25.")
]


def with_ray(address: str) -> str:
    """The address, once Ray is known to be here: the work would come to it only after its data are read."""
    if address:
        from onethinker.util.ray import import_ray

        import_ray()
    return address


Ray = Annotated[
    str,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        callback=with_ray,
        help="Spread the work over Ray: `local` starts it on this machine, `auto` or ray://HOST:PORT joins a cluster, "
        "whose nodes must all see this working folder and the data.",
    ),
]


def names_a_file(word: str) -> bool:
    """Whether a lone word is media without a question: it is called so, or there is such a file."""
    called_so = len(word.split()) == 1 and Path(word).suffix.lower() in PICTURE_SUFFIXES | VIDEO_SUFFIXES
    return called_so or os.path.exists(word)  # noqa: PTH110  a question may be too long a path
