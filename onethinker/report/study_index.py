"""`study.json` → the page of its study, written beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from onethinker.report import study_algorithms, study_mini, study_transfer, study_zeroshot
from onethinker.report.read import ReportError, read_json
from onethinker.report.study_page import Study
from onethinker.runs import write_whole

PAGES: dict[str, Callable[[Study], str]] = {
    "algorithms": study_algorithms.page,
    "transfer": study_transfer.page,
    "zeroshot": study_zeroshot.page,
    "mini": study_mini.page,
}


def study_page(data: Path) -> str:
    """The page of a `study.json`. Raises ReportError for a file that is not one."""
    study = read_json(data)
    if not isinstance(study, dict) or study.get("study") not in PAGES:
        raise ReportError(f"{data}: not a study; expected the study.json that `onethinker bench` writes")
    return PAGES[study["study"]](study | {"notes": notes(data)})


def notes(data: Path) -> list[str]:
    """What people have to say of a study: the paragraphs of `notes.md` beside its `study.json`."""
    file = data.with_name("notes.md")
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]


def write_study_page(data: Path) -> Path:
    """Write `report.html` beside `study.json` and return its path."""
    file = data.with_name("report.html")
    write_whole(file, study_page(data))
    return file
