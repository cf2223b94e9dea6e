"""Text against text: words, ROUGE, numbers, choices, mathematics. Every function is bounded in time on any input."""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from ctypes import c_float
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from rapidfuzz.distance import LCSseq, Levenshtein

from onethinker.measure.choices import choice, choice_lenient
from onethinker.measure.equations import math_equal
from onethinker.measure.numbers import number, number_lenient

__all__ = [
    "choice",
    "choice_lenient",
    "math_equal",
    "mra",
    "mra_profiles",
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
    true, words, pairs = _reference(reference, other)
    said = _tokens(hypothesis, other)
    common = LCSseq.similarity(true, said)
    return (
        _f(words, Counter(said)),
        _f(pairs, Counter(pairwise(said))),
        2 * common / (len(true) + len(said)) if common else 0.0,
    )


@lru_cache(maxsize=64)
def _reference(text: str, other_scripts: bool) -> tuple[list[str], Counter[str], Counter[tuple[str, str]]]:
    """A reference's tokens, and how often each and each pair of neighbours stands in it: remembered, since several
    answers to one question are compared with it."""
    tokens = _tokens(text, other_scripts)
    return tokens, Counter(tokens), Counter(pairwise(tokens))


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


def same_number(a: float, b: float) -> bool:
    """Equal when rounded to two decimals, both finite. Source: the published run's reward for numerical answers."""
    return math.isfinite(a) and math.isfinite(b) and round(a, 2) == round(b, 2)


MraProfile = Literal["released", "reported", "official"]
_PROFILES: tuple[MraProfile, ...] = ("released", "reported", "official")
_STEPS = 0.05 * np.arange(10)
# Limits of the relative error, ascending, each by its tool's own expression.
_RELEASED = (np.float32(1) - (0.5 + _STEPS).astype(np.float32))[::-1].tolist()
_REPORTED = (1.0 - (0.5 + _STEPS))[::-1].tolist()
_OFFICIAL = (1 - np.linspace(0.5, 0.95, 10))[::-1].tolist()


def mra(pred: float, true: float, profile: MraProfile = "released") -> float:
    """Mean relative accuracy: share of θ in 0.50, 0.55 … 0.95 with |pred − true| / |true| < 1 − θ, 0 to 1.

    On a threshold itself the rounding of each tool's own expression decides. released: the published run's reward, in
    32 bits, |true| + 1e-8 below the line. reported: its evaluation, in 64 bits; 0 where the truth is 0. official:
    VSI-Bench's tool, ≤; a true 0 is met only by 0. What is not finite earns 0. Source: Yang et al. 2024 (VSI-Bench);
    onethinker_reward.py and eval_bench.py of tulerfeng/OneThinker; lmms-eval's tasks/vsibench.
    """
    return mra_profiles(pred, true)[_PROFILES.index(profile)]


def mra_profiles(pred: float, true: float) -> tuple[float, float, float]:
    """`mra` as released, reported and official."""
    pred, true = float(pred), float(true)
    away, size = abs(pred - true), abs(true)
    error = away / size if size else math.inf if away else 0.0
    pred_32, true_32 = _single(pred), _single(true)
    error_32 = _single(_single(abs(pred_32 - true_32)) / _single(abs(true_32) + _SMALL))
    return (
        (10 - bisect_right(_RELEASED, error_32)) / 10,  # NaN is past every limit for it
        (10 - bisect_right(_REPORTED, error)) / 10 if size >= 1e-12 else 0.0,
        (10 - bisect_left(_OFFICIAL, error)) / 10 if not math.isnan(error) else 0.0,
    )


def _single(value: float) -> float:
    """As 32 bits hold it. Of one sum, difference or quotient of such numbers it is what 32 bits would have given."""
    return c_float(value).value


_SMALL = _single(1e-8)
