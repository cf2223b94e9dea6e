"""What the readers of public data sets share: the `Source` contract, bounded files, typed fields, paths under a root.

Everything that is read here is untrusted: sizes are bounded before files are parsed, a path that leaves its root is
refused, and whatever is wrong with a row becomes a DataError that names the file and the row.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onethinker.data.sources.writing import CACHE, is_wanted, media_written, picking, writes
from onethinker.sample import DataError, Sample, resolve_under, to_native
from onethinker.tasks import get_task

MAX_FILE = 2 << 30
"""Bytes of an annotation file."""
MAX_TEXT = 1 << 20
"""Characters of a question, its options and its truth together."""
MAX_NAME = 255
"""Bytes of a file's name."""
MAX_BITS = 63
"""Of a whole number."""
FAR_OFF = 1e6
"""Thousandths of a picture's side."""

Place = str | tuple[str, ...]
"""A file or folder below the root, or files by a pattern with `*`; or the names it is known by, the official first."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that is no question, or none to train on. where: its file and row. reason: why, without them.

    fault: whether the row is broken; if not, the set's own tool or the layout leaves it out as well, such as a moment
    of no length or a row without its picture.
    """

    where: str
    reason: str
    fault: bool = True

    @property
    def kind(self) -> str:
        """The reason without what belongs to this row alone, to count by."""
        return _PARTICULAR.sub("…", self.reason)

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


_PARTICULAR = re.compile(r"'[^']*'|\"[^\"]*\"|\S*/\S*|-?\d[\d.,:×]*")
Item = Sample | LeftOut


@dataclass(frozen=True, slots=True)
class Source:
    """A public data set in its official layout.

    name: registry key. task: of its samples, or of most. splits: as the data set names them. layout: what lies below
    the root, and whose layout that is. places: split → what the split cannot do without, below the root. samples:
    (root, split) → its questions, lazily, in the file's order, with what is left out in its place. licence: as the
    owner states it, and where. evidence: whose loader or documentation the layout is read from. train: the split to
    train on, empty where none has its truths.
    """

    name: str
    task: str
    splits: tuple[str, ...]
    layout: str
    places: Callable[[str], Sequence[Place]]
    samples: Callable[[Path, str], Iterator[Item]]
    licence: str = ""
    evidence: str = ""
    train: str = ""

    def expected(self, root: Path, split: str) -> list[Path]:
        """The files and folders that the split needs, where they are or where they should be. Raises DataError."""
        if split not in self.splits:
            raise DataError(f"{self.name} has no split {split!r}; expected one of {', '.join(self.splits)}")
        return [_located(root, find(root, place)) for place in self.places(split)]

    def missing(self, root: Path, split: str) -> list[Path]:
        """Those of `expected` that are not there. Raises DataError."""
        return [path for path in self.expected(root, split) if not path.exists()]

    def read(self, root: Path, split: str) -> Iterator[Sample]:
        """The split's questions; media paths are relative to `root`. A medium that is not there keeps its path.

        Raises DataError naming what is missing, or the file and row that cannot be used.
        """
        self._check(root, split)
        seen: set[str] = set()
        for item in self.samples(root, split):
            if isinstance(item, LeftOut):
                if item.fault:
                    raise DataError(str(item))
                continue
            if item.id in seen:
                raise DataError(f"{root}: two questions of {self.name} {split} have the id {show(item.id)}; remove one")
            seen.add(item.id)
            yield item

    def rows(self, root: Path, split: str, wanted: Container[str] | None = None) -> Iterator[Item]:
        """The split's questions to train on, and in its place each row that is none: one with a fault costs itself
        alone, as does one whose medium is not there. Spans and boxes are cut to their medium (`fitting`).

        wanted: ids; only they are yielded, with their media written, which nothing else is then. To choose among many,
        read first within `media_unwritten()`, where nothing is written, and then with the ids chosen.
        Raises DataError naming what is missing, or a file that cannot be read at all.
        """
        self._check(root, split)
        seen: set[str] = set()
        reading = self.samples(root, split)
        while True:
            with picking(wanted):
                item = next(reading, None)
            if item is None:
                return
            item = self._to_train_on(item, root, seen)
            if wanted is None or (isinstance(item, Sample) and item.id in wanted):
                yield item

    def _check(self, root: Path, split: str) -> None:
        missing = self.missing(root, split)
        if missing:
            named = ", ".join(map(str, missing))
            raise DataError(f"{self.name} {split}: not found: {named}. Its layout below {root}:\n{self.layout}")

    def _to_train_on(self, item: Item, root: Path, seen: set[str]) -> Item:
        from onethinker.data.sources.fitting import Unfit, fitted

        if isinstance(item, LeftOut):
            return item
        where = f"{root}, {self.name} {show(item.id)}"
        if item.id in seen:
            return LeftOut(where, "an earlier question has its id")
        seen.add(item.id)
        for name in item.media:
            if not (root / name).is_file() and (writes("pictures") or not name.startswith(f"{CACHE}/")):
                return LeftOut(where, f"its medium {name} is not there")
        try:
            return fitted(item, root)
        except Unfit as error:
            return LeftOut(where, str(error))


def each(where: str, made: Callable[..., Item | Iterable[Item]], *args: Any) -> Iterator[Item]:
    """What `made(*args)` gives of one row, or that it is left out: a DataError costs its row alone."""
    try:
        found = made(*args)
        items = [found] if isinstance(found, Sample | LeftOut) else list(found)
        if any(isinstance(item, Sample) and is_wanted(item.id) for item in items):
            with media_written():
                found = made(*args)
                items = [found] if isinstance(found, Sample | LeftOut) else list(found)
        yield from items
    except DataError as error:
        yield LeftOut(where, str(error).removeprefix(where).lstrip(":, "))


def _located(root: Path, name: str) -> Path:
    """The file or folder, the first of a pattern's; the pattern where there is none."""
    return min(root.glob(name), default=root / name) if "*" in name else root / name


def find(root: Path, place: Place) -> str:
    """The name under which a place exists below the root, its official name where none does."""
    names = (place,) if isinstance(place, str) else place
    return next((name for name in names if (any(root.glob(name)) if "*" in name else (root / name).exists())), names[0])


def first_there(root: Path, names: Sequence[str]) -> str:
    """The first of the names, which may be of a data set's own and are no patterns, that exists below the root; the
    first of all where none does."""
    return next((name for name in names if (root / name).exists()), names[0])


# ---- files ------------------------------------------------------------------------------------------------------


def bounded(file: Path, limit: int = MAX_FILE) -> Path:
    """The file, if it is one of at most `limit` bytes. Raises DataError."""
    if not file.is_file():
        raise DataError(f"{file}: no such file")
    if file.stat().st_size > limit:
        raise DataError(f"{file}: {file.stat().st_size:,} bytes; at most {limit:,} are read, is it the right file?")
    return file


def load_json(file: Path) -> Any:
    """Raises DataError for a file that is not whole JSON."""
    try:
        return json.loads(bounded(file).read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: not whole JSON ({error}); fetch the file again") from error


def text_lines(file: Path) -> Iterator[tuple[str, str]]:
    """(where, line) of each line that is not empty. Raises DataError."""
    try:
        lines = bounded(file).read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 text ({error}); fetch the file again") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield f"{file}, line {number}", line.strip()


# ---- fields -----------------------------------------------------------------------------------------------------


def show(value: Any) -> str:
    """A short, printable form of an untrusted value."""
    if isinstance(value, dict | list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        return f"a number of {value.bit_length()} bits"
    return ascii(value[:80] if isinstance(value, str | bytes) else value)


def get(row: Any, key: str, where: str, kind: type = object) -> Any:
    """`row[key]`, of that type; whole numbers have at most 63 bits. Raises DataError."""
    fields = as_mapping(row, where)
    if key not in fields:
        raise DataError(f"{where}: no field {key!r}; it has {', '.join(map(show, list(fields)[:20]))}")
    value = fields[key]
    odd = isinstance(value, bool) or (isinstance(value, int) and value.bit_length() > MAX_BITS)
    if not isinstance(value, kind) or (kind is int and odd):
        raise DataError(f"{where}: field {key!r} is {show(value)}; expected {kind.__name__}")
    return value


def text_of(row: Any, name: str, where: str) -> str:
    """A column that is text or a number, as text. Raises DataError."""
    kind = int if isinstance(as_mapping(row, where).get(name), int) else object
    found = get(row, name, where, kind)
    if not isinstance(found, str | int | float):
        raise DataError(f"{where}: field {name!r} is {show(found)}; expected text or a number")
    return str(found)


def number(value: Any, where: str, what: str) -> float:
    """A finite number, or the text of one. Raises DataError."""
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise DataError(f"{where}: {what} is {show(value)}; expected a finite number")
    return found


def numbers(value: Any, count: int, where: str, what: str) -> list[float]:
    """A list of `count` finite numbers. Raises DataError."""
    if not isinstance(value, list | tuple) or len(value) != count:
        raise DataError(f"{where}: {what} is {show(value)}; expected {count} numbers")
    return [number(v, where, what) for v in value]


def image_size(width: Any, height: Any, where: str) -> tuple[int, int]:
    """Width and height in pixels, each a whole number from 1 to 65,536. Raises DataError."""
    if not all(type(side) is int and 0 < side <= 1 << 16 for side in (width, height)):
        raise DataError(f"{where}: a picture of {show(width)}×{show(height)} pixels; expected whole numbers")
    return width, height


def box_1000(xyxy: Sequence[float], size: tuple[float, float]) -> list[float]:
    """A box in pixels, left, top, right, bottom, as thousandths of width and height, to three decimals; edges that no
    picture reaches are brought to `FAR_OFF`."""
    return [round(min(max(1000 * v / size[i % 2], -FAR_OFF), FAR_OFF), 3) for i, v in enumerate(xyxy)]


def under(root: Path, name: str, where: str) -> str:
    """`name` as a path below the root. Raises DataError where it leaves it, or where no disk can hold it."""
    if any(len(part.encode(errors="replace")) > MAX_NAME for part in Path(name).parts):
        raise DataError(f"{where}: {show(name)} as a file's name; at most {MAX_NAME} bytes are one")
    try:
        resolve_under(root, name)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    return Path(name).as_posix()


def make(where: str, **fields: Any) -> Sample:
    """The sample, if it can be used: bounded, writable, its truth in its task's form. Raises DataError."""
    truth = fields.pop("truth")
    text = truth if isinstance(truth, str) else json.dumps(truth)
    sample = Sample(truth=text, **fields)
    length = len(sample.question) + len(text) + sum(map(len, sample.options))
    if length > MAX_TEXT:
        raise DataError(f"{where}: {length:,} characters of question, options and truth; at most {MAX_TEXT:,} are read")
    try:
        get_task(sample.task).truth(sample)
        json.dumps(to_native(sample), ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{where}: {error}") from error
    return sample


def span_of(start: Any, end: Any, where: str) -> list[float]:
    """`[start, end]` in seconds, in order: some sets have moments written end first. Raises DataError."""
    return sorted((number(start, where, "the moment's start"), number(end, where, "the moment's end")))


def moment(where: str, source: str, id: str, question: str, span: Sequence[float], clip: str, **meta: Any) -> Item:
    """A question of when in a clip something happens, to the millisecond; left out where its moment has no length,
    which no answer can meet. Raises DataError."""
    if span[0] == span[1]:
        return LeftOut(where, "a moment of no length", fault=False)
    return make(
        where, id=id, task="temporal_grounding", modality="video", question=question.strip(),
        truth={"time": [round(second, 3) for second in span]}, media=(clip,), source=source, meta=meta,
    )  # fmt: skip


def as_list(value: Any, where: str) -> list[Any]:
    """Raises DataError unless it is a list."""
    if not isinstance(value, list):
        raise DataError(f"{where}: expected a list, found {type(value).__name__}")
    return value


def as_mapping(value: Any, where: str) -> Mapping[str, Any]:
    """Raises DataError unless it is an object."""
    if not isinstance(value, dict):
        raise DataError(f"{where}: expected an object, found {type(value).__name__}")
    return value
