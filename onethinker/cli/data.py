"""`onethinker data …`: make, check, count and look at data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

data_app = typer.Typer(help="Make, check, count and look at data.", no_args_is_help=True)

Data = Annotated[Path, typer.Argument(help="A file or folder of samples, or a folder of splits.")]
Root = Annotated[str, typer.Option("--media-root", help="Folder that media paths are relative to.")]


@data_app.command()
def world(
    out: Annotated[Path, typer.Option(help="Folder to write: train, validation and test, each with its media.")],
    n: Annotated[int, typer.Option(help="Training samples, over all tasks.")] = 6000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    difficulty: Annotated[int, typer.Option(help="0 (few plain shapes) to 3 (many, textured, cluttered).")] = 0,
    teacher_error: Annotated[float, typer.Option(help="How often the worked answers for training go wrong.")] = 0.1,
    teacher_bias: Annotated[
        str,
        typer.Option(
            help="What the worked answers always get wrong: boxes=2,times=0.5 (also sizes, counts, words), or one of "
            "loose_boxes, shifted_boxes, late_events, miscounts, all."
        ),
    ] = "none",
    test: Annotated[int | None, typer.Option(help="Test samples; a tenth of n unless given.")] = None,
    workers: Annotated[int, typer.Option(help="Processes that draw the media; 0 for the machine's cores.", min=0)] = 0,
    tasks: Annotated[
        str,
        typer.Option(
            help="Which tasks, by commas: published (those of the release), extra (detection and the like), or names; "
            "one named twice has twice the samples."
        ),
    ] = "published",
    zeroshot: Annotated[int, typer.Option(help="Also N questions of types that no training data has.")] = 0,
    needs: Annotated[
        str,
        typer.Option(
            help="In place of the tasks, questions that need a tool, by commas: zoom (words and shapes too small to be "
            "read), look (events between the frames), search (an invented table of facts, OUT/knowledge)."
        ),
    ] = "",
) -> None:
    """Write a procedural world: real PNG and MP4 files with exact truth for the published tasks and others."""
    from onethinker.data.worlds import WorldError, build_needs, build_world, build_zeroshot, needs_named, tasks_named

    if needs:
        if zeroshot or tasks != "published" or teacher_bias != "none":
            raise WorldError("--needs has questions of its own: leave --tasks, --teacher-bias and --zeroshot out")
        print(build_needs(out, n, seed, difficulty, needs=needs_named(needs), teacher_error=teacher_error, test=test))
        return
    build_world(
        out, n, seed, difficulty, tasks=tasks_named(tasks), teacher_error=teacher_error, teacher_bias=teacher_bias,
        test=test, workers=workers,
    )  # fmt: skip
    if zeroshot:
        build_zeroshot(out / "zeroshot", zeroshot, seed, difficulty)
    print(out)


@data_app.command()
def sources(
    name: Annotated[
        str, typer.Argument(help="One of them, or a set of the paper's Figure 3, to show its layout; all without.")
    ] = "",
) -> None:
    """Public data sets that `convert`, `build` and `eval --suite` read: their splits, the one to train on in brackets,
    and their licence; of one the layout that is expected and whose loader that is."""
    from rich.console import Console
    from rich.markup import escape

    from onethinker.data.sources import SOURCES, get_source
    from onethinker.data.sources.composition import PARTS

    console = Console(soft_wrap=True, highlight=False)
    parts = [part for part in PARTS if part.title == name and name not in SOURCES]
    for part in parts:
        ways = " or ".join(f"{way.reader} in {way.folder}/" for way in part.ways)
        why = f"; its owner's own files are not read: {part.unread}" if part.unread else ""
        console.print(f"{part.title} ({part.group}): {ways}{why}", markup=False)
    readers = dict.fromkeys(way.reader for part in parts for way in part.ways) or ([name] if name else SOURCES)
    for source in map(get_source, readers):
        splits = ", ".join(f"[{split}]" if split == source.train else split for split in source.splits)
        console.print(f"[bold]{source.name}[/] · {source.task} · {escape(splits)} · {escape(source.licence)}")
        if name:
            console.print(f"    read as by: {escape(source.evidence)}", style="dim")
            console.print(escape("\n".join(f"    {line}" for line in source.layout.splitlines())), style="dim")
    if not name:
        console.print(
            "`onethinker data sources NAME` shows the layout that is expected; docs/sources.md has the paper's sets",
            style="dim",
        )


@data_app.command()
def convert(
    source: Annotated[str, typer.Argument(help="A public data set, one of `onethinker data sources`.")],
    root: Annotated[Path, typer.Argument(help="Its folder, laid out as its authors do.")],
    split: Annotated[str, typer.Option(help="One of its splits.")],
    out: Annotated[Path, typer.Option(help="Folder to write: samples.jsonl and links to the media.")],
    limit: Annotated[int | None, typer.Option(help="Take only the first N samples.", min=1)] = None,
) -> None:
    """Write a public data set as samples. Names every medium that is missing; exit status 1 if any is."""
    from onethinker.data.sources.convert import convert as write
    from onethinker.util.terminal import counted

    made = write(source, root, split, out, limit)
    for line in made.missing:
        print(f"missing: {line}")
    print(f"{counted(made.samples, 'sample')}, {len(made.missing)} media missing → {made.file}")
    raise typer.Exit(1 if made.missing else 0)


@data_app.command()
def check(
    data: Annotated[
        str, typer.Argument(help="A file or folder of samples, a folder of splits, or shards in tars or at a URL.")
    ],
    media_root: Root = "",
) -> None:
    """Open every medium, parse every truth, look for doubles. Exit status 1 if anything is wrong.

    A file of the published data set is recognised by its hash, and told apart from one that has its name alone.
    """
    from onethinker.data.inspect import check as find
    from onethinker.data.published import say
    from onethinker.sample.stream import is_url

    if not is_url(data):
        say(Path(data))
    problems = find(data, media_root or None)
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems" if problems else "nothing wrong")
    raise typer.Exit(1 if problems else 0)


@data_app.command()
def stats(
    data: Data,
    media_root: Root = "",
    page: Annotated[
        Path | None, typer.Option(help="Also write a page: sources, lengths, boxes, spans, the balance of answers.")
    ] = None,
) -> None:
    """Counts and mean lengths by split, task and modality."""
    from rich.console import Console
    from rich.table import Table

    from onethinker.data.inspect import stats as count

    table = Table("split", "task", "modality", box=None, header_style="bold")
    for column in ("samples", "question", "truth", "response", "media"):
        table.add_column(column, justify="right")
    for row in count(data, media_root or None):
        lengths = (f"{v:.1f}" for v in (row.question, row.truth, row.response, row.media))
        table.add_row(row.split, row.task, row.modality, str(row.samples), *lengths)
    console = Console()
    console.print(table)
    console.print("question, truth and response in characters", style="dim")
    if page is not None:
        from onethinker.data.facts import write_stats
        from onethinker.data.inspect import split_paths

        print(write_stats(split_paths(data), page, media_root or None, title=str(data)))


@data_app.command()
def show(
    data: Data,
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("runs/data.html"),
    count: Annotated[int, typer.Option(help="How many samples.")] = 39,
    task: Annotated[list[str] | None, typer.Option(help="Only samples of this task; repeat it.")] = None,
    source: Annotated[list[str] | None, typer.Option(help="Only samples of this source; repeat it.")] = None,
    media_root: Root = "",
) -> None:
    """Write a page of samples drawn with their truth."""
    from onethinker.data.inspect import show as write

    print(write(data, out, count, media_root or None, tasks=task or (), sources=source or ()))
