"""`onethinker watch`: questions about a source that goes on."""

from __future__ import annotations

import json as json_
import sys
from contextlib import ExitStack
from typing import Annotated, Any

import typer

from onethinker.cli.options import Answering, As, Attention, Device, Dtype, EngineOption, Prompts, Set


def watch(
    source: Annotated[
        str,
        typer.Argument(help="A clip, a camera's number (0), rtsp://… or http://…, or a folder that grows."),
    ],
    question: Annotated[list[str], typer.Argument(help="What to ask; several are asked one after the other.")],
    every: Annotated[float, typer.Option(help="Seconds between two rounds of questions, at least.", min=0.0)] = 2.0,
    change: Annotated[
        float,
        typer.Option(help="Ask only where the picture has changed by so much since the last round, 0–1.", min=0, max=1),
    ] = 0.0,
    window: Annotated[
        float, typer.Option(help="Seconds that a question sees, as a clip; 0 for the newest picture alone.", min=0.0)
    ] = 0.0,
    rate: Annotated[float, typer.Option(help="Frames a second within the window.", min=0.1, max=60.0)] = 2.0,
    seconds: Annotated[float | None, typer.Option(help="End after so long; else with the source or Ctrl-C.")] = None,
    task: Annotated[str, typer.Option(help="One of `onethinker tasks`; by the question unless given.")] = "auto",
    port: Annotated[
        int | None,
        typer.Option(help="Serve the answers at http://127.0.0.1:PORT/events, the picture at /picture.jpg; 0: any."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object an event.")] = False,
    model: Answering = "mini-rl",
    engine: EngineOption = "",
    as_: As = "",
    prompts: Prompts = "",
    device: Device = "",
    dtype: Dtype = "",
    attention: Attention = "",
    set_: Set = None,
) -> None:
    """Ask about a camera, a stream, a clip at its own pace or a folder that grows, and print a time line of answers.

    Frames that come while the model answers are skipped, so that no answer is about the past; a stream that breaks is
    opened again until it is back.
    """
    from onethinker.inference.watch.sources import source_of
    from onethinker.tasks import get_task

    watched = source_of(source)
    if task != "auto":
        get_task(task)
    from onethinker.inference import load_model
    from onethinker.inference.watch.events import Events, line_of, serve_events
    from onethinker.inference.watch.watcher import Watcher, When
    from onethinker.inference.watch.window import Window
    from onethinker.models.shipped import find_model
    from onethinker.util.served import say

    loaded = load_model(
        find_model(model, engine), engine=engine, prompts=prompts, device=device, dtype=dtype, attention=attention,
        overrides=set_ or [], like=as_,
    )  # fmt: skip
    seen, events = Window(window, rate), Events()

    def tell(event: dict[str, Any]) -> None:
        events.tell(event)
        print(json_.dumps(event, ensure_ascii=True) if json else line_of(event), flush=True)

    watcher = Watcher(loaded, question, seen, When(every, change), tell, task)
    with ExitStack() as stack:
        if port is not None:
            say(f"events at {stack.enter_context(serve_events(events, seen, port))}/events")
        try:
            watcher.run(watched, seconds)
        except KeyboardInterrupt:
            watcher.end()
    made = watcher.summary()
    taken = f"{made['p50']:.2f} s from frame to answer (median; p95 {made['p95']:.2f}), " if made["answers"] else ""
    print(
        f"{made['answers']:.0f} answers, {taken}{made['seen']:.0f} frames seen, {made['skipped']:.0f} skipped",
        file=sys.stderr,
    )
