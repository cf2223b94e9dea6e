"""Text against text: words, ROUGE, numbers, choices, mathematics. Every function is bounded in time on any input."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any, Literal

from rapidfuzz.distance import LCSseq, Levenshtein

from onethinker.measure.choices import choice, choice_lenient
from onethinker.measure.equations import math_equal

__all__ = [
    "choice",
    "choice_lenient",
    "math_equal",
    "mra",
    "number",
    "number_lenient",
    "rouge",
    "same_number",
    "wer",
]

MAX_WORDS = 50_000
"""Words of either text that are aligned. Words beyond count as missing or surplus in WER and are not read by ROUGE."""
_MAX_CHARS = 20 * MAX_WORDS


# ---- words ------------------------------------------------------------------------------------------------------


def wer(reference: str, hypothesis: str) -> float:
    """Word error rate: least number of replaced, missing and surplus words / words of the reference; ≥ 0, may exceed 1.

    Words are what white space separates, as they stand. An empty reference gives 0 for an empty hypothesis, else 1.
    Source: the measure as jiwer computes it without normalisation.
    """
    true, said = reference.split(), hypothesis.split()
    if not true:
        return float(bool(said))
    surplus = max(len(true), MAX_WORDS) - MAX_WORDS + max(len(said), MAX_WORDS) - MAX_WORDS
    return (Levenshtein.distance(true[:MAX_WORDS], said[:MAX_WORDS]) + surplus) / len(true)


_NOT_LATIN_LETTER = re.compile(r"[^\W\d_\x00-ɏḀ-ỿ]")
_CHARACTERS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0dff"
_ANY_TOKEN = re.compile(f"[{_CHARACTERS}]|(?:[^\\W_{_CHARACTERS}]|[{_MARKS}])+")
_LATIN_TOKEN = re.compile("[a-z0-9]+")
_MAX_STEMMED = 40


def rouge(reference: str, hypothesis: str, *, tokens: Literal["any", "latin"] = "any") -> tuple[float, float, float]:
    """F of ROUGE-1, ROUGE-2 and ROUGE-L with Porter stemming, each 0 to 1.

    F = 2PR / (P + R) over shared words, shared pairs of neighbours, and the longest common subsequence. Source: Lin
    2004, equal to the rouge-score package. That package drops every letter beyond a–z: with tokens="any" a reference
    with letters of other scripts is read word by word in them, and character by character where a script leaves no
    spaces. tokens="latin" is the package's reading of everything. A text of one word has no pair: its ROUGE-2 is 0.
    """
    other = tokens == "any" and _NOT_LATIN_LETTER.search(reference) is not None
    true, said = _tokens(reference, other), _tokens(hypothesis, other)
    common = LCSseq.similarity(true, said)
    return (
        _f(Counter(true), Counter(said)),
        _f(Counter(pairwise(true)), Counter(pairwise(said))),
        2 * common / (len(true) + len(said)) if common else 0.0,
    )


def _tokens(text: str, other_scripts: bool) -> list[str]:
    pattern = _ANY_TOKEN if other_scripts else _LATIN_TOKEN
    return [_stem(word) for word in pattern.findall(text[:_MAX_CHARS].lower())[:MAX_WORDS]]


def _f(true: Counter[Any], said: Counter[Any]) -> float:
    shared = (true & said).total()
    return 2 * shared / (true.total() + said.total()) if shared else 0.0


@lru_cache(maxsize=1 << 16)
def _stem(word: str) -> str:
    """Porter's stem of a word of more than three letters; a word of more than 40 is no word and stays."""
    if not 3 < len(word) <= _MAX_STEMMED or not word.isascii():
        return word
    return _stemmer().stem(word)


@cache
def _stemmer() -> Any:
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer()


# ---- numbers ----------------------------------------------------------------------------------------------------

_NUMBER = r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?|[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?"
_WHOLE_NUMBER = re.compile(rf"({_NUMBER})\s?%?")
_ANY_NUMBER = re.compile(rf"(?<![\w.])({_NUMBER})(?:\s?/\s?([0-9]+))?")
_LATEX_FRACTION = re.compile(r"\\[dt]?frac\{([0-9]{1,18})\}\{([0-9]{1,18})\}")
_MIXED = re.compile(r"([+-]?[0-9]{1,18})\s+([0-9]{1,18})\s?/\s?([0-9]{1,18})")
_MAX_NUMBER_CHARS = 400


def number(value: object) -> float | None:
    """The finite number that a text is: with sign, thousands separators, exponent, percent sign ("12%" is 12).

    None for any other text, for NaN and infinities, and for True and False. An int or a float stands for itself.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _finite(value)
    if not isinstance(value, str) or len(value) > _MAX_NUMBER_CHARS:
        return None
    match = _WHOLE_NUMBER.fullmatch(value.strip())
    return _finite(match[1].replace(",", "")) if match else None


def number_lenient(text: str) -> float | None:
    """The one number that a text holds, beside words and units: also fractions, mixed numbers and number words.

    None where the text holds none, or two that differ.
    """
    strict = number(text)
    if strict is not None or len(text) > _MAX_NUMBER_CHARS:
        return strict
    plain = _LATEX_FRACTION.sub(r"\1/\2", text.replace("−", "-").replace("$", " ").replace("\\%", "%"))
    mixed = _MIXED.fullmatch(plain.strip())
    if mixed and int(mixed[3]):
        part = Fraction(int(mixed[2]), int(mixed[3]))
        return float(int(mixed[1]) + (-part if mixed[1].startswith("-") else part))
    found = {_divided(top, bottom) for top, bottom in _ANY_NUMBER.findall(plain)}
    if not found:
        found = {_spelled(re.findall("[a-z]+", plain.lower()))}
    return found.pop() if len(found) == 1 else None


def same_number(a: float, b: float) -> bool:
    """Equal when rounded to two decimals, both finite. Source: the published run's reward for numerical answers."""
    return math.isfinite(a) and math.isfinite(b) and round(a, 2) == round(b, 2)


def mra(pred: float, true: float, profile: Literal["released", "official"] = "released") -> float:
    """Mean relative accuracy: share of θ in 0.50, 0.55 … 0.95 with |pred − true| / |true| < 1 − θ, 0 to 1.

    `<` is the published run's; `official` takes ≤ as VSI-Bench's tool does. Equal to nine digits counts as equal.
    A true 0 is met only by 0. Source: Yang et al. 2024 (VSI-Bench).
    """
    if not (math.isfinite(pred) and math.isfinite(true)):
        return 0.0
    if pred == true:
        return 1.0
    error = abs(pred - true) / abs(true) if true else math.inf
    slack = 1e-9 if profile == "official" else -1e-9
    return sum(error < (100 - percent) / 100 + slack for percent in range(50, 100, 5)) / 10


def _finite(value: int | float | str) -> float | None:
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if math.isfinite(result) else None


def _divided(top: str, bottom: str) -> float | None:
    value, by = number(top), number(bottom) if bottom else 1.0
    return value / by if value is not None and by else None


_UNITS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
_WORDS = {*_UNITS, *_TENS, *_SCALES, "hundred"}


def _spelled(words: Sequence[str]) -> float | None:
    """The number that one unbroken run of number words spells ("minus two hundred and five"), else None."""
    places = [i for i, word in enumerate(words) if word in _WORDS]
    if not places:
        return None
    run = [word for word in words[places[0] : places[-1] + 1] if word != "and"]
    if not all(word in _WORDS for word in run):
        return None
    total = group = 0
    previous = ""
    for word in run:
        if word == "hundred":
            group = max(group, 1) * 100
        elif word in _SCALES:
            total, group = total + max(group, 1) * _SCALES[word], 0
        elif previous in _UNITS or (previous in _TENS and not 0 < _UNITS.get(word, 0) < 10):
            return None
        else:
            group += _UNITS.get(word, 0) + _TENS.get(word, 0)
        previous = word
    negative = places[0] > 0 and words[places[0] - 1] in ("minus", "negative")
    return float(-(total + group) if negative else total + group)
