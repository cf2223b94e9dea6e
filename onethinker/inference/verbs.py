"""The verbs of a model: what one wants to know, of media given as path, bytes, PIL picture, NumPy array or frames.

Every verb takes one medium and gives one `Result`, or takes a list and gives an iterator of results as they come, each
with its `index` in the list. An entry of the list is a medium, or a pair of a medium and words of its own. With `fps` a
list of frames, or an array (T, H, W, 3), is one clip instead.

What cannot be asked raises: MediaError for media that are missing, damaged or of a kind that the verb does not take,
EngineError where the model cannot answer; in a list it is a result with status `error`. An answer that is not in form
raises nothing: `Result.status` and `Result.problem` say so.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias, overload

from onethinker.inference.given import Media
from onethinker.inference.question import Question
from onethinker.inference.result import Result
from onethinker.media import MediaError

Batch: TypeAlias = list[Any]
"""Media, or pairs of a medium and its own words."""
Answers: TypeAlias = Iterator[Result]
FirstBox: TypeAlias = Sequence[float]
"""x1, y1, x2, y2, 0–1000 of width and height."""


class Verbs:
    """What a model is asked, by name; `ask` with a task is the general form of all."""

    @abstractmethod
    def answer(self, question: Question) -> Result: ...

    @abstractmethod
    def answer_many(self, questions: Iterable[Question]) -> Iterator[Result]: ...

    # ---- in words -----------------------------------------------------------------------------------------------

    @overload
    def query(self, media: Batch, question: None = None, *, options: Sequence[str] = ...) -> Answers: ...
    @overload
    def query(
        self, media: Media, question: str, *, options: Sequence[str] = ..., fps: float | None = ...
    ) -> Result: ...
    def query(
        self, media: Any, question: str | None = None, *, options: Sequence[str] = (), fps: float | None = None
    ) -> Result | Answers:
        """Answer a question in words, or with `options`, such as "A. red", by the letter of one: `Result.text`.

        media: one medium, several of the one question, or None; or, without `question`, a list of pairs (media,
        question), which are answered as a batch.
        """
        if question is None:
            return self.answer_many([Question(one, words, options=options) for one, words in _pairs(media, None)])
        return self.answer(Question(media, question, options=options, fps=fps))

    @overload
    def caption(self, media: Batch, question: str = ..., *, fps: None = None) -> Answers: ...
    @overload
    def caption(self, media: Media, question: str = ..., *, fps: float | None = ...) -> Result: ...
    def caption(self, media: Any, question: str = "", *, fps: float | None = None) -> Result | Answers:
        """Describe a picture, or what happens in a clip: `Result.text`. question: what to describe of it."""
        return self._ask(media, question, fps, lambda one, words: Question(one, words, "caption", fps=fps))

    @overload
    def ocr(self, media: Batch, question: str = ..., *, fps: None = None) -> Answers: ...
    @overload
    def ocr(self, media: Media, question: str = ..., *, fps: float | None = ...) -> Result: ...
    def ocr(self, media: Any, question: str = "What does the text say?", *, fps: float | None = None) -> Any:
        """Read the text in a picture or clip: `Result.text`. question: which text, unless all of it."""
        return self._ask(media, question, fps, lambda one, words: Question(one, words, "ocr", fps=fps))

    # ---- where --------------------------------------------------------------------------------------------------

    @overload
    def detect(self, media: Batch, classes: str | Sequence[str] = ...) -> Answers: ...
    @overload
    def detect(self, media: Media, classes: str | Sequence[str]) -> Result: ...
    def detect(self, media: Any, classes: str | Sequence[str] | None = None) -> Result | Answers:
        """Find all instances of a phrase or of each of several classes in a picture: `Result.boxes`, with labels."""
        return self._ask(media, classes, None, lambda one, words: Question(one, _listed(words), "detection"))

    @overload
    def point(self, media: Batch, phrase: str | None = ...) -> Answers: ...
    @overload
    def point(self, media: Media, phrase: str) -> Result: ...
    def point(self, media: Any, phrase: str | None = None) -> Result | Answers:
        """Point at all instances of a phrase in a picture, or at where to click on a screen: `Result.points`."""
        return self._ask(media, phrase, None, lambda one, words: Question(one, words, "pointing", phrase=words))

    @overload
    def ground(self, media: Batch, phrase: str | None = ...) -> Answers: ...
    @overload
    def ground(self, media: Media, phrase: str) -> Result: ...
    def ground(self, media: Any, phrase: str | None = None) -> Result | Answers:
        """The one box of what a phrase names in a picture: `Result.boxes` of length 1."""
        return self._ask(
            media, phrase, None, lambda one, words: Question(one, words, "spatial_grounding", phrase=words)
        )

    @overload
    def segment(self, media: Batch, phrase: str | None = ..., *, fps: None = None) -> Answers: ...
    @overload
    def segment(self, media: Media, phrase: str, *, fps: float | None = ...) -> Result: ...
    def segment(self, media: Any, phrase: str | None = None, *, fps: float | None = None) -> Result | Answers:
        """Cut out what a phrase names in a picture or through a clip: `Result.masks`, made by the model's segmenter of
        the answer's box and points (`Result.boxes`, `Result.points`)."""

        def make(one: Media, words: str) -> Question:
            return Question(one, f"Please segment {words}.", "segmentation", fps=fps, phrase=words)

        return self._ask(media, phrase, fps, make)

    # ---- when ---------------------------------------------------------------------------------------------------

    @overload
    def ground_time(self, media: Batch, phrase: str | None = ..., *, fps: None = None) -> Answers: ...
    @overload
    def ground_time(self, media: Media, phrase: str, *, fps: float | None = ...) -> Result: ...
    def ground_time(self, media: Any, phrase: str | None = None, *, fps: float | None = None) -> Result | Answers:
        """When something happens in a clip, such as "the man sits down": `Result.span` in seconds."""
        return self._ask(
            media, phrase, fps, lambda one, words: Question(one, words, "temporal_grounding", fps=fps, phrase=words)
        )

    @overload
    def ground_tube(self, media: Batch, phrase: str | None = ..., *, fps: None = None) -> Answers: ...
    @overload
    def ground_tube(self, media: Media, phrase: str, *, fps: float | None = ...) -> Result: ...
    def ground_tube(self, media: Any, phrase: str | None = None, *, fps: float | None = None) -> Result | Answers:
        """When something happens in a clip and where: `Result.span`, and `Result.boxes`, one a whole second of it."""

        def make(one: Media, words: str) -> Question:
            return Question(one, words, "spatial_temporal_grounding", fps=fps, phrase=words)

        return self._ask(media, phrase, fps, make)

    @overload
    def track(self, media: Batch, box: FirstBox | None = ..., *, label: str = ..., fps: None = None) -> Answers: ...
    @overload
    def track(self, media: Media, box: FirstBox, *, label: str = ..., fps: float | None = ...) -> Result: ...
    def track(
        self, media: Any, box: FirstBox | None = None, *, label: str = "", fps: float | None = None
    ) -> Result | Answers:
        """Follow through a clip what is in `box` in its first frame: `Result.boxes`, one a second. box: 0–1000 of width
        and height. label: what to call it."""

        def make(one: Media, first: FirstBox) -> Question:
            return Question(one, _tracking(first), "tracking", fps=fps, phrase=label)

        return self._ask(media, box, fps, make)

    def _ask(
        self, media: Any, words: Any, fps: float | None, make: Callable[[Any, Any], Question]
    ) -> Result | Iterator[Result]:
        """One result, or those of a list's entries as they come."""
        if isinstance(media, list) and fps is None:
            return self.answer_many([make(one, own) for one, own in _pairs(media, words)])
        if words is None:
            raise MediaError("expected what to look for, such as model.ground(photo, 'the red circle')")
        return self.answer(make(media, words))


def _pairs(media: Any, words: Any) -> list[tuple[Any, Any]]:
    """Each entry of a batch with its own words, or with those of all. Raises MediaError for one without."""
    if not isinstance(media, list):
        raise MediaError("expected a question, or a list of pairs (media, question)")
    pairs = [entry if isinstance(entry, tuple) and len(entry) == 2 else (entry, words) for entry in media]
    if missing := [n for n, (_, own) in enumerate(pairs) if own is None]:
        raise MediaError(f"entry {missing[0]} of the list has no words of its own; expected pairs (medium, words)")
    return pairs


def _listed(classes: str | Sequence[str]) -> str:
    return classes if isinstance(classes, str) else ", ".join(classes)


def _tracking(box: FirstBox) -> str:
    """The question as it is published, with the box as whole numbers. Raises MediaError for what is no box."""
    numbers = list(box)
    if len(numbers) != 4 or not all(isinstance(n, int | float) and 0 <= n <= 1000 for n in numbers):
        raise MediaError(f"box {numbers!r:.80}: expected [x1, y1, x2, y2], each 0 to 1000 of width or height")
    first = [round(n) for n in numbers]
    return f"Given the bounding box {first} of the target object in the first frame, track this object in each frame."
