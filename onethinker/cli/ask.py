"""`onethinker ask`: questions from the command line, answered in words, as JSON, as drawings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onethinker.cli.options import As, Attention, Device, Dtype, EngineOption, Prompts, Set, names_a_file

if TYPE_CHECKING:
    from onethinker.inference import Result


def ask(
    media: Annotated[list[str], typer.Argument(help="Images or clips, if any, then the question as the last word.")],
    task: Annotated[str, typer.Option(help="One of `onethinker tasks`; open_ended unless given.")] = "",
    option: Annotated[list[str] | None, typer.Option(help='A choice, such as "A. red"; repeat it.')] = None,
    model: Annotated[str, typer.Option(help="A shipped name, a folder, a hub id or http://…/v1.")] = "mini-rl",
    engine: EngineOption = "",
    as_: As = "",
    prompts: Prompts = "",
    device: Device = "",
    dtype: Dtype = "",
    attention: Attention = "",
    set_: Set = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object with the parsed value.")] = False,
    draw: Annotated[Path | None, typer.Option(help="Write the answer drawn on the picture or clip.")] = None,
) -> None:
    """Ask a model about images or a clip, or in words alone: prints its thinking and its answer.

    Exit status 1 if there is no answer in the task's form.
    """
    if len(media) == 1 and names_a_file(media[0]):
        raise typer.BadParameter('give media and a question: onethinker ask photo.jpg "What is this?"')
    from onethinker.inference import load_model
    from onethinker.models.shipped import find_model
    from onethinker.sample.answer import Status

    check_question(media[:-1], task, draw)
    if engine in ("", "local"):
        model = find_model(model)
    loaded = load_model(
        model, engine=engine, prompts=prompts, device=device, dtype=dtype, attention=attention, overrides=set_ or [],
        like=as_,
    )  # fmt: skip
    result = loaded.ask(media[:-1], media[-1], task=task, options=option or ())
    print_result(result, as_json=json, draw=draw)
    raise typer.Exit(0 if result.status is Status.OK else 1)


def check_question(media: Sequence[str | Path], task: str, draw: Path | None = None) -> None:
    """What can be known to be wrong before a model is loaded: raises TaskError, MediaError."""
    from onethinker.inference import check_drawing
    from onethinker.media import MediaError
    from onethinker.tasks import get_task

    if task:
        get_task(task)
    for file in map(Path, media):
        if not file.exists():
            raise MediaError(f"{file}: no such file")
    if draw:
        check_drawing(draw, media)


def print_result(result: Result, as_json: bool = False, draw: Path | None = None) -> None:
    """The thinking (dim), the answer and where the drawing is; or one JSON object. Model text is printed as text only:
    no markup of it counts and no control character reaches the terminal."""
    import json

    from rich.console import Console
    from rich.text import Text

    from onethinker.sample.answer import Status
    from onethinker.util.terminal import printable

    if as_json:
        drawing = {"drawing": str(result.save(draw))} if draw else {}
        return print(json.dumps(result.record() | drawing, ensure_ascii=True))
    console = Console(highlight=False)
    answered = result.answer.status not in (Status.NO_ANSWER, Status.TRUNCATED)
    thinking = result.answer.thinking if answered else ""  # without an answer block `text` is the whole response
    for text, style in ((thinking, "dim"), (result.answer.text, "bold" if answered else "dim")):
        if text:
            console.print(Text(printable(text), style=style))
    if result.status is not Status.OK:
        reason = f": {printable(result.problem)}" if result.problem else ""
        console.print(Text(f"({result.status.value}{reason})", style="yellow"))
    if draw:
        console.print(Text(str(result.save(draw))), soft_wrap=True)
