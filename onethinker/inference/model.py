"""A model ready for questions: `load_model` → one question or many, each with its media → results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path

from msgspec import structs
from PIL import Image

from onethinker.engines.base import Completion, Engine, EngineError, Request, Sampling, answer_aloud
from onethinker.inference.given import Given, Media, given
from onethinker.inference.question import Question
from onethinker.inference.result import Result
from onethinker.inference.verbs import Verbs
from onethinker.media import MediaBudget, MediaError, open_clip, open_image, probe
from onethinker.models.shipped import shipped
from onethinker.recipes import SHIPPED
from onethinker.recipes.answering import AskedAs, answering_engine, asked_as, flag_overrides, tool_overrides
from onethinker.recipes.tools import recipe_prompts
from onethinker.sample import DataError, Sample
from onethinker.sample.answer import read_answer
from onethinker.scoring.consensus import consensus
from onethinker.segment import Segmenter, known_segmenter, make_segmenter
from onethinker.segment.answers import parts_of
from onethinker.tasks import TASKS, TaskError, get_task
from onethinker.tasks.prompts import PromptSet
from onethinker.util.served import say
from onethinker.util.uncollected import uncollected

DEFAULT_MODEL = "mini-rl"


@dataclass(frozen=True)
class Model(Verbs):
    """A model ready for questions. prompts: the words around a question; budget: how large media may become.
    knows_only_worlds: trained on nothing but drawn worlds, so that it says so of any other picture. segmenter: makes
    masks of a segmentation's answers, as `make_segmenter` names them. samples: answers to a question, of which the
    result is the one that the others agree with most; one greedy answer if 1."""

    engine: Engine
    prompts: PromptSet
    budget: MediaBudget
    max_tokens: int
    knows_only_worlds: bool = False
    segmenter: str = "grabcut"
    samples: int = 1
    _segmenter: Callable[[], Segmenter] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"samples is {self.samples}; expected 1 or more answers to a question")
        known_segmenter(self.segmenter)
        object.__setattr__(self, "_segmenter", cache(partial(make_segmenter, self.segmenter)))

    def ask(
        self,
        media: Media,
        question: str,
        *,
        task: str = "",
        options: Sequence[str] = (),
        fps: float | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> Result:
        """Ask about images or a clip, or about nothing but the words (media None). task: one of `list_tasks()`, or
        `auto` to go by the question's words; multiple choice if there are options, else open-ended. fps: `media` are
        the frames of one clip, so many a second. on_text: as of `answer`.

        Raises EngineError when the model could not be asked at all (a damaged picture, for one), MediaError for a file
        that is not there and for an array that is no picture.
        """
        return self.answer(Question(media, question, task, options, fps), on_text)

    def answer(self, question: Question, on_text: Callable[[str], None] | None = None) -> Result:
        """The result of one question. on_text: is told the response in pieces, as it is written. Raises as `ask`."""
        media = given(question.media, question.fps)
        sample = question.sample(media, "ask")
        requests = [self._request(sample, media)]
        if on_text:
            said = answer_aloud(self.engine, requests, self._sampling, lambda _, piece: on_text(piece))
        else:
            said = self.engine.answer(requests, self._sampling)
        ((_, completions),) = said
        if all(completion.finish == "error" for completion in completions):
            raise EngineError(completions[0].error)
        return self._agreed(sample, media, completions)

    def answer_many(self, questions: Iterable[Question]) -> Iterator[Result]:
        """The results as they come, in any order; `index` is a question's place. What cannot be asked, its media
        unreadable for one, is a result with status `error` and costs no other. Raises EngineError where the engine
        itself cannot go on."""
        asked, requests = dict[int, tuple[Sample, Given]](), list[Request]()
        for index, question in enumerate(questions):
            try:
                media = given(question.media, question.fps)
                sample = question.sample(media, str(index))
                requests.append(self._request(sample, media))
            except (MediaError, DataError, TaskError, OSError) as error:
                problem = str(error.args[0]) if isinstance(error, KeyError) else str(error)
                yield replace(self.failed(question, problem), index=index)
            else:
                asked[index] = sample, media
        places = list(asked)
        for place, completions in self.engine.answer(requests, self._sampling):
            yield replace(self._agreed(*asked.pop(places[place]), completions), index=places[place])

    @property
    def _sampling(self) -> Sampling:
        if self.samples == 1:
            return Sampling(max_tokens=self.max_tokens)
        return Sampling(n=self.samples, temperature=1.0, max_tokens=self.max_tokens)

    def _request(self, sample: Sample, media: Given) -> Request:
        if self.knows_only_worlds:
            _doubt(media)
        text = get_task(sample.task).prompt(sample, self.prompts)
        return Request(sample.id, text, media.files, self.budget, self.prompts.system)

    def failed(self, question: Question, problem: str) -> Result:
        """The result of a question that could not be asked: its status is `error`."""
        nothing, unknown = given(None), replace(question, task="" if question.task not in TASKS else question.task)
        return self._result(unknown.sample(nothing, ""), nothing, Completion("", "error", error=problem))

    def _agreed(self, sample: Sample, media: Given, completions: Sequence[Completion]) -> Result:
        """The result of the answer that the others agree with most, and how far they do; errors are no answers."""
        if len(completions) == 1:
            return self._result(sample, media, completions[0])
        completions = [c for c in completions if c.finish != "error"] or completions[:1]
        answers = [read_answer(completion.text, completion.finish) for completion in completions]
        (found,) = consensus([sample], [answers])
        readings = (get_task(sample.task).read(sample, a) for i, a in enumerate(answers) if i != found.index)
        others = tuple(reading.value for reading in readings if parts_of(sample, reading.value))
        result = self._result(sample, media, completions[found.index])
        return replace(result, agreement=found.agreement, others=others)

    def _result(self, sample: Sample, media: Given, completion: Completion) -> Result:
        answer = read_answer(completion.text, completion.finish)
        reading = get_task(sample.task).read(sample, answer)
        if completion.finish == "error":
            reading = structs.replace(reading, problem=completion.error)
            media = media if _opens(media) else given(None)
        return Result(
            sample, media.files, completion.text, answer, reading, media.names, self.engine.identity,
            completion.tokens, completion.seconds, turns=completion.turns, segmenter=self._segmenter,
            folder=media.folder,
        )  # fmt: skip


def _opens(media: Given) -> bool:
    """Whether size and length of every medium can be told, as a result's record does."""
    try:
        return all(map(probe, media.files))
    except MediaError:
        return False


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
    segmenter: str = "grabcut",
    tools: str | Sequence[str] = (),
    knowledge: str | Path = "",
    embedding: str | Path = "",
    samples: int = 1,
) -> Model:
    """A shipped name, a folder, a hub id or `http://…/v1`, ready to `ask`.

    A model trained here is asked with its own recipe's prompts and media sizes, one that a server serves from a folder
    that is here too, any other with the published ones. like: a recipe or a checkpoint whose settings are taken
    instead. overrides: `key=value` of that recipe, as `--set` takes them; prompts, device, dtype and attention are
    short for four of them. segmenter: who makes masks, `grabcut` or `sam2[:FOLDER]`.
    tools: what the model may call while it thinks, of `zoom`, `look` and `search`, which looks in `knowledge`, a folder
    of text, by BM25 or with `embedding`, an embedding model's folder or hub id. samples: answers to each question, of
    which the one is taken that the others agree with most.

    Raises ModelError, RecipeError, EngineError, ToolError, SegmenterError, each saying what to do.
    """
    known_segmenter(segmenter)
    flags = {"prompts": prompts, "device": device, "dtype": dtype, "attention": attention}
    asked = asked_as(name, like)
    recipe = asked.overridden([*flag_overrides(flags), *tool_overrides(tools, knowledge, embedding), *overrides])
    asked.tell(recipe)
    with uncollected():
        made = answering_engine(recipe, engine)
    evaluated = recipe.evaluate
    return Model(
        made, recipe_prompts(recipe), evaluated.budget, evaluated.max_tokens, _knows_only_worlds(name, asked),
        segmenter, samples,
    )  # fmt: skip


def ask(media: Media, question: str, *, task: str = "", options: Sequence[str] = (),
        model: str | Model = DEFAULT_MODEL) -> Result:  # fmt: skip
    """One question to one model; for several questions keep what `load_model` returns."""
    loaded = load_model(model) if isinstance(model, str) else model
    return loaded.ask(media, question, task=task, options=options)


def _knows_only_worlds(name: str, asked: AskedAs) -> bool:
    """Of the weights that come with the package, and of a mini model whose recipe names no data but a world's."""
    if name in shipped():
        return True
    trained_on = asked.recipe.data.train
    of_a_world = not trained_on or (Path(trained_on).parent / "world.json").is_file()
    return asked.trained and asked.recipe.name == SHIPPED["mini"].name and of_a_world


def _doubt(media: Given) -> None:
    """Say once where a picture or clip is none of a world's. What cannot be read is the engine's to report."""
    if _say_only_worlds.cache_info().currsize:
        return  # said already: nothing is opened for it again
    from onethinker.data.worlds.recognise import may_be_of_a_world

    for file, clip in zip(media.files, media.clips, strict=True):
        try:
            picture = (
                Image.fromarray(open_clip(file, MediaBudget(max_frames=1)).frames[0]) if clip else open_image(file)
            )
        except (MediaError, OSError):
            continue
        if not may_be_of_a_world(picture):
            return _say_only_worlds()


@cache
def _say_only_worlds() -> None:
    say("this mini model knows drawn shapes and words of its own world only, and guesses about any other picture")
