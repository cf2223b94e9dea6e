"""Rule checks of an annotator's thinking: each a function with a name that gives a reason to refuse, or none.

They need no model and no truth but where they say so, and are meant to refuse what is surely bad rather than to prove
that thinking is good. Numbers and patterns are the user's (`settings.Rules`).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from onethinker.corpus.annotate.settings import Rules
from onethinker.sample import DataError, Sample
from onethinker.sample.answer import Answer, Status
from onethinker.tasks import get_task

_WORD = re.compile(r"\w+")
_SINGLE = re.compile(r"[぀-ヿ㐀-䶿一-鿿]")
"""Characters that stand for a word by themselves."""
_SCANNED = 100_000
"""Characters of thinking that are looked at."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An answer under check. given: whether the prompt showed the truth. seconds: of its clip, None where it has none
    or that is not known."""

    sample: Sample
    answer: Answer
    given: bool = False
    seconds: float | None = None

    @property
    def thinking(self) -> str:
        return self.answer.thinking[:_SCANNED]


def words_of(text: str) -> list[str]:
    """Words in lower case, each Chinese or Japanese character by itself."""
    return _WORD.findall(_SINGLE.sub(lambda found: f" {found[0]} ", text.lower()))


def length(candidate: Candidate, rules: Rules) -> str:
    """The thinking is neither missing nor endless."""
    count = len(words_of(candidate.thinking))
    if count < rules.min_words:
        return f"{count} words, fewer than {rules.min_words}"
    return f"{count} words, more than {rules.max_words}" if count > rules.max_words else ""


def language(candidate: Candidate, rules: Rules) -> str:
    """The thinking is written in the wanted scripts or those of the question and its truth. Two languages of one script
    are not told apart."""
    sample = candidate.sample
    known = set(rules.scripts) | scripts_of(f"{sample.question} {sample.truth} {' '.join(sample.options)}").keys()
    found = scripts_of(candidate.thinking)
    total, foreign = sum(found.values()), {name: count for name, count in found.items() if name not in known}
    if total and sum(foreign.values()) > rules.foreign_share * total:
        most = max(foreign, key=lambda name: foreign[name])
        return f"{sum(foreign.values()) / total:.0%} of the letters are of other scripts, most of them {most.title()}"
    return ""


def scripts_of(text: str) -> Counter[str]:
    """How many letters are of which script."""
    found: Counter[str] = Counter()
    for character, count in Counter(text).items():
        if character.isalpha():
            found[_script(character)] += count
    return found


@lru_cache(maxsize=4096)
def _script(character: str) -> str:
    """By the first word of the character's name; Han characters and kana are one."""
    name = unicodedata.name(character, "UNKNOWN").split()[0].split("-")[0]
    return {"HIRAGANA": "CJK", "KATAKANA": "CJK", "MODIFIER": "LATIN", "MATHEMATICAL": "LATIN"}.get(name, name)


def repeats(candidate: Candidate, rules: Rules) -> str:
    """The thinking does not go in circles: few runs of words stood there before."""
    words, size = words_of(candidate.thinking), rules.repeated_words
    runs = [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]
    share = 1 - len(set(runs)) / len(runs) if runs else 0.0
    return f"{share:.0%} of the runs of {size} words are repeated" if share > rules.repeated_share else ""


def leak(candidate: Candidate, rules: Rules) -> str:
    """The thinking does not speak of a truth that it was shown; where it was, it does not begin with it either."""
    for pattern in rules.leaks:
        if found := re.search(pattern, candidate.thinking, re.IGNORECASE):
            return f"speaks of {found[0]!r}"
    if candidate.given:
        begin = re.split(r"\.\s|\n", candidate.thinking.strip(), maxsplit=1)[0]
        truth, words = " ".join(words_of(candidate.sample.truth)), " ".join(words_of(begin))
        if claim_of(begin, rules) or (len(truth) >= 3 and f" {truth} " in f" {words} "):
            return "its first sentence is the truth that it was shown"
    return ""


def refusal(candidate: Candidate, rules: Rules) -> str:
    """The model looked and answered."""
    for pattern in rules.refusals:
        if found := re.search(pattern, f"{candidate.thinking}\n{candidate.answer.text[:_SCANNED]}", re.IGNORECASE):
            return f"says {found[0]!r}"
    return ""


def own_answer(candidate: Candidate, rules: Rules) -> str:
    """Where the thinking names its answer, that is the answer: read as the task reads, measured as it measures."""
    claimed = claim_of(candidate.thinking, rules)
    sample, task = candidate.sample, get_task(candidate.sample.task)
    if not claimed or task.judged:  # words of its own choice say the same in many ways
        return ""
    said = Answer(Status.OK, "", claimed, 1)
    if task.read(sample, said, lenient=True).status is not Status.OK:
        return ""  # words about an answer, none that can be read
    try:
        score = task.score(replace(sample, truth=candidate.answer.text), said, lenient=True)
    except DataError:
        return ""
    if score.accuracy < rules.agreement:
        return f"thinks of {claimed[:60]!r} and answers {candidate.answer.text[:60]!r}"
    return ""


def claim_of(thinking: str, rules: Rules) -> str:
    """What the thinking last calls its answer, empty where it does not."""
    last, text = 0, ""
    for pattern in rules.claims:
        for found in re.finditer(pattern, thinking, re.IGNORECASE):
            if found.end() >= last:
                last, text = found.end(), thinking[found.end() : found.end() + 2000]
    text = re.split(r"\.\s|\.$|\n", text, maxsplit=1)[0]
    return re.sub(r"^\(?([A-Z])\)?(?:\s+(?:is|because|since|as)\b.*|[:,].*)?$", r"\1", text.strip().strip("*\"'` "))


_TIMES = re.compile(r"\b(\d{1,6}(?:\.\d{1,3})?)\s*(?:s|sec|secs|seconds?)\b", re.IGNORECASE)
_QUADS = re.compile(r"[\[(]\s*(-?\d{1,7}(?:\.\d+)?)((?:\s*,\s*-?\d{1,7}(?:\.\d+)?){1,3})\s*[\])]")
_ORDINALS = {"second": 2, "third": 3, "fourth": 4, "fifth": 5}
_NTH = re.compile(rf"\b({'|'.join(_ORDINALS)})\s+(?:image|picture|photo|video|clip)\b", re.IGNORECASE)
_CLIP_WORDS = re.compile(r"\b(?:this|the)\s+(?:video|clip)\b", re.IGNORECASE)


def visible(candidate: Candidate, rules: Rules) -> str:
    """The thinking names no second after the clip's end, no place outside the picture, no picture that is not there
    and, of pictures alone, no clip. What things are in a picture is not checked."""
    sample, thinking = candidate.sample, candidate.thinking
    if candidate.seconds is not None:
        late = [float(found) for found in _TIMES.findall(thinking) if float(found) > candidate.seconds + 1]
        if late:
            return f"names second {max(late):g} of a clip of {candidate.seconds:.1f}"
    if get_task(sample.task).structured:
        for first, rest in _QUADS.findall(thinking):
            numbers = [float(number) for number in [first, *rest.strip(" ,").split(",")]]
            if len(numbers) in (2, 4) and not all(0 <= number <= 1000 for number in numbers):
                return f"names {[round(number) for number in numbers]}, outside of 0 to 1000"
    for found in _NTH.findall(thinking):
        if sample.media and _ORDINALS[found.lower()] > len(sample.media):
            return f"names a {found.lower()} picture or clip of {len(sample.media)}"
    if (
        sample.modality == "image"
        and (found := _CLIP_WORDS.search(thinking))
        and not _CLIP_WORDS.search(sample.question)
    ):
        return f"names {found[0]!r} where there are only pictures"
    return ""


Check = Callable[[Candidate, Rules], str]
CHECKS: dict[str, Check] = {
    check.__name__: check for check in (length, language, repeats, leak, refusal, own_answer, visible)
}
"""By name, in the order in which they are made."""


def failed_checks(candidate: Candidate, rules: Rules) -> dict[str, str]:
    """Name → reason of every check that refuses."""
    made = {name: check(candidate, rules) for name, check in CHECKS.items() if name not in rules.skip}
    return {name: reason for name, reason in made.items() if reason}
