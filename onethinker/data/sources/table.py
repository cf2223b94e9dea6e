"""Data sets that are tables of questions, Parquet or JSON: one declaration each, in `questions.py` and `captions.py`.

A `Table` names the columns. Pictures that stand in a Parquet file are written once below the root, named by their
bytes; clips and pictures that lie in folders keep their names. Rows without the picture that their column is for are
left out, as VLMEvalKit leaves them out: sets such as ScienceQA ask some of their questions in words alone.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from onethinker.data.sources.base import (
    Item,
    LeftOut,
    Place,
    Source,
    as_mapping,
    each,
    find,
    get,
    make,
    show,
    text_of,
    under,
)
from onethinker.data.sources.clips import file_in, writing_within
from onethinker.data.sources.tabular import table_rows
from onethinker.data.sources.writing import CACHE, writes
from onethinker.measure.text import number
from onethinker.media import MediaError
from onethinker.sample import DataError, Sample, strip_answer
from onethinker.sample.options import lettered, letters, named_options, split_options, without_letter
from onethinker.util.files import replacing

Row = Mapping[str, Any]
Read = Callable[[Row, str], Any]
"""(row, where) → text or options. Raises DataError."""
Answer = Callable[[Row, Sequence[str], str], str]
"""(row, options, where) → the truth: the right option's letter ("C, D" of several), any text without options."""
Media = Callable[[Path, Row, str], list[str]]
"""(root, row, where) → paths below the root, none for a row without its picture."""

EMPTY = (None, "", "nan", "N/A")
"""How an empty cell is written."""
MAX_PICTURE = 64 << 20
MAX_OPTIONS = 26
_SEVERAL = re.compile("[A-Z](?:, [A-Z])+")
_MARK = re.compile(r"<(?:image|video)>\n?")


@dataclass(frozen=True, slots=True)
class Table:
    """A data set that is a table.

    files: split → the names, or patterns, that its file or files go by. id: column, or "" for the row's number.
    folders: what must be there besides. task: of the set's questions, or of most. free: of those without options,
    unless their answer is a number and `numbers` is true (then `numerical`), or `chosen` says that they are multiple
    choice all the same and the answer is a letter; also of a question with several right options, which stand in its
    text then. keep: the rows of a split that belong to it. skip: why one of them is left out all the same, empty if it
    is not. meta: columns to keep. inside, key_as, folder_as: where in their files the rows are, and columns that their
    keys and their files' folders become (`tabular.table_rows`). spread: (row, where) → the rows that one of the file's
    stands for, a picture's questions. licence, evidence, train: as of `Source`. accepted: the answers that a question
    without options takes, kept as `meta["accepted"]`; one that is no number makes the question one of `free`.
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
    skip: Callable[[Row], str] = lambda row: ""
    meta: tuple[str, ...] = ()
    inside: str = ""
    key_as: str = ""
    folder_as: str = ""
    spread: Callable[[Row, str], Sequence[Row]] | None = None
    accepted: Callable[[Row, str], list[str]] = lambda row, where: []
    licence: str = ""
    evidence: str = ""
    train: str = ""

    def source(self) -> Source:
        return Source(
            self.name, self.task, tuple(self.files), self.layout, self.places, self.samples, self.licence,
            self.evidence, self.train,
        )  # fmt: skip

    def places(self, split: str) -> list[Place]:
        return [self.files[split], *self.folders]

    def samples(self, root: Path, split: str) -> Iterator[Item]:
        """A question a row, in the file's order, without rows that lack their picture. Raises DataError."""
        none = True
        for at, (where, row) in enumerate(self._rows(root, split)):
            for item in each(where, self._of_row, root, row, split, where, at):
                none = none and isinstance(item, LeftOut) and not item.fault
                yield item
        if none:
            raise DataError(
                f"{root / find(root, self.files[split])}: no question of {self.name} {split} that has its picture"
            )

    def _rows(self, root: Path, split: str) -> Iterator[tuple[str, Any]]:
        """(where, row) of each question, a DataError in the place of what cannot be read."""
        for where, entry in table_rows(root, self.files[split], self.inside, self.key_as, self.folder_as):
            if isinstance(entry, DataError) or self.spread is None:
                yield where, entry
                continue
            try:
                for place, row in enumerate(self.spread(as_mapping(entry, where), where)):
                    yield f"{where}, question {place}", row
            except DataError as error:
                yield where, error

    def _of_row(self, root: Path, found: Any, split: str, where: str, at: int) -> list[Item]:
        if isinstance(found, DataError):
            raise found
        row = as_mapping(found, where)
        if not self.keep(row, split):
            return []
        reason = self.skip(row)
        if reason:
            return [LeftOut(where, reason, fault=False)]
        media = self.media(root, row, where)
        if not media:
            return [LeftOut(where, "a row without its picture", fault=False)]
        return [self._sample(row, media, split, where, at)]

    def _sample(self, row: Row, media: Sequence[str], split: str, where: str, at: int) -> Sample:
        options = lettered(self.options(row, where))
        answer, question = self.answer(row, options, where).strip(), self.question(row, where).strip()
        if not options and self.chosen(row):
            answer = ", ".join(named_options(answer, [])) or answer
        choice = (len(answer) == 1 and self.chosen(row)) or bool(options)
        if choice and _SEVERAL.fullmatch(answer):
            question, options, choice = "\n".join([question, *options]), [], False
        accepted = [] if choice else self.accepted(row, where)
        numbers = self.numbers and all(number(text) is not None for text in accepted or [answer])
        free = "numerical" if numbers else self.free or self.task
        return make(
            where,
            id=f"{split}-{text_of(row, self.id, where) if self.id else at}",
            task="multiple_choice" if choice else free,
            modality=self.modality,
            question=question,
            options=tuple(options),
            truth=answer,
            media=tuple(media),
            source=self.name,
            meta={key: text_of(row, key, where) for key in self.meta if row.get(key) not in EMPTY}
            | ({"accepted": accepted} if len(accepted) > 1 else {}),
        )


# ---- questions --------------------------------------------------------------------------------------------------


def column(name: str) -> Read:
    """A column's text, without marks for media: they come first."""
    return lambda row, where: _MARK.sub("", get(row, name, where, str))


def said(text: str) -> Read:
    """The same words for every row."""
    return lambda row, where: text


def before_options(name: str) -> Read:
    """A column's text without the options at its end."""
    return lambda row, where: split_options(column(name)(row, where))[0]


def within(name: str) -> Read:
    """Options that stand in the question's own text."""
    return lambda row, where: split_options(column(name)(row, where))[1]


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
    """Texts; numbers and booleans are written out."""
    if (
        not isinstance(found, list)
        or len(found) > MAX_OPTIONS
        or not all(isinstance(t, str | int | float) for t in found)
    ):
        raise DataError(f"{where}: field {name!r} is {show(found)}; expected at most {MAX_OPTIONS} texts")
    return [_MARK.sub("", str(text)).strip() for text in found]


# ---- answers ----------------------------------------------------------------------------------------------------


def by_letter(name: str, known: Read = lambda row, where: []) -> Answer:
    """A column that names the right option by its letter in any dress, several such, or its text; without options any
    text. In an answer block or not. known: the options where the question does not show them, as in its picture."""

    def read(row: Row, options: Sequence[str], where: str) -> str:
        found = row.get(name)
        answer = strip_answer(str(found) if isinstance(found, bool) else text_of(row, name, where))
        asked = options or known(row, where)
        named = named_options(answer, asked) if asked else [answer]
        if not named:
            raise _none_of(answer, asked, where)
        return ", ".join(named)

    return read


def no_number(name: str) -> Callable[[Row], str]:
    """Why a row is no question of a number: empty where the column has one."""
    return lambda row: "" if number(str(row.get(name))) is not None else "an answer that is no number"


def by_place(name: str) -> Answer:
    """A column with the right option's place, 0 the first."""

    def read(row: Row, options: Sequence[str], where: str) -> str:
        answer = text_of(row, name, where)
        if not re.fullmatch(r"\d{1,2}", answer) or int(answer) >= len(options):
            raise _none_of(answer, options, where)
        return letters(len(options))[int(answer)]

    return read


def by_text(name: str) -> Answer:
    """A column with the right option's text."""

    def read(row: Row, options: Sequence[str], where: str) -> str:
        answer = text_of(row, name, where).strip()
        bare = [without_letter(option) for option in options]
        for texts in (options, bare):
            if answer in texts:
                return letters(len(options))[texts.index(answer)]
        if options:
            raise _none_of(answer, options, where)
        return answer

    return read


def _none_of(answer: str, options: Sequence[str], where: str) -> DataError:
    return DataError(f"{where}: the answer {show(answer)} is none of {len(options)} options; mend or remove the row")


# ---- media ------------------------------------------------------------------------------------------------------


def file_named(name: str, folders: Sequence[str]) -> Media:
    """A file in the folder that has it, as `file_in` finds it. name: with `{column}` in it."""

    def media(root: Path, row: Row, where: str) -> list[str]:
        fields = {key: found for key, found in row.items() if isinstance(found, str | int)}
        try:
            file = name.format_map(fields)
        except KeyError as error:
            raise DataError(f"{where}: no text in field {error}; it has {', '.join(map(show, row))}") from error
        return [file_in(root, folders, file, where)]

    return media


def path_in(name: str, folders: Sequence[str] = (".",)) -> Media:
    """The file that a column names with its path, below whichever of the folders has it."""

    def media(root: Path, row: Row, where: str) -> list[str]:
        path = PurePosixPath(get(row, name, where, str))
        return [file_in(root, [f"{folder}/{path.parent}" for folder in folders], path.name, where)]

    return media


def pictures_in(name: str) -> Media:
    """The pictures of a column that is a list of them: each as its bytes, or as the path that names it."""

    def media(root: Path, row: Row, where: str) -> list[str]:
        found = row.get(name) or []
        return [
            path_in("path")(root, {"path": one}, where)[0] if isinstance(one, str) else kept_picture(root, one, where)
            for one in (found if isinstance(found, list) else [found])
        ]

    return media


def picture_in(name: str) -> Media:
    """A picture that stands in a column, written below `CACHE`; none where the cell is empty."""

    def media(root: Path, row: Row, where: str) -> list[str]:
        found = get(row, name, where)
        empty = not any(found.values()) if isinstance(found, Mapping) else not found
        return [] if empty else [kept_picture(root, found, f"{where}, field {name!r}")]

    return media


def kept_picture(root: Path, found: Any, where: str) -> str:
    """Write a picture of a Parquet file (`{bytes, path}`, or bytes) unless it is there. Raises DataError."""
    data = found.get("bytes") if isinstance(found, Mapping) else found
    if not isinstance(data, bytes) or not 0 < len(data) <= MAX_PICTURE:
        raise DataError(f"{where}: {show(data)} of a picture; expected its bytes, at most {MAX_PICTURE >> 20} MiB")
    name = f"{CACHE}/pictures/{hashlib.sha256(data).hexdigest()[:24]}"
    file = root / under(root, f"{name}.{_format(data, where)}", where)
    if writes("pictures") and not file.exists():
        with writing_within(file), replacing(file) as aside:
            aside.write_bytes(data)
    return file.relative_to(root).as_posix()


def _format(data: bytes, where: str) -> str:
    """The suffix of a picture, by its header, which is checked for size. Raises DataError."""
    from onethinker.media.embedded import picture_format

    try:
        return picture_format(data, Path(where)).lower().replace("jpeg2000", "jp2").replace("heif", "heic")
    except MediaError as error:
        raise DataError(str(error)) from error
