"""Data sets that are tables of questions, Parquet or JSON: one declaration each, in `questions.py` and `captions.py`.

A `Table` names the columns. Pictures that stand in a Parquet file are written once below the root, named by their
bytes; clips and pictures that lie in folders keep their names.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onethinker.data.sources.base import (
    MAX_FILE,
    Place,
    Source,
    as_list,
    as_mapping,
    bounded,
    find,
    get,
    load_json,
    make,
    show,
    text_lines,
    under,
)
from onethinker.data.sources.clips import CACHE, video_at
from onethinker.measure.text import number
from onethinker.media import VIDEO_SUFFIXES
from onethinker.media.decode import IMAGE_FORMATS, MAX_IMAGE_PIXELS, MediaError, check_pixels, decoding
from onethinker.sample import DataError, Sample, strip_answer
from onethinker.util.files import replacing

Row = Mapping[str, Any]
Read = Callable[[Row, str], Any]
"""(row, where) → text or options. Raises DataError."""
Answer = Callable[[Row, Sequence[str], str], str]
"""(row, options, where) → the truth: the right option's letter, or any text where there are no options."""
Media = Callable[[Path, Row, str], list[str]]
"""(root, row, where) → paths below the root."""

EMPTY = (None, "", "nan", "N/A")
"""How an empty cell is written."""
MAX_PICTURE = 64 << 20
MAX_OPTIONS = 26
MEDIA_SUFFIXES = VIDEO_SUFFIXES | {".png", ".jpg", ".jpeg", ".webp"}
_MARK = re.compile(r"<(?:image|video)>\n?")
_LETTERED = re.compile(r"\(?([A-Z])[.:)]\s*")
_OPTION_LINE = re.compile(r"^[ \t]*\(?([A-Z])[.:)][ \t]*(.*)$", re.MULTILINE)
_OPTIONS_COME = re.compile(r"\s*(?:choices|options):?\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Table:
    """A data set that is a table.

    files: split → the names, or patterns, that its file or files go by. id: column, or "" for the row's number.
    folders: what must be there besides. task: of the set's questions, or of most. free: of those without options,
    unless their answer is a number and `numbers` is true (then `numerical`), or `chosen` says that they are multiple
    choice all the same. keep: the rows of a split that belong to it. meta: columns to keep.
    """

    name: str
    layout: str
    files: Mapping[str, tuple[str, ...]]
    id: str
    question: Read
    answer: Answer
    media: Media
    options: Read = lambda row, where: []
    modality: str = "video"
    task: str = "multiple_choice"
    free: str = ""
    numbers: bool = False
    chosen: Callable[[Row], bool] = lambda row: False
    folders: tuple[Place, ...] = ()
    keep: Callable[[Row, str], bool] = lambda row, split: True
    meta: tuple[str, ...] = ()

    def source(self) -> Source:
        return Source(self.name, self.task, tuple(self.files), self.layout, self.places, self.samples)

    def places(self, split: str) -> list[Place]:
        return [self.files[split], *self.folders]

    def samples(self, root: Path, split: str) -> Iterator[Sample]:
        """A question a row, in the file's order."""
        for at, (where, row) in enumerate(_rows(root, self.files[split])):
            if self.keep(row, split):
                yield self._sample(root, row, split, where, at)

    def _sample(self, root: Path, row: Row, split: str, where: str, at: int) -> Sample:
        options = lettered(self.options(row, where))
        answer = self.answer(row, options, where).strip()
        free = "numerical" if self.numbers and number(answer) is not None else self.free or self.task
        return make(
            where,
            id=f"{split}-{text_of(row, self.id, where) if self.id else at}",
            task="multiple_choice" if options or self.chosen(row) else free,
            modality=self.modality,
            question=self.question(row, where).strip(),
            options=tuple(options),
            truth=answer,
            media=tuple(self.media(root, row, where)),
            source=self.name,
            meta={key: text_of(row, key, where) for key in self.meta if row.get(key) not in EMPTY},
        )


# ---- files ------------------------------------------------------------------------------------------------------


def _rows(root: Path, names: tuple[str, ...]) -> Iterator[tuple[str, Row]]:
    """(where, row) of the files of the first name or pattern that is there."""
    for file in sorted(root.glob(find(root, names))):
        read = {".parquet": _parquet_rows, ".jsonl": _line_rows}.get(file.suffix, _json_rows)
        for where, row in read(file):
            yield where, as_mapping(row, where)


def _parquet_rows(file: Path) -> Iterator[tuple[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    at = 0
    try:
        table = pq.ParquetFile(bounded(file))
        groups = [table.metadata.row_group(k).total_byte_size for k in range(table.num_row_groups)]
        if max(groups, default=0) > MAX_FILE:
            raise DataError(f"{file}: {max(groups):,} bytes in one of its row groups; at most {MAX_FILE:,} are read")
        for batch in table.iter_batches(batch_size=16):
            for row in batch.to_pylist():
                yield f"{file}, row {at}", row
                at += 1
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file}: not a whole Parquet file after row {at} ({error}); fetch it again") from error


def _line_rows(file: Path) -> Iterator[tuple[str, Any]]:
    for where, line in text_lines(file):
        try:
            yield where, json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: not JSON ({error}); fetch the file again") from error


def _json_rows(file: Path) -> Iterator[tuple[str, Any]]:
    for at, row in enumerate(as_list(load_json(file), str(file))):
        yield f"{file}, entry {at}", row


# ---- questions --------------------------------------------------------------------------------------------------


def column(name: str) -> Read:
    """A column's text, without marks for media: they come first."""
    return lambda row, where: _MARK.sub("", get(row, name, where, str))


def text_of(row: Row, name: str, where: str) -> str:
    """A column that is text or a number, as text. Raises DataError."""
    found = get(row, name, where, int if isinstance(row.get(name), int) else object)
    if not isinstance(found, str | int | float):
        raise DataError(f"{where}: field {name!r} is {show(found)}; expected text or a number")
    return str(found)


def said(text: str) -> Read:
    """The same words for every row."""
    return lambda row, where: text


# ---- options ----------------------------------------------------------------------------------------------------


def listed(name: str) -> Read:
    """A column that is a list of texts, or nothing."""
    return lambda row, where: _texts(row.get(name) or [], name, where)


def written(name: str) -> Read:
    """A column that is a Python list, written out."""

    def read(row: Row, where: str) -> list[str]:
        text = get(row, name, where, str)
        try:
            return _texts(ast.literal_eval(text) if len(text) < 1 << 16 else None, name, where)
        except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
            raise DataError(f"{where}: field {name!r} is {show(text)}; expected a written list of texts") from error

    return read


def keyed(name: str) -> Read:
    """A column that is an object, letter → text; empty texts are none."""

    def read(row: Row, where: str) -> list[str]:
        found = as_mapping(get(row, name, where), f"{where}, field {name!r}")
        return _texts([f"{key}. {found[key]}" for key in sorted(found) if found[key]], name, where)

    return read


def columns(*names: str) -> Read:
    """A column for each option; empty ones are none."""
    return lambda row, where: [text_of(row, name, where) for name in names if row.get(name) not in EMPTY]


def _texts(found: Any, name: str, where: str) -> list[str]:
    if not isinstance(found, list) or len(found) > MAX_OPTIONS or not all(isinstance(t, str) for t in found):
        raise DataError(f"{where}: field {name!r} is {show(found)}; expected at most {MAX_OPTIONS} texts")
    return [_MARK.sub("", text).strip() for text in found]


def split_options(text: str) -> tuple[str, list[str]]:
    """A question with its options on lines of their own, A to the last, at its end → the question and the options.

    The whole text and no options where the lines are no such list.
    """
    lines = list(_OPTION_LINE.finditer(text))
    if len(lines) < 2 or [line[1] for line in lines] != _letters(len(lines)):
        return text, []
    return _OPTIONS_COME.sub("", text[: lines[0].start()]), [f"{line[1]}. {line[2].strip()}" for line in lines]


def lettered(options: Sequence[str]) -> list[str]:
    """Options as shown, "A. red": those of a set that letters them itself are left as they are."""
    own = [_LETTERED.match(option) for option in options]
    if [match and match[1] for match in own] == _letters(len(options)):
        return list(options)
    return [f"{letter}. {option}" for letter, option in zip(_letters(len(options)), options)]


def _letters(count: int) -> list[str]:
    return [chr(ord("A") + at) for at in range(count)]


# ---- answers ----------------------------------------------------------------------------------------------------


def by_letter(name: str) -> Answer:
    """A column with the right option's letter, or without options any text; in an answer block or not."""

    def read(row: Row, options: Sequence[str], where: str) -> str:
        answer = strip_answer(text_of(row, name, where))
        if options and answer not in _letters(len(options)):
            raise _none_of(answer, options, where)
        return answer

    return read


def by_place(name: str) -> Answer:
    """A column with the right option's place, 0 the first."""

    def read(row: Row, options: Sequence[str], where: str) -> str:
        answer = text_of(row, name, where)
        if not re.fullmatch(r"\d{1,2}", answer) or int(answer) >= len(options):
            raise _none_of(answer, options, where)
        return _letters(len(options))[int(answer)]

    return read


def by_text(name: str) -> Answer:
    """A column with the right option's text."""

    def read(row: Row, options: Sequence[str], where: str) -> str:
        answer = text_of(row, name, where).strip()
        bare = [_LETTERED.sub("", option, count=1).strip() for option in options]
        for texts in (options, bare):
            if answer in texts:
                return _letters(len(options))[texts.index(answer)]
        if options:
            raise _none_of(answer, options, where)
        return answer

    return read


def _none_of(answer: str, options: Sequence[str], where: str) -> DataError:
    return DataError(f"{where}: the answer {show(answer)} is none of {len(options)} options; mend or remove the row")


# ---- media ------------------------------------------------------------------------------------------------------


def file_named(name: str, folders: Sequence[str]) -> Media:
    """A file in the folder that has it, the first where none does. name: with `{column}` in it; a clip may be without
    its suffix."""

    def media(root: Path, row: Row, where: str) -> list[str]:
        fields = {key: found for key, found in row.items() if isinstance(found, str | int)}
        try:
            file = name.format_map(fields)
        except KeyError as error:
            raise DataError(f"{where}: no text in field {error}; it has {', '.join(map(show, row))}") from error
        places = [under(root, f"{folder}/{file}", where) for folder in folders]
        if Path(file).suffix.lower() not in MEDIA_SUFFIXES:
            places = [video_at(root, place, where) for place in places]
        return [find(root, tuple(places))]

    return media


def picture_in(name: str) -> Media:
    """A picture that stands in a column, written below `CACHE`."""
    return lambda root, row, where: [kept_picture(root, get(row, name, where), f"{where}, field {name!r}")]


def kept_picture(root: Path, found: Any, where: str) -> str:
    """Write a picture of a Parquet file (`{bytes, path}`, or bytes) unless it is there. Raises DataError."""
    data = found.get("bytes") if isinstance(found, Mapping) else found
    if not isinstance(data, bytes) or not 0 < len(data) <= MAX_PICTURE:
        raise DataError(f"{where}: {show(data)} of a picture; expected its bytes, at most {MAX_PICTURE >> 20} MiB")
    name = f"{CACHE}/pictures/{hashlib.sha256(data).hexdigest()[:24]}"
    file = root / under(root, f"{name}.{_format(data, where)}", where)
    if not file.exists():
        with replacing(file) as aside:
            aside.write_bytes(data)
    return file.relative_to(root).as_posix()


def _format(data: bytes, where: str) -> str:
    """The suffix of a picture, by its header, which is checked for size. Raises DataError."""
    import io

    from PIL import Image

    try:
        with decoding(Path(where)), Image.open(io.BytesIO(data), formats=IMAGE_FORMATS) as picture:
            check_pixels(Path(where), picture.size, MAX_IMAGE_PIXELS)
            return (picture.format or "").lower().replace("jpeg2000", "jp2")
    except MediaError as error:
        raise DataError(str(error)) from error
