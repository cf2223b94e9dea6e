"""Ask a model one question: the library's short way from media and words to a parsed, drawable answer."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.text import Text

from onethinker.engines.base import Engine, EngineError, Request, Sampling
from onethinker.media import MediaBudget, MediaError, is_clip, open_clip, open_image, write_clip, write_image
from onethinker.recipes.answering import answering_engine, asked_as, flag_overrides
from onethinker.sample import Sample
from onethinker.sample.answer import Answer, Status, read_answer
from onethinker.tasks import get_task
from onethinker.tasks.base import Reading
from onethinker.tasks.prompts import PromptSet, load_prompts
from onethinker.util.terminal import printable

DEFAULT_MODEL = "mini-rl"


@dataclass(frozen=True)
class Result:
    """What came back. value: the parsed answer, None where it is not in the task's form (`problem` says why)."""

    sample: Sample
    media: tuple[Path, ...]
    response: str
    answer: Answer
    reading: Reading[Any]

    @property
    def status(self) -> Status:
        return self.reading.status

    @property
    def value(self) -> Any:
        return None if self.problem else self.reading.value

    @property
    def problem(self) -> str:
        return self.reading.problem

    def draw(self, budget: MediaBudget | None = None) -> tuple[list[Image.Image], list[float]]:
        """Frames with the answer drawn on them, and their seconds (one frame at 0.0 for an image)."""
        if not self.media:
            return [], []
        if is_clip(self.media[0]):
            clip = open_clip(self.media[0], budget or MediaBudget())
            frames, times = [Image.fromarray(f) for f in clip.frames], [float(t) for t in clip.times]
        else:
            frames, times = [open_image(self.media[0])], [0.0]
        return get_task(self.sample.task).draw(self.sample, self.answer, frames, times), times

    def save(self, path: Path) -> Path:
        """Write the drawing: a clip where the suffix is one of a clip's, else a picture of the first frame."""
        frames, times = self.draw()
        if not frames:
            raise MediaError(f"{path}: nothing to draw on, the question has no media")
        if is_clip(self.media[0]) and path.suffix.lower() == ".mp4":
            return write_clip(path, frames, times)
        if path.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
            raise MediaError(f"{path}: drawings are written as .png, .jpg or .webp, those of a clip as .mp4 too")
        return write_image(path, frames[0])

    def record(self) -> dict[str, Any]:
        """Plain JSON values. value: the parsed answer; coordinates 0–1000, times in seconds."""
        return {
            "status": self.status.value,
            "thinking": self.answer.thinking,
            "answer": self.answer.text,
            "value": _plain(self.value),
            "problem": self.problem,
        }


def print_result(result: Result, as_json: bool = False, draw: Path | None = None) -> None:
    """The thinking (dim), the answer and where the drawing is; or one JSON object. Model text is printed as text only:
    no markup of it counts and no control character reaches the terminal."""
    if as_json:
        drawing = {"drawing": str(result.save(draw))} if draw else {}
        return print(json.dumps(result.record() | drawing, ensure_ascii=True))
    console = Console(highlight=False)
    for text, style in ((result.answer.thinking, "dim"), (result.answer.text, "bold")):
        if text:
            console.print(Text(printable(text), style=style))
    if result.status is not Status.OK:
        reason = f": {printable(result.problem)}" if result.problem else ""
        console.print(Text(f"({result.status.value}{reason})", style="yellow"))
    if draw:
        console.print(Text(str(result.save(draw))), soft_wrap=True)


@dataclass(frozen=True)
class Model:
    """A model ready for questions. prompts: the words around a question; budget: how large media may become."""

    engine: Engine
    prompts: PromptSet
    budget: MediaBudget
    max_tokens: int

    def ask(
        self, media: str | Path | Sequence[str | Path], question: str, *, task: str = "", options: Sequence[str] = ()
    ) -> Result:
        """Ask about images or a clip. task: one of `list_tasks()`; multiple choice if there are options, else
        open-ended. Raises EngineError when the model could not be asked at all (unreadable media, for one)."""
        files = tuple(Path(m).resolve() for m in ([media] if isinstance(media, str | Path) else media))
        clips = [is_clip(f) for f in files]
        modality: Any = (
            "video" if clips and all(clips) else "video-image" if any(clips) else "image" if clips else "text"
        )
        sample = Sample(
            id="ask",
            task=task or ("multiple_choice" if options else "open_ended"),
            modality=modality,
            question=question,
            truth="",
            options=tuple(options),
            media=tuple(str(f) for f in files),
        )
        request = Request(
            "ask", get_task(sample.task).prompt(sample, self.prompts), files, self.budget, self.prompts.system
        )
        ((_, (completion,)),) = self.engine.answer([request], Sampling(max_tokens=self.max_tokens))
        if completion.finish == "error":
            raise EngineError(completion.error)
        answer = read_answer(completion.text, completion.finish)
        reading = get_task(sample.task).read(sample, answer)
        return Result(sample, files, completion.text, answer, reading)


def load_model(
    name: str = DEFAULT_MODEL,
    *,
    engine: str = "",
    prompts: str = "",
    device: str = "",
    dtype: str = "",
    attention: str = "",
    overrides: Sequence[str] = (),
    like: str = "",
) -> Model:
    """A shipped name, a folder, a hub id or `http://…/v1`, ready to `ask`.

    A model trained here is asked with its own recipe's prompts and media sizes, one that a server serves from a folder
    that is here too, any other with the published ones. like: a recipe or a checkpoint whose settings are taken
    instead. overrides: `key=value` of that recipe, as `--set` takes them; prompts, device, dtype and attention are
    short for four of them.
    """
    flags = {"prompts": prompts, "device": device, "dtype": dtype, "attention": attention}
    asked = asked_as(name, like)
    recipe = asked.overridden([*flag_overrides(flags), *overrides])
    asked.tell(recipe)
    made = answering_engine(recipe, engine)
    return Model(made, load_prompts(recipe.prompts), recipe.evaluate.budget, recipe.evaluate.max_tokens)


Thought, Thinker = Result, Model
"""The names of version 0.1, kept for one version."""


def ask(media: str | Path | Sequence[str | Path], question: str, *, task: str = "", options: Sequence[str] = (),
        model: str | Model = DEFAULT_MODEL) -> Result:  # fmt: skip
    """One question to one model; for several questions keep what `load_model` returns."""
    loaded = load_model(model) if isinstance(model, str) else model
    return loaded.ask(media, question, task=task, options=options)


def _plain(value: Any) -> Any:
    """A parsed answer as JSON values: dataclasses and mappings as objects, arrays and sequences as lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
