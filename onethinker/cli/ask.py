"""`onethinker ask`: questions from the command line, answered in words, as JSON, as drawings."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onethinker.cli.options import (
    Answering,
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
    names_a_file,
)

if TYPE_CHECKING:
    from onethinker.inference.rows import Row


def ask(
    media: Annotated[
        list[str],
        typer.Argument(
            help="Pictures or clips, if any, then the question as the last word. A folder asks the question of each of "
            "its pictures and clips; a .jsonl file holds questions of its own."
        ),
    ],
    task: Annotated[
        str, typer.Option(help="One of `onethinker tasks`; by the question's words unless given, else open_ended.")
    ] = "auto",
    option: Annotated[list[str] | None, typer.Option(help='A choice, such as "A. red"; repeat it.')] = None,
    model: Answering = "mini-rl",
    engine: EngineOption = "",
    as_: As = "",
    prompts: Prompts = "",
    device: Device = "",
    dtype: Dtype = "",
    attention: Attention = "",
    set_: Set = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line (docs/results_json.md).")] = False,
    draw: Annotated[
        Path | None,
        typer.Option(help="Write the answer drawn: .png, .jpg, of a clip .mp4 or .gif; of many questions a folder."),
    ] = None,
    save_crops: Annotated[
        Path | None, typer.Option("--save-crops", help="Write what each box holds as pictures in this folder.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Of many questions: the file of answers, a line each; the same command goes on with it."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="A host whose http:// or https:// media may be opened; repeat it."),
    ] = None,
    segmenter: Annotated[str, typer.Option(help="Who makes masks: grabcut, sam2 or sam2:FOLDER.")] = "grabcut",
    tools: Tools = "",
    knowledge: Knowledge = "",
    embedding: Embedding = "",
    save_turns: Annotated[
        Path | None,
        typer.Option(
            "--save-turns",
            help="Write the pictures that tools gave back in this folder, and all turns as one picture; of many "
            "questions a folder each.",
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option(help="Answers to sample, of which the one is shown that the others agree with most.", min=1)
    ] = 1,
) -> None:
    """Ask a model about pictures or clips, or in words alone: its thinking as it comes, then its answer.

    Exit status 1 if an answer is not in the task's form.
    """
    if len(media) == 1 and names_a_file(media[0]) and not _is_rows(media[0]):
        raise typer.BadParameter('give media and a question: onethinker ask photo.jpg "What is this?"')
    from onethinker.cli.asking import answer_many, answer_one, check_places, check_question, check_words, local_files

    rows = _rows(media, task, option or [])
    if rows is None:
        check_words(media[-1], task, option or ())
        check_question(media[:-1], task, draw, allow_host or ())
    elif draw and draw.suffix:
        raise typer.BadParameter(f"{draw}: the drawings of many questions are a folder's", param_hint="--draw")
    check_places(draw, save_crops, save_turns)
    from onethinker.inference import Question, load_model
    from onethinker.models.shipped import find_model

    loaded = load_model(
        find_model(model, engine), engine=engine, prompts=prompts, device=device, dtype=dtype, attention=attention,
        overrides=set_ or [], like=as_, segmenter=segmenter, tools=tools, knowledge=knowledge, embedding=embedding,
        samples=samples,
    )  # fmt: skip
    if rows is not None:
        raise typer.Exit(answer_many(loaded, rows, out, draw, save_crops, allow_host or (), save_turns))
    with tempfile.TemporaryDirectory(prefix="onethinker-") as folder:
        files = local_files(media[:-1], allow_host or (), Path(folder))
        question = Question(files or None, media[-1], task, option or ())
        result = answer_one(loaded, question, json, draw, save_crops, save_turns)
    raise typer.Exit(0 if result.ok else 1)


def _is_rows(word: str) -> bool:
    return word.lower().endswith(".jsonl") and Path(word).is_file()


def _rows(words: Sequence[str], task: str, options: Sequence[str]) -> list[Row] | None:
    """The questions of a folder or a file, None where one question is asked of what is named. Raises RowsError."""
    from onethinker.inference.rows import questions_of

    if _is_rows(words[0]) and len(words) <= 2:
        return questions_of(Path(words[0]), words[1] if len(words) == 2 else "", task, options)
    if len(words) == 2 and Path(words[0]).is_dir():
        return questions_of(Path(words[0]), words[1], task, options)
    return None
