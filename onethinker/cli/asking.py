"""What `onethinker ask` does once it knows what is asked: answers said aloud, printed, drawn, written row by row."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from onethinker.inference import AUTO, Model, Question, Result, check_drawing, given
from onethinker.inference.rows import Answers, Row, answer_rows, row_key
from onethinker.media import MediaError
from onethinker.sample import DataError
from onethinker.sample.answer import Status
from onethinker.tasks import get_task
from onethinker.tools.engine import ToolEngine
from onethinker.util.fetch import FetchError, check_host, fetch, is_address
from onethinker.util.interrupt import kept
from onethinker.util.progress import bar
from onethinker.util.runs import check_writable
from onethinker.util.served import say
from onethinker.util.terminal import printable

_LETTER = re.compile(r"\s*\(?([A-Za-z])[.):]\s")
"""At the beginning of an option: "A. red", "(B) green"."""


def check_question(media: Sequence[str | Path], task: str, draw: Path | None = None, hosts: Sequence[str] = ()) -> None:
    """What can be known to be wrong before a model is loaded: raises TaskError, MediaError, FetchError."""
    if task not in ("", AUTO):
        get_task(task)
    for medium in map(str, media):
        if is_address(medium):
            check_host(medium, hosts)
        elif not Path(medium).exists():
            raise MediaError(f"{medium}: no such file")
        elif Path(medium).is_dir():
            raise MediaError(f"{medium}: a folder; expected it alone with its question, or files")
    if draw and not (media and is_address(str(media[0]))):
        check_drawing(draw, media)


def check_words(words: str, task: str, options: Sequence[str]) -> None:
    """Raises DataError for a question that says nothing, unless it is for a description, and for options of which two
    have one letter."""
    if not words.strip() and task != "caption":
        raise DataError("an empty question; ask something, or --task caption for a description")
    letters = Counter(found[1].upper() for option in options if (found := _LETTER.match(option)))
    if doubled := [letter for letter, times in letters.items() if times > 1]:
        raise DataError(f"--option: two options are lettered {doubled[0]}; letter each otherwise, or none of them")


def check_places(draw: Path | None, crops: Path | None, turns: Path | None) -> None:
    """Raises RunError where what is to be written beside an answer cannot be."""
    for flag, folder in {"--draw": draw, "--save-crops": crops, "--save-turns": turns}.items():
        if folder:
            check_writable(folder.parent if folder.suffix and flag == "--draw" else folder, flag)


def local_files(media: Sequence[str], hosts: Sequence[str], folder: Path) -> list[str]:
    """The media as files: those at an address are fetched into `folder`. Raises FetchError."""
    files = []
    for number, medium in enumerate(media):
        if is_address(medium):
            (folder / str(number)).mkdir()
            medium = str(fetch(medium, hosts, folder / str(number)))
        files.append(medium)
    return files


def answer_one(
    model: Model,
    question: Question,
    as_json: bool,
    draw: Path | None,
    crops: Path | None,
    turns: Path | None = None,
) -> Result:
    """Ask, print and write; of a task that the words decided, that is said first."""
    sample = question.sample(given(question.media), "")
    if why := sample.meta.get("inferred"):
        say(f"asked as {sample.task} ({why}); --task TASK asks otherwise")
    if as_json:
        result = model.answer(question)
        print(json.dumps(result.record() | _written(result, draw, crops, turns), ensure_ascii=True))
        return result
    aloud = Aloud()
    if model.samples == 1 and not isinstance(model.engine, ToolEngine):
        result = model.answer(question, aloud.hear)
    else:  # which answer it is, or what came before it, is known at its end
        result = model.answer(question)
        _print_turns(result)
        aloud.hear(result.response)
    aloud.end()
    _print_rest(result, _written(result, draw, crops, turns))
    return result


def answer_many(
    model: Model,
    rows: Sequence[Row],
    out: Path | None,
    draw: Path | None,
    crops: Path | None,
    hosts: Sequence[str] = (),
    turns: Path | None = None,
) -> int:
    """Answer each row: its record is a line of `out`, or of the terminal. The exit status, 1 if any is not in form.
    hosts: those whose addresses rows may name, fetched before the model is asked."""
    keys = {row.id: row_key(model, row) for row in rows}
    answers = Answers(out, keys) if out else None
    left = [row for row in rows if not answers or row.id not in answers.lines]
    counts = Counter[str]()

    def take(row: Row, result: Result) -> None:
        counts[result.status.value] += 1
        stem = _stem(row.id)
        drawing = draw / f"{stem}.{'mp4' if result.of_clip else 'png'}" if draw else None
        written = _written(result, drawing, crops / stem if crops else None, turns / stem if turns else None)
        record = {"id": row.id} | result.record() | written
        if answers:
            answers.add(row.id, record)
        else:
            print(json.dumps(record, ensure_ascii=True), flush=True)
        advance(note=_not_ok(counts))

    with (
        kept(lambda: _going_on(answers)),
        tempfile.TemporaryDirectory(prefix="onethinker-") as folder,
        bar("ask", len(rows), len(rows) - len(left)) as advance,
    ):
        answer_rows(model, [_fetched(row, hosts, Path(folder) / str(n)) for n, row in enumerate(left)], take)
    if answers:
        answers.finish()
        counts = Counter(json.loads(line)["status"] for line in answers.lines.values())
        said = ", ".join(filter(None, (f"{counts.total()} questions", _not_ok(counts))))
        print(f"{said} → {out}", file=sys.stderr)
    return 1 if counts.total() > counts[Status.OK.value] else 0


def _not_ok(counts: Mapping[str, int]) -> str:
    """How many answers are not in form, and how many questions could not be answered."""
    errors = counts.get(Status.ERROR.value, 0)
    unread = sum(counts.values()) - counts.get(Status.OK.value, 0) - errors
    return ", ".join([f"{unread} not in form"] * bool(unread) + [f"{errors} not answered"] * bool(errors))


def _fetched(row: Row, hosts: Sequence[str], folder: Path) -> Row:
    """The row with its addresses' files; one that cannot be had is the row's fault alone."""
    media = row.question.media
    if row.problem or not isinstance(media, list) or not any(is_address(str(medium)) for medium in media):
        return row
    try:
        folder.mkdir()
        return replace(row, question=replace(row.question, media=local_files(list(map(str, media)), hosts, folder)))
    except FetchError as error:
        return replace(row, problem=str(error))


def _going_on(answers: Answers | None) -> str:
    if answers is None:
        return "interrupted; --out FILE keeps what is answered"
    return f"interrupted; {len(answers.lines)} answers are in {answers.file}, the same command goes on from there"


def _stem(id: str) -> str:
    """What the files of a row are called."""
    return re.sub(r"[^\w.-]", "_", id, flags=re.ASCII)[:80].lstrip(".") or "row"


def _print_turns(result: Result) -> None:
    """Each tool call, and what came back; how far other answers agree, where several were sampled."""
    console = Console(highlight=False)
    for turn in result.turns:
        console.print(Text(printable(turn.text), style="dim"), soft_wrap=True)
        said = Text(f"→ {printable(turn.row()['response'])}", style="yellow" if turn.failed else "cyan")
        console.print(said, soft_wrap=True)
    if result.agreement is not None:
        console.print(Text(f"agreement of the sampled answers: {result.agreement:.2f}", style="dim"))


# ---- what reaches the terminal and the disk ---------------------------------------------------------------------


class Aloud:
    """A response as it comes, the thinking dim, the answer bold, without its tags. Model text is printed as text only:
    no markup of it counts and no control character reaches the terminal."""

    _TAGS = ("<think>", "</think>", "<answer>", "</answer>")

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self._rest, self._style, self._space, self._begun = "", "dim", "", False

    def hear(self, piece: str) -> None:
        """The next piece of the response."""
        self._rest += piece
        while self._rest:
            plain, mark, tail = self._rest.partition("<")
            self._say(plain)
            self._rest = mark + tail
            tag = next((tag for tag in self._TAGS if self._rest.startswith(tag)), None)
            if tag:
                self._rest = self._rest.removeprefix(tag)
                self._turn("bold" if tag == "<answer>" else "dim")
            elif any(tag.startswith(self._rest) for tag in self._TAGS):
                return  # perhaps a tag, or nothing is left
            else:
                self._say("<")
                self._rest = self._rest[1:]

    def end(self) -> None:
        """The response is whole."""
        self._say(self._rest)
        self._turn("dim")

    def _say(self, text: str) -> None:
        """Print at once but for white space at the end, which is held back: what follows may be nothing."""
        text = self._space + text if self._begun else text.lstrip()
        kept = text.rstrip()
        self._space = text[len(kept) :]
        if kept:
            self._begun = True
            self.console.print(Text(printable(kept), style=self._style), end="", soft_wrap=True)
            self.console.file.flush()

    def _turn(self, style: str) -> None:
        if self._begun:
            self.console.print()
        self._style, self._space, self._begun = style, "", False


def _print_rest(result: Result, written: Mapping[str, str | list[str]]) -> None:
    console = Console(highlight=False)
    if not result.ok:
        reason = f": {printable(result.problem)}" if result.problem else ""
        console.print(Text(f"({result.status.value}{reason})", style="yellow"))
    for found in written.values():
        for file in found if isinstance(found, list) else [found]:
            console.print(Text(file), soft_wrap=True)


def _written(
    result: Result, draw: Path | None, crops: Path | None, turns: Path | None = None
) -> dict[str, str | list[str]]:
    """Write the drawing, the crops and the turns as far as asked for; where they are. Nothing of a question that was
    not answered, such as one whose medium cannot be read."""
    made: dict[str, str | list[str]] = {}
    if result.status is Status.ERROR:
        return made
    if draw and result.media:
        made["drawing"] = str(result.save(draw))
    if crops and result.media:
        made["crops"] = [str(file) for file in result.save_crop(crops)]
    if turns:
        made["pictures"] = [str(file) for file in result.save_turns(turns)]
        made["transcript"] = str(turns / "transcript.png")
    return made
