"""`study.json` → the page of its study, Markdown with pictures, written beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from onethinker.report.read import ReportError, read_json
from onethinker.studies.pages import algorithms, biased, mini, mini_plus, tools, transfer, zeroshot
from onethinker.studies.pages.markdown import Page, Study
from onethinker.util.files import write_whole

PAGES: dict[str, Callable[[Study], Page]] = {
    "algorithms": algorithms.page,
    "biased": biased.page,
    "transfer": transfer.page,
    "zeroshot": zeroshot.page,
    "mini": mini.page,
    "tools": tools.page,
    "mini_plus": mini_plus.page,
}
README = "README.md"


def read_study(data: Path) -> Study:
    """What a `study.json` holds, and `notes`: what people have to say of it, the paragraphs of `notes.md` beside it.

    Raises ReportError for a file that is not a study.
    """
    study = read_json(data)
    if not isinstance(study, dict) or study.get("study") not in PAGES:
        raise ReportError(f"{data}: not a study; expected the study.json that `onethinker bench` writes")
    notes = data.with_name("notes.md")
    text = notes.read_text(encoding="utf-8") if notes.exists() else ""
    return study | {"notes": [part.strip() for part in text.split("\n\n") if part.strip()]}


def study_page(data: Path) -> Page:
    """The files of the page of a `study.json`. Raises ReportError for a file that is not one."""
    study = read_study(data)
    return PAGES[study["study"]](study)


def write_study_page(data: Path) -> Path:
    """Write `README.md` and its pictures beside `study.json` and return its path."""
    for name, text in study_page(data).items():
        write_whole(data.with_name(name), text)
    return data.with_name(README)
