"""`onethinker serve`: a model over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onethinker.cli.options import (
    As,
    Attention,
    Device,
    Dtype,
    Embedding,
    EngineOption,
    Knowledge,
    Prompts,
    Set,
    Tools,
)


def serve(
    model: Annotated[str, typer.Argument(help="A shipped name, a folder, a hub id or http://…/v1.")] = "mini-rl",
    host: Annotated[
        str, typer.Option(help="Where to listen; anything but this machine itself wants a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = 8000,
    token: Annotated[
        str, typer.Option(envvar="ONETHINKER_TOKEN", help="Asked of every request (Authorization: Bearer TOKEN).")
    ] = "",
    name: Annotated[str, typer.Option(help="What the model is called over HTTP; its own name unless given.")] = "",
    beside: Annotated[
        list[str] | None,
        typer.Option(help="Another model, asked by its name or on the page side by side; repeat it."),
    ] = None,
    runs: Annotated[
        Path | None, typer.Option(help="A folder of runs whose rollouts and reports the page shows.")
    ] = None,
    watch: Annotated[
        list[str] | None,
        typer.Option(help="A live source that the page may ask about, as `onethinker watch` takes it; repeat it."),
    ] = None,
    media_root: Annotated[Path | None, typer.Option(help="A folder whose files requests may name.")] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="A host whose http(s) addresses requests may name, such as example.org or 10.0.0.7:8080; repeat it."
        ),
    ] = None,
    limit: Annotated[
        list[str] | None, typer.Option(help="A bound of docs/serve.md, such as --limit pixels=100e6; repeat it.")
    ] = None,
    engine: EngineOption = "",
    as_: As = "",
    prompts: Prompts = "",
    device: Device = "",
    dtype: Dtype = "",
    attention: Attention = "",
    tools: Tools = "",
    knowledge: Knowledge = "",
    embedding: Embedding = "",
    set_: Set = None,
) -> None:
    """Serve a model: typed answers at /v1/ask, OpenAI's chat at /v1/chat/completions, questions batched as they come.

    Ctrl-C or SIGTERM: answers under way are finished first. `pip install 'onethinker\\[serve]'` brings what it needs.
    """
    from onethinker.serve.start import start

    start(
        model, host, port, token, name=name, beside=beside or [], runs=runs, sources=watch or [],
        media_root=media_root, hosts=tuple(allow_host or ()), limits=limit or [], engine=engine, like=as_,
        prompts=prompts, device=device, dtype=dtype, attention=attention, overrides=set_ or [],
        tools=tools, knowledge=knowledge, embedding=embedding,
    )  # fmt: skip
