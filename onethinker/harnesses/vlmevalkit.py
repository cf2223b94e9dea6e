"""Our results as a prediction file of VLMEvalKit, `<model>_<dataset>.xlsx`, for its own evaluation to score.

VLMEvalKit writes a row a question: its TSV's columns without the pictures, then `prediction` (and `thinking`, where it
splits answers as with SPLIT_THINK=True). It matches rows by `index` and refuses questions that are not its own, so the
TSV itself is best given; without it the columns are made from our questions.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from onethinker.sample import Sample, load_samples
from onethinker.sample.answer import read_answer
from onethinker.scoring.results import SAMPLES, Row, answers_of, is_error, read_summary
from onethinker.util.files import replacing, write_whole

SUFFIXES = (".xlsx", ".tsv", ".json")
"""The formats that VLMEvalKit reads (its PRED_FORMAT); .xlsx unless it is told otherwise."""
FAILED = "Failed to obtain answer"
"""Begins VLMEvalKit's own prediction where a model failed; it asks such questions anew."""
PICTURES = ("image", "image_path")
CELL = 32_767
"""Characters that a cell of .xlsx holds."""
MAX_FIELD = 256 << 20
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")

Table = list[dict[str, Any]]


class ExportError(ValueError):
    """Results that cannot be exported as asked; says what to do."""


def export_predictions(results: Path, out: Path, tsv: Path | None = None) -> tuple[Path, int, int]:
    """Write the greedy answers of an evaluation's folder; returns the file, its rows and how many have no answer.

    out: a file of one of `SUFFIXES`, or a folder for `<model>_<dataset>.xlsx`. tsv: VLMEvalKit's own file of the
    questions, whose `index` is our sample's id. Raises ExportError, DataError.
    """
    summary = read_summary(results)
    answers = {name: rows[0] for name, rows in answers_of(results, summary["settings"]["greedy"]).items()}
    if tsv:
        rows, dataset = list(_tsv_rows(tsv)), tsv.stem
    else:
        samples = load_samples(results / SAMPLES)
        rows = [_question(sample) for sample in samples]
        dataset = samples[0].source or Path(summary["data"]["path"]).stem
    table = [row | _predicted(answers[str(row["index"])]) for row in rows if str(row["index"]) in answers]
    if not table:
        raise ExportError(
            f"{results}: none of its answers belongs to a question of {tsv or 'its data'}; the ids differ"
        )
    if all(re.fullmatch(r"-?\d{1,18}", str(row["index"])) for row in table):
        table = [row | {"index": int(row["index"])} for row in table]
    if not out.suffix:
        out = out / f"{_plain(str(summary['model']))}_{_plain(dataset)}.xlsx"
    out.parent.mkdir(parents=True, exist_ok=True)
    _write(out, table)
    answered = sum(not row["prediction"].startswith(FAILED) for row in table)
    return out, len(table), len(rows) - answered


def _question(sample: Sample) -> dict[str, Any]:
    """VLMEvalKit's columns of a question; its options without their letters."""
    options = {
        letter: re.sub(rf"^\s*\(?{letter}[.):]\s*", "", option)
        for letter, option in zip(ascii_uppercase, sample.options)
    }
    kept = {key: sample.meta[key] for key in ("category", "l2-category", "split") if key in sample.meta}
    return {"index": sample.id, "question": sample.question, **options, "answer": sample.truth, **kept}


def _tsv_rows(file: Path) -> Iterator[dict[str, Any]]:
    """The rows of a TSV without their pictures."""
    before = csv.field_size_limit(MAX_FIELD)
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.DictReader(text, delimiter="\t")
            if "index" not in (reader.fieldnames or ()):
                raise ExportError(f"{file}: no column 'index' in its first line; is it a TSV of VLMEvalKit?")
            for row in reader:
                yield {key: value for key, value in row.items() if key and key not in PICTURES}
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise ExportError(f"{file}: not a TSV that can be read ({error})") from error
    finally:
        csv.field_size_limit(before)


def _predicted(row: Row) -> dict[str, str]:
    """The answer block's text and the thinking."""
    if is_error(row):
        return {"prediction": f"{FAILED}: {row['error']}", "thinking": ""}
    answer = read_answer(row["response"], row["finish"])
    return {"prediction": answer.text, "thinking": answer.thinking}


def _plain(name: str) -> str:
    """A name as part of a file's; of a path its last parts."""
    return re.sub(r"[^\w.-]+", "-", "-".join(Path(name).parts[-2:])).strip("-") or "model"


# ---- files ------------------------------------------------------------------------------------------------------


def _write(out: Path, table: Table) -> None:
    columns = list(dict.fromkeys(key for row in table for key in row))
    if out.suffix == ".json":
        whole = [{key: row.get(key) for key in columns} for row in table]
        write_whole(out, json.dumps(whole, ensure_ascii=False, indent=1))
    elif out.suffix == ".tsv":
        with replacing(out) as aside, aside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n")
            writer.writeheader()
            writer.writerows(table)
    elif out.suffix == ".xlsx":
        _write_workbook(out, columns, table)
    else:
        raise ExportError(f"{out}: expected a folder or a file that ends in one of {', '.join(SUFFIXES)}")


def _write_workbook(out: Path, columns: Sequence[str], table: Table) -> None:
    """Text stays text: nothing in an answer becomes a formula. Characters that the format forbids are left out."""
    try:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell
    except ImportError as error:
        raise ExportError("an .xlsx file needs openpyxl: pip install openpyxl, or give a .tsv or .json") from error
    rows = [[_cell(row, key) for key in columns] for row in table]
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Sheet1")
    sheet.append(list(columns))
    for row in rows:
        cells = [WriteOnlyCell(sheet, value) for value in row]
        for cell in cells:
            if isinstance(cell.value, str):
                cell.data_type = "s"
        sheet.append(cells)
    with replacing(out) as aside:
        book.save(aside)


def _cell(row: Mapping[str, Any], key: str) -> Any:
    """What a cell of .xlsx holds. Raises ExportError for what it cannot."""
    value = row.get(key)
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str):
        return value
    text = _UNPRINTABLE.sub("", value)
    if len(text) > CELL:
        raise ExportError(
            f"index {row['index']}: its {key} has {len(text)} characters, a cell of .xlsx holds {CELL}; "
            "give a .tsv or .json (and VLMEvalKit the same PRED_FORMAT)"
        )
    return text
