"""Sets as the big collections for instruction tuning have them: pictures or clips, and rounds of question and answer.

One reader for four layouts, told apart by a row's columns: The Cauldron and FineVision (`images`, `texts` of `{user,
assistant}`), LLaVA-OneVision (`image`, `conversations` of `{from, value}`), LLaVA's own JSON (`image` or `video` names
a file) and chat messages (`images`, `messages` of `{role, content}`). Every round is a question. Its options are read
from its lines, the instruction how to answer is taken off, as is what the answer says before the letter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onethinker.data.sources.base import Item, LeftOut, Source, as_list, as_mapping, each, get, make, show, text_of
from onethinker.data.sources.clips import file_in
from onethinker.data.sources.table import kept_picture
from onethinker.data.sources.tabular import table_rows
from onethinker.measure.text import number
from onethinker.sample import DataError
from onethinker.sample.options import lettered, named_options, split_options

Round = tuple[str, str]
"""(question, answer) as written."""
MAX_ROUNDS = 1000

_MARK = re.compile(r"<(?:image|video)(?:\s*\d+)?>\s*")
_HEAD = re.compile(r"\A(?:Hint: [^\n]*\n)?\s*(?:Question:\s*)?")
_TAIL = re.compile(
    r"\s*(?:\n|(?<=[.?!]) )\(?(?:Please )?(?:answer|respond|give|provide|select|choose|pick|reply|keep|short answer)\b"
    r"[^\n]*\b(?:letter|word|phrase|directly|briefly|short|number|option|options|choices|concise|answer)s?\b[^\n]*\Z",
    re.IGNORECASE,
)
_SAYS = re.compile(
    r"\A(?:so\s+|thus,?\s+)?(?:the\s+)?(?:correct\s+|final\s+)?(?:answer|option|choice)\s*(?:is|:)\s*", re.I
)
_YES_NO = ("Yes", "No")


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A set of rounds.

    files: the patterns its files go by. task: of a round without options; with options it is multiple choice. numbers:
    whether a number as answer makes it `numerical`, and nothing else is kept where the task is that. choices: whether
    rounds without options are left out. yes_no: whether yes and no are options A and B. folders: where named pictures
    or clips lie. keep: rows that belong to it. asked: the question where it is the same for all, in place of theirs.
    """

    name: str
    layout: str
    files: tuple[str, ...]
    task: str
    numbers: bool = False
    choices: bool = False
    yes_no: bool = False
    folders: tuple[str, ...] = (".",)
    keep: Callable[[Mapping[str, Any]], bool] = lambda row: True
    asked: str = ""
    licence: str = ""
    evidence: str = ""

    def source(self) -> Source:
        task = "multiple_choice" if self.choices or self.yes_no else self.task
        return Source(
            self.name, task, ("train",), self.layout, lambda split: (self.files,), self.samples, self.licence,
            self.evidence, "train",
        )  # fmt: skip

    def samples(self, root: Path, split: str) -> Iterator[Item]:
        """A question a round, in the files' order."""
        for at, (where, row) in enumerate(table_rows(root, self.files)):
            yield from each(where, self._of_row, root, row, where, f"{split}-{at}")

    def _of_row(self, root: Path, found: Any, where: str, id: str) -> Iterator[Item]:
        if isinstance(found, DataError):
            raise found
        row = as_mapping(found, where)
        if not self.keep(row):
            return
        media = self._media(root, row, where)
        if not media:
            yield LeftOut(where, "a row without its picture", fault=False)
            return
        for turn, (question, answer) in enumerate(_rounds(row, where)):
            at = f"{where}, round {turn}"
            yield from each(at, self._question, question, answer, media, row, at, f"{id}-{turn}")

    def _media(self, root: Path, row: Mapping[str, Any], where: str) -> tuple[str, ...]:
        """Pictures that stand in the row are written, files that it names are found."""
        for name in ("images", "image", "videos", "video"):
            given = row.get(name)
            if given is None or given == []:
                continue
            return tuple(self._medium(root, one, where) for one in (given if isinstance(given, list) else [given]))
        return ()

    def _medium(self, root: Path, given: Any, where: str) -> str:
        if isinstance(given, str):
            folders = [f"{folder}/{Path(given).parent}" for folder in self.folders]
            return file_in(root, folders, Path(given).name, where)
        return kept_picture(root, given, f"{where}, its picture")

    def _question(
        self, asked: str, said: str, media: tuple[str, ...], row: Mapping[str, Any], where: str, id: str
    ) -> Item:
        question, options = split_options(_HEAD.sub("", _MARK.sub("", asked), count=1).strip())
        question = _TAIL.sub("", question).strip()
        answer = _SAYS.sub("", said.strip()).strip()
        if self.yes_no and answer.rstrip(".").capitalize() in _YES_NO:
            options, answer = lettered(_YES_NO), answer.rstrip(".").capitalize()
        if options:
            named = named_options(answer.rstrip("."), options) or named_options(answer, options)
            if len(named) != 1:
                raise DataError(f"{where}: the answer {show(said)} is none of {len(options)} options")
            return self._made(where, id, "multiple_choice", question, named[0], media, tuple(options), row)
        if self.choices:
            return LeftOut(where, "a question without options", fault=False)
        task = self.task
        if self.numbers or task == "numerical":
            bare = answer.rstrip(".")
            if number(bare) is not None:
                task, answer = "numerical", bare
            elif task == "numerical":
                return LeftOut(where, "an answer that is no number", fault=False)
        return self._made(where, id, task, self.asked or question, answer, media, (), row)

    def _made(
        self,
        where: str,
        id: str,
        task: str,
        question: str,
        answer: str,
        media: tuple[str, ...],
        options: tuple[str, ...],
        row: Mapping[str, Any],
    ) -> Item:
        if not question or not answer:
            return LeftOut(where, "a round without question or answer", fault=False)
        clip = row.get("video") or row.get("videos")
        return make(
            where, id=id, task=task, modality="video" if clip else "image", question=question, truth=answer,
            options=options, media=media, source=self.name,
        )  # fmt: skip


def _rounds(row: Mapping[str, Any], where: str) -> list[Round]:
    """The rounds of a row in whichever layout it has. Raises DataError for none and for half of one."""
    if row.get("texts") is not None:
        turns = as_list(row["texts"], f"{where}, texts")
        return _bounded([(text_of(turn, "user", where), text_of(turn, "assistant", where)) for turn in turns], where)
    if row.get("conversations") is not None:
        return _paired(row["conversations"], "from", "value", where)
    return _paired(get(row, "messages", where), "role", "content", where)


def _paired(found: Any, who: str, what: str, where: str) -> list[Round]:
    said = [
        (str(get(turn, who, where)), _text(get(turn, what, where), where))
        for turn in as_list(found, f"{where}, its conversation")
    ]
    said = [(name, text) for name, text in said if name != "system"]
    pairs = list(zip(said[::2], said[1::2]))
    if any(first[0] not in ("human", "user") or second[0] not in ("gpt", "assistant") for first, second in pairs):
        raise DataError(f"{where}: its conversation does not go from question to answer")
    return _bounded([(question, answer) for (_, question), (_, answer) in pairs], where)


def _text(content: Any, where: str) -> str:
    """A message's text, which may stand in parts."""
    if isinstance(content, str):
        return content
    parts = as_list(content, f"{where}, a message")
    return "".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))


def _bounded(rounds: Sequence[Round], where: str) -> list[Round]:
    if not 0 < len(rounds) <= MAX_ROUNDS:
        raise DataError(f"{where}: {len(rounds)} rounds of question and answer; expected 1 to {MAX_ROUNDS:,}")
    return list(rounds)
