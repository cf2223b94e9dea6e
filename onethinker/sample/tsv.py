"""VLMEvalKit's TSV files: a question a row, its pictures within it as base64. What they hold is untrusted.

Columns: `index`; `image`, a picture in base64, a list of such, or another row's index whose pictures it shares, or
`image_path`, paths below the root or, as VLMEvalKit localizes large files, below `images/NAME/`; `question`, `hint`;
`A`, `B`, … the options; `answer`; MathVista's `choices`, `answer_option`, `question_type`; MathVerse's
`question_for_eval`, which has the options that stand in the picture; MMSci's `caption` in place of an answer. Pictures
are written as they are, once, below `images/` beside the file, where VLMEvalKit puts its own, under the hash of their
bytes. Rows without a picture are left out, as VLMEvalKit does. Read so by vlmeval/dataset/image_{base,mcq,vqa}.py.
"""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from onethinker.sample.options import named_options, split_options
from onethinker.sample.pictures import unpack
from onethinker.sample.record import DataError, Sample, Samples

MAX_LINE = 256 << 20
"""Characters of a line and of a field; longer ones are refused before they are parsed."""
_SHARED = 64
"""An `image` of at most this many characters names another row."""
_KEPT = ("category", "l2-category", "split", "question_type", "answer_type", "precision", "problem_version")
SHORT = "Answer the question using a single word or phrase."
"""MMMU's instruction for a question without options, by its authors' tool."""
_NUMBERED = re.compile(r"<image ?(\d+)>")

Row = Mapping[str, str]


def load_tsv(
    path: str | Path,
    media_root: str | Path | None = None,
    limit: int | None = None,
    where: Mapping[str, Sequence[str]] | None = None,
    *,
    strict: bool = True,
) -> Samples:
    """The questions of a TSV, only those whose columns have one of the values of `where`; case and signs do not count.

    media_root: the folder for `images/` and of `image_path`; the file's own unless given. Rows with options are
    multiple choice, others numerical where the answer is a number, else mathematics; of a list of accepted answers
    the first is the truth, all are kept as `meta["accepted"]`. Raises DataError naming the file and row; unless
    `strict`, a row whose question cannot be read is left out and named in `Samples.left_out` instead.
    """
    file = Path(path)
    root = Path(media_root) if media_root else file.parent
    pictures = _Pictures(file, root)
    samples: dict[str, Sample] = {}
    shared: dict[str, str] = {}
    passed: set[str] = set()
    left_out: list[str] = []
    for at, row in _rows(file):
        if limit is not None and len(samples) >= limit:
            break
        if not _belongs(row, where or {}, at, passed):
            continue
        try:
            media = pictures.of(row, at)
            if not media:
                continue
            sample = _sample(row, at, file.stem)
            if sample.id in samples:
                raise DataError(f"{at}: index {sample.id!r} is another row's too; an index belongs to one row")
        except DataError as error:
            if strict:
                raise
            left_out.append(str(error))
            continue
        samples[sample.id] = sample
        if isinstance(media, str):
            shared[sample.id] = media
        else:
            pictures.known[sample.id] = media
    if not samples:
        had = f"; the rows have {', '.join(sorted(passed)[:200])}" if passed else ""
        raise DataError(
            f"{file}: no row with {dict(where or {}) or 'a picture'}{had}"
            + "".join(f"; {problem}" for problem in left_out[:1])
        )
    pictures.find(set(shared.values()))
    whole = tuple(_with_media(sample, pictures, shared, file) for sample in samples.values())
    return Samples(whole, root, tuple(left_out))


def has_rows(path: Path, where: Mapping[str, Sequence[str]]) -> bool:
    """Whether some row has a value that `load_tsv` would want; the file is read once for all such questions of it.

    where: columns of `_KEPT`. Raises DataError.
    """
    had = _values(path, path.stat().st_mtime_ns) if where else {}
    return all(not had.get(column, set()).isdisjoint(map(_plain, values)) for column, values in where.items())


@lru_cache(maxsize=2)
def _values(path: Path, changed: int) -> dict[str, set[str]]:
    """Column → the values in it, of those that say what kind a row is of; as of the file's last change."""
    found: dict[str, set[str]] = {column: set() for column in _KEPT}
    for _, row in _rows(path):
        for column in found.keys() & row.keys():
            found[column].add(row[column])
    return {column: set(map(_plain, values)) for column, values in found.items()}


# ---- rows -------------------------------------------------------------------------------------------------------


@contextmanager
def _long_fields() -> Iterator[None]:
    before = csv.field_size_limit(MAX_LINE)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8-sig", newline="") as text:
        while line := text.readline(MAX_LINE + 1):
            if len(line) > MAX_LINE:
                raise DataError(f"{file}: a line of more than {MAX_LINE >> 20} M characters; is it a TSV?")
            yield line


def _rows(file: Path) -> Iterator[tuple[str, Row]]:
    """(where, column → cell) of each row. Raises DataError for what is not a table with `index` and `question`."""
    if not file.is_file():
        raise DataError(f"{file}: no such file")
    number = 0
    try:
        with _long_fields():
            reader = csv.reader(_lines(file), delimiter="\t")
            header = next(reader, [])
            for name in ("index", "question"):
                if name not in header:
                    raise DataError(f"{file}: no column {name!r} in its first line; it has {header[:30]!a:.300}")
            for number, cells in enumerate(reader, start=1):
                if len(cells) != len(header):
                    raise DataError(f"{file}, row {number}: {len(cells)} cells for {len(header)} columns; mend the row")
                yield f"{file}, row {number}", dict(zip(header, cells))
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{file}, row {number + 1}: not a row of a TSV ({error}); mend or remove it") from error


def _belongs(row: Row, where: Mapping[str, Sequence[str]], at: str, passed: set[str]) -> bool:
    """Whether the row has the wanted values. passed: gains the values of rows that have not."""
    for column, values in where.items():
        if column not in row:
            raise DataError(f"{at}: no column {column!r}, by which its rows are chosen")
        if _plain(row[column]) not in map(_plain, values):
            passed.add(row[column][:60])
            return False
    return True


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", text.lower())


# ---- questions --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Asked:
    """A row's question, without its hint and pictures."""

    task: str
    question: str
    truth: str
    options: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()


def _sample(row: Row, at: str, source: str) -> Sample:
    """The question without its media. Raises DataError."""
    index, answer = row["index"].strip(), row.get("answer", "").strip()
    if not index or len(index) > _SHARED:
        raise DataError(f"{at}: index {index!a:.80}; expected 1 to {_SHARED} characters")
    caption = row.get("caption", "").strip()
    if not (answer or caption):
        raise DataError(f"{at}: no answer; a file without public answers cannot be scored")
    asked = _asked(row, answer, at) if answer else _Asked("caption", row["question"].strip(), caption)
    question = hinted(row.get("hint", ""), asked.question)
    meta: dict[str, Any] = {name: row[name] for name in _KEPT if row.get(name)}
    if asked.accepted:
        meta["accepted"] = list(asked.accepted)
    return Sample(index, asked.task, "image", question, asked.truth, asked.options, source=source, meta=meta)


def hinted(hint: str, question: str) -> str:
    """A question after its hint, labelled as VLMEvalKit labels them; the question alone where there is no hint."""
    return f"Hint: {hint.strip()}\nQuestion: {question.strip()}" if hint.strip() else question.strip()


def _asked(row: Row, answer: str, at: str) -> _Asked:
    """What the columns say of the options. Raises DataError."""
    question = row["question"].strip()
    texts = {letter: _NUMBERED.sub(r"image \1", row.get(letter, "").strip()) for letter in ascii_uppercase}
    options = tuple(f"{letter}. {text}" for letter, text in texts.items() if text)
    if options:
        return _Asked("multiple_choice", question, answer, options)
    if row.get("question_type", "").startswith("multi"):
        return _chosen(row, question, answer, at)
    accepted = tuple(_listed(answer, at)) if answer.startswith(("['", '["')) else ()
    known = accepted or (answer,)
    if all(map(_is_number, known)):
        return _Asked("numerical", question, known[0], accepted=accepted)
    return _Asked("math", question if row.get("question_type") else f"{question}\n{SHORT}", known[0], accepted=accepted)


def _chosen(row: Row, question: str, answer: str, at: str) -> _Asked:
    """A choice whose options are no columns: they stand in `choices`, and mostly at the question's end as well, or in
    the picture. One with several right options is asked as it stands, as is one whose options are not known and whose
    answer is no letter. Raises DataError where the answer is none of the options."""
    bare, within = split_options(question)
    choices = [f"{k}. {text}" for k, text in zip(ascii_uppercase, _listed(row.get("choices", ""), at))]
    options = choices or within
    known = options or split_options(row.get("question_for_eval", ""))[1]
    named = named_options(row.get("answer_option", "").strip() or answer, known)
    if not named and not known:
        return _Asked("math", question, answer)
    if not named:
        raise DataError(f"{at}: the answer {answer!a:.60} is none of {len(known)} options; mend or remove the row")
    if len(named) > 1:
        return _Asked("math", question if within else "\n".join([question, *options]), ", ".join(named))
    return _Asked("multiple_choice", bare if within else question, named[0], tuple(options))


def _is_number(text: str) -> bool:
    from onethinker.measure.text import number

    return number(text) is not None


def _listed(cell: str, at: str) -> list[str]:
    """A cell that holds a list of texts as Python writes one, or a single text. Raises DataError."""
    if not (cell.startswith("[") and cell.endswith("]")):
        return [cell] if cell else []
    try:
        found: Any = ast.literal_eval(cell)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise DataError(f"{at}: {cell!a:.60} is no list of texts ({type(error).__name__})") from error
    if not isinstance(found, list) or not all(isinstance(text, str | int | float) for text in found):
        raise DataError(f"{at}: {cell!a:.60} is no list of texts")
    return [str(text) for text in found]


def _with_media(sample: Sample, pictures: _Pictures, shared: Mapping[str, str], file: Path) -> Sample:
    """The question with its pictures, MMMU's `<image 1>` as our marks where each stands once and in order."""
    source = shared.get(sample.id, sample.id)
    if source not in pictures.known:
        raise DataError(f"{file}, index {sample.id}: shares the picture of index {source!a}, which has none")
    media = pictures.known[source]
    named = [int(number[:6]) for number in _NUMBERED.findall(sample.question)]
    in_order = named == list(range(1, len(media) + 1))
    question = _NUMBERED.sub("<image>" if in_order else r"image \1", sample.question)
    return replace(sample, question=question, media=media)


# ---- pictures ---------------------------------------------------------------------------------------------------


@dataclass
class _Pictures:
    """The pictures of a file, unpacked below the root. known: index → its pictures' paths, relative to the root."""

    file: Path
    root: Path
    known: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, row: Row, at: str) -> tuple[str, ...] | str:
        """The row's pictures, the index of the row that has them, or nothing."""
        cell = row.get("image", "").strip()
        if len(cell) > _SHARED:
            return tuple(unpack(text, self.root, self.file.stem, at) for text in _listed(cell, at))
        return cell or tuple(map(self._place, _listed(row.get("image_path", "").strip(), at)))

    def _place(self, path: str) -> str:
        """Where the file lies that `image_path` names."""
        localized = f"images/{self.file.stem.removesuffix('_local')}/{path}"
        try:
            return localized if not (self.root / path).is_file() and (self.root / localized).is_file() else path
        except OSError:  # no name that a disk can have
            return path

    def find(self, wanted: set[str]) -> None:
        """Unpack the rows that others share and that were not chosen themselves."""
        missing = wanted - self.known.keys()
        for at, row in _rows(self.file) if missing else ():
            if row["index"].strip() in missing and not isinstance(found := self.of(row, at), str):
                self.known[row["index"].strip()] = found
