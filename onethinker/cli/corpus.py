"""`onethinker data build …`: the verbs that make a corpus of many data sets and work on it."""

from __future__ import annotations

from typing import Annotated

import typer

from onethinker.cli.data import data_app

__all__ = ["data_app"]

Workers = Annotated[int, typer.Option(help="Processes; 0 for the machine's cores, 1 for none besides this one.")]

# ---- build


# ---- clean, decontaminate


# ---- difficulty, annotate


# ---- export, push
