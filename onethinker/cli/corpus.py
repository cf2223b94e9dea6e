"""`onethinker data build …`: the verbs that make a corpus of many data sets and work on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onethinker.cli.data import data_app
from onethinker.cli.options import Set

__all__ = ["data_app"]

Workers = Annotated[int, typer.Option(help="Processes; 0 for the machine's cores, 1 for none besides this one.")]

# ---- build


@data_app.command()
def build(
    recipe: Annotated[str, typer.Argument(help="onethinker_600k, or a YAML file (docs/corpus.md has its keys).")],
    out: Annotated[Path, typer.Option(help="Folder of the corpus.")],
    data_root: Annotated[
        Path, typer.Option(envvar="ONETHINKER_DATA", help="Folder that holds the data sets, each in its own folder.")
    ] = Path("data"),
    media: Annotated[
        str, typer.Option(help="link: a second name for each below the corpus; stay: paths relative to --data-root.")
    ] = "link",
    fresh: Annotated[bool, typer.Option("--fresh", help="Build in a folder beside an existing one.")] = False,
    set_: Set = None,
) -> None:
    """Build a corpus of the data sets on disk: read, mix, write shards, card and page. Sources that are not there are
    named, the rest is built. A build that was killed goes on by the same command."""
    from onethinker.corpus.build import build as write
    from onethinker.corpus.recipe import load_corpus_recipe

    if media not in ("link", "stay"):
        raise typer.BadParameter(f"{media!r}; expected link or stay", param_hint="--media")
    made = write(load_corpus_recipe(recipe, set_), data_root, out, media=media, fresh=fresh)  # type: ignore[arg-type]
    for line in made.shortfalls:
        print(f"short: {line}")
    print(f"{made.samples:,} samples of {sum(s.taken > 0 for s in made.sources)} sources → {made.folder}")


# ---- clean, decontaminate


# ---- difficulty, annotate


# ---- export, push
