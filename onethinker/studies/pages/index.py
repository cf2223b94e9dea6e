"""`study.json` → the page of its study, written beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from onethinker.report.read import ReportError, read_json
from onethinker.studies.pages import algorithms, mini, transfer, zeroshot
from onethinker.studies.pages.page import Study
from onethinker.util.files import write_whole

PAGES: dict[str, Callable[[Study], str]] = {
    "algorithms": algorithms.page,
    "transfer": transfer.page,
    "zeroshot": zeroshot.page,
    "mini": mini.page,
}


def read_study(data: Path) -> Study:
    """What a `study.json` holds, and `notes`: what people have to say of it, the paragraphs of `notes.md` beside it.

    Raises ReportError for a file that is not a study.
    """
    study = read_json(data)
    if not isinstance(study, dict) or study.get("study") not in PAGES:
        raise ReportError(f"{data}: not a study; expected the study.json that `onethinker bench` writes")
    return study | {"notes": _notes(data.with_name("notes.md"))}


def study_page(data: Path) -> str:
    """The page of a `study.json`. Raises ReportError for a file that is not one."""
    study = read_study(data)
    return PAGES[study["study"]](study)


def _notes(file: Path) -> list[str]:
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]


def write_study_page(data: Path) -> Path:
    """Write `report.html` beside `study.json` and return its path."""
    file = data.with_name("report.html")
    write_whole(file, study_page(data))
    return file
