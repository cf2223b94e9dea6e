"""A page's table that a script makes: between two marks, written anew or printed."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

Marks = tuple[str, str]
"""The lines before and after the table."""


def filled(page: str, marks: Marks, table: str) -> str:
    """The page with this table between its marks."""
    begin, end = marks
    before, rest = page.split(begin)
    return f"{before}{begin}\n{table}\n{end}{rest.split(end)[1]}"


def print_or_write(about: str, marks: Marks, table: Callable[[], str]) -> None:
    """The command line of such a script: print the table, or put it into the page of `--write`."""
    asked = argparse.ArgumentParser(description=about)
    asked.add_argument("--write", type=Path, help="the page whose table is made anew")
    page: Path | None = asked.parse_args().write
    if page:
        page.write_text(filled(page.read_text(encoding="utf-8"), marks, table()), encoding="utf-8")
    else:
        print(table())
