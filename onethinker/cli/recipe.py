"""`onethinker recipe …`: the shipped recipes and every key of one."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from onethinker.cli.options import Set

recipe_app = typer.Typer(help="Recipes: whole runs as typed keys.", no_args_is_help=True)


@recipe_app.command()
def show(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe or a YAML file.")] = "mini",
    search: Annotated[str, typer.Option(help="Only keys whose name or meaning has this word.")] = "",
    set_: Set = None,
) -> None:
    """Every key of a recipe: its value, its type, its default and what it means."""
    from rich.console import Console
    from rich.markup import escape

    from onethinker.recipes import load_recipe
    from onethinker.recipes.show import rows

    console = Console(soft_wrap=not sys.stdout.isatty(), highlight=False)
    word, found = search.lower(), rows(load_recipe(recipe, set_))
    chosen = [row for row in found if word in f"{row.key} {row.meaning}".lower()]
    for row in chosen:
        changed = "" if row.value == row.default else f", default {row.default}"
        console.print(
            f"[bold]{row.key}[/] = [cyan]{escape(row.value)}[/]  [dim]{escape(f'({row.kind}{changed})')}[/]\n"
            f"    {escape(row.meaning)}"
        )
    if not chosen:
        print(f"none of {len(found)} keys has {search!r} in its name or meaning", file=sys.stderr)
        raise typer.Exit(1)


@recipe_app.command("list")
def list_() -> None:
    """The shipped recipes."""
    from onethinker.recipes import SHIPPED

    for recipe in SHIPPED.values():
        print(f"{recipe.name}  {recipe.model.base}")
