"""Instruction following: a text that keeps to instructions that can be checked, such as its length or its words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any, ClassVar

from onethinker.measure import instructions
from onethinker.measure import text as measure
from onethinker.sample import DataError, Sample
from onethinker.tasks.asking import Ask, Scene, listed, name, quarter, words
from onethinker.tasks.base import ANY_MODALITY, Malformed, Measured, MetricProfile, Score, Task, Terms, make_templates
from onethinker.tasks.drawing import TRUTH, Picture
from onethinker.tasks.reading import read_object, read_text

MAX_INSTRUCTIONS = 64


@dataclass(frozen=True, slots=True)
class Instructions:
    """asked: name and arguments of each. reference: a text that says what is there, empty where none is given."""

    asked: tuple[tuple[str, dict[str, Any]], ...]
    reference: str = ""


def describe_so(rng: Random, scene: Scene) -> Ask:
    """Describe the picture in 2 bullet points, without commas → a description that keeps to that."""
    bullets, brief = rng.random() < 0.4, rng.random() < 0.4
    rule = rng.choice(("", "commas", "sizes", "end", "" if bullets else "quotes"))
    spare, gap = rng.randint(0, 2), "\n" if bullets else " "

    def write(seen: Scene) -> str:
        parts = [_part(thing, seen, brief, sizes=rule != "sizes") for thing in seen.things]
        if bullets:
            text = "\n".join(f"* {part}" for part in parts)
        else:
            text = (" and ".join(parts) if rule == "commas" else listed(parts)) + "."
            text = text[0].upper() + text[1:]
        return {"quotes": f'"{text}"', "end": f"{text}{gap}{END}"}.get(rule, text)

    count = len(write(scene).replace('"', " ").replace("*", " ").split())
    asked: list[tuple[str, dict[str, Any]]] = []
    said = "Describe the picture"
    if bullets:
        asked.append(("detectable_format:number_bullet_lists", {"num_bullets": len(scene.things)}))
        said += f" in {len(scene.things)} bullet points"
    if brief or not (bullets or rule):
        limit = count + 1 + spare if brief else count - spare
        asked.append(
            ("length_constraints:number_words", {"relation": "less than" if brief else "at least", "num_words": limit})
        )
        said += f"{',' * bullets} in {'less than' if brief else 'at least'} {limit} words"
    if rule:
        clause, instruction, arguments = _RULES[rule]
        asked.append((instruction, arguments))
        said += clause

    def solve(seen: Scene) -> tuple[str, str]:
        return "", write(seen)

    return Ask("describe_so", f"{said}.", solve, truth=lambda scene: truth_of(asked, write(scene)))


END = "That is all."
_RULES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "commas": (", without commas", "punctuation:no_comma", {}),
    "sizes": (", without the words big and small", "keywords:forbidden_words", {"forbidden_words": ["big", "small"]}),
    "quotes": (", in double quotes", "startend:quotation", {}),
    "end": (f", and end with: {END[:-1]}", "startend:end_checker", {"end_phrase": END}),
}
"""Rule → its clause in the question, its instruction and arguments."""


def _part(thing: Any, scene: Scene, brief: bool, *, sizes: bool) -> str:
    """`a big red circle at the top left`, `a red circle`. brief: its name alone."""
    bare = words(thing) if sizes and not brief else name(thing)
    return f"a {bare}" if brief else f"a {bare} at the {quarter(thing.box, scene.side)}"


class InstructionFollowing(Task[Any]):
    """An answer is a text, the truth is JSON: `instruction_id_list` and `kwargs` as IFEval's rows have them, and
    optionally `reference`, a text that keeps to them all.

    Accuracy is the share of instructions that are followed. They can be kept by a text about nothing, so `hardened`
    pays that share times the words shared with the reference (F of ROUGE-1), where there is one. Metrics are IFEval's:
    the share of questions with every instruction followed, and of instructions, both strict and loose.
    """

    name = "instruction_following"
    title = "Instruction following"
    modalities = ANY_MODALITY
    example = "A dog runs. A cat sleeps."
    nothing = ""
    group = "Instructions"
    released = False
    scenes = ("still",)
    asks: ClassVar = {"still": (describe_so,)}
    example_truth = (
        '{"instruction_id_list": ["detectable_format:json_format", "keywords:existence", '
        '"length_constraints:number_words"], '
        '"kwargs": [{}, {"keywords": ["keywords"]}, {"relation": "at least", "num_words": 5}]}'
    )
    templates = make_templates("follow: {question}", "The answer is a text that keeps to all that is asked.", "TEXT")

    def parse(self, text: str, sample: Sample, *, lenient: bool = False) -> str:
        return read_text(text)

    def truth(self, sample: Sample) -> Instructions:
        """The instructions. Raises DataError."""
        try:
            return _instructions(sample.truth)
        except (Malformed, ValueError) as error:
            raise DataError(
                f"sample {sample.id} ({self.name}): its truth is not instructions as IFEval's rows have them "
                f"(instruction_id_list and kwargs): {error}"
            ) from error

    def best(self, sample: Sample) -> str | None:
        """The reference: the truth is no answer."""
        return self.truth(sample).reference or None

    def measure(self, pred: Sequence[str], true: Sequence[Instructions], samples: Sequence[Sample]) -> Measured:
        strict, loose = (
            [sum(follows(said, *one) for one in wanted.asked) for said, wanted in zip(pred, true, strict=True)]
            for follows in (instructions.follows, instructions.follows_loosely)
        )
        of = [len(wanted.asked) for wanted in true]
        share, loosely = ([kept / n for kept, n in zip(counts, of)] for counts in (strict, loose))
        content = [measure.rouge(t.reference, said)[0] if t.reference else 1.0 for said, t in zip(pred, true)]
        return Measured(
            share,
            {"followed": share, "loosely": loosely, "content": content},
            {"asked": of, "strict": strict, "loose": loose},
            hardened=[kept * like for kept, like in zip(share, content)],
        )

    def terms(self, score: Score, profile: MetricProfile) -> Terms:
        found = score.evidence
        asked = found.get("asked", 1)
        strict, loose = found.get("strict", 0), found.get("loose", 0)
        return {
            "prompt strict": (float(strict == asked), 1.0),
            "instruction strict": (strict, asked),
            "prompt loose": (float(loose == asked), 1.0),
            "instruction loose": (loose, asked),
        }

    def paint(self, picture: Picture, value: Any, colour: str, sample: Sample) -> None:
        """The instructions, then the answer with which of them it keeps."""
        if colour == TRUTH:
            for one in value.asked:
                picture.note(f"asked: {_told(*one)}", colour)
            return
        picture.note(f"answer: {value}", colour)
        if sample.truth:
            for one in self.truth(sample).asked:
                picture.note(f"{'✓' if instructions.follows(value, *one) else '✗'} {_told(*one)}", colour)


def _told(instruction: str, arguments: dict[str, Any]) -> str:
    """`number words: at least 20`."""
    values = " ".join(", ".join(map(str, v)) if isinstance(v, list) else str(v) for v in arguments.values())
    return f"{instruction.partition(':')[2].replace('_', ' ')}{f': {values}' if values else ''}"


@lru_cache(maxsize=2048)
def _instructions(truth: str) -> Instructions:
    """Remembered, since a question is answered several times. Raises Malformed or ValueError."""
    found = read_object(truth)
    names, given, reference = found.get("instruction_id_list"), found.get("kwargs"), found.get("reference", "")
    if not isinstance(names, list) or not isinstance(given, list) or not 0 < len(names) <= MAX_INSTRUCTIONS:
        raise ValueError(f"expected a list of 1 to {MAX_INSTRUCTIONS} instructions and one of their arguments")
    if len(names) != len(given) or not all(isinstance(one, dict) for one in given) or not isinstance(reference, str):
        raise ValueError(f"expected as many objects of arguments as instructions, found {len(given)} of {len(names)}")
    asked = tuple((one, {k: v for k, v in kwargs.items() if v is not None}) for one, kwargs in zip(names, given))
    for one, kwargs in asked:
        instructions.checked(one, kwargs)
    return Instructions(asked, reference)


def truth_of(asked: Sequence[tuple[str, dict[str, Any]]], reference: str = "") -> str:
    """The truth's JSON of instructions."""
    made: dict[str, Any] = {"instruction_id_list": [one for one, _ in asked], "kwargs": [dict(a) for _, a in asked]}
    return json.dumps(made | ({"reference": reference} if reference else {}))
