r"""The number that a text says. `text.number` and `text.number_lenient` are these.

Strictly: a number as it is written, "-1,234.5e3". Leniently also words, units and scales around one, fractions, boxes.
What may be read in two ways is read in none: "1,5" (a decimal comma or two numbers), "1.2.3", "3-5", "10:30".
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from fractions import Fraction

from onethinker.measure.latex import DOLLARS, plain

_NUMBER = r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?|[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?"
_WHOLE_NUMBER = re.compile(rf"({_NUMBER})\s?%?")
_MAX_CHARS = 400

_LATEX_FRACTION = re.compile(r"\\frac\{\s*([0-9]{1,18})\s*\}\{\s*([0-9]{1,18})\s*\}")
_MIXED = re.compile(r"(?<![\w.,/])([+-]?[0-9]{1,18})\s+([0-9]{1,18})\s?/\s?([0-9]{1,18})(?![\w.,/])")
_POWER = re.compile(r"\s*(?:\\cdot|\*)\s*10\^\{?\s*([+-]?[0-9]{1,4})\s*\}?")
_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
_SUFFIXES = {"k": 10**3, "K": 10**3, "M": 10**6, "mn": 10**6, "B": 10**9, "bn": 10**9}
_SCALED = rf"(?:({'|'.join(_SUFFIXES)})(?![A-Za-z0-9])|\s+({'|'.join(_SCALES)})s?\b)?"
_ANY_NUMBER = re.compile(
    rf"(?<![\w.,])({_NUMBER})(?![0-9]|[.,][0-9])(?:\s?/\s?([0-9]+)(?![\w./]))?{_SCALED}", re.IGNORECASE
)
_DIGITS = re.compile(r"[0-9]")
_RANGE = re.compile(r"[0-9]\s*[-–—~]\s*\.?[0-9]")
_CALCULATION = re.compile(r"[0-9)}]\s*(?:[+*=^:]|\\cdot|[xX]\s?(?=[0-9]))\s*[-+]?[.({]*[0-9]")
_ATTACHED = re.compile(r"(?<=[0-9])[A-Za-z]+")
_UNITS_ATTACHED = {
    "s", "sec", "secs", "min", "mins", "h", "hr", "hrs", "ms", "m", "mm", "cm", "dm", "km", "in", "ft", "yd", "mi", "g",
    "kg", "mg", "lb", "lbs", "oz", "t", "l", "L", "ml", "mL", "mph", "kph", "kmh", "deg", "rad", "px", "W", "kW", "V",
    "A", "N", "J", "kJ", "Hz", "kHz", "MHz", "GHz", "Pa", "kPa", "C", "F", "st", "nd", "rd", "th", "e", "E", "USD",
    "fps", "am", "pm", "ppm", "dB", "cal", "kcal", *_SUFFIXES,
}  # fmt: skip
_NEGATION = re.compile(r"\b(?:not|never|no|cannot)\b|n['’]t\b", re.IGNORECASE)


def number(value: object) -> float | None:
    """The finite number that a text is: with sign, thousands separators, exponent, percent sign ("12%" is 12).

    None for any other text, for NaN and infinities, and for True and False. An int or a float stands for itself.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _finite(value)
    if not isinstance(value, str) or len(value) > _MAX_CHARS:
        return None
    match = _WHOLE_NUMBER.fullmatch(value.strip())
    return _finite(match[1].replace(",", "")) if match else None


def number_lenient(text: str) -> float | None:
    """The one number that a text holds, beside words and units: also fractions, mixed numbers, scales, number words.

    "3.5 million" and "10k" are scaled, an ordinal ("3rd") is its number, digits of any script are digits. None where
    the text holds none, two that differ, a range, a calculation, a negation, a number word for a part ("half").
    """
    strict = number(text)
    if strict is not None or len(text) > _MAX_CHARS:
        return strict
    dressed = _POWER.sub(r"e\1", plain(_with_digits(text)).replace(DOLLARS, " ").strip("[]() "))
    dressed = re.sub(r"(?<![\w\s])\s*[–—](?=[.0-9])|^[–—](?=[.0-9])", "-", dressed)
    said = _LATEX_FRACTION.sub(r" \1/\2", dressed)
    if _NEGATION.search(said) or _RANGE.search(said) or _CALCULATION.search(said):
        return None
    if any(word[0] not in _UNITS_ATTACHED for word in _ATTACHED.finditer(said)):
        return None
    mixed = [_mixed(*match.groups()) for match in _MIXED.finditer(said)]
    rest = _MIXED.sub(" ", said)
    found = {*mixed, *(_scaled(*match.groups()) for match in _ANY_NUMBER.finditer(rest))}
    if _DIGITS.search(_ANY_NUMBER.sub(" ", rest)):
        return None
    if not found:
        return spelled(said.lower())
    value = found.pop() if len(found) == 1 else None
    return value if value is not None and math.isfinite(value) else None


def _with_digits(text: str) -> str:
    """Digits of other scripts as 0–9; raised and lowered ones stay."""
    return text if text.isascii() else "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)


def _mixed(whole: str, top: str, bottom: str) -> float | None:
    if not int(bottom):
        return None
    part = Fraction(int(top), int(bottom))
    return float(int(whole) + (-part if whole.startswith("-") else part))


def _scaled(top: str, bottom: str, suffix: str, scale: str) -> float | None:
    value, by = number(top), number(bottom) if bottom else 1.0
    if suffix and suffix not in _SUFFIXES:
        return None
    times = _SUFFIXES.get(suffix) or _SCALES.get((scale or "").lower(), 1)
    return value / by * times if value is not None and by else None


def _finite(value: int | float | str) -> float | None:
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if math.isfinite(result) else None


_UNITS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_WORDS = {*_UNITS, *_TENS, *_SCALES}
_PARTS = re.compile(r"\b(?:half|halves|thirds?|quarters?|fifths?|sixths?|sevenths?|eighths?|ninths?|tenths?|point)\b")


def spelled(text: str, *, whole: bool = False) -> float | None:
    """The number that one unbroken run of number words in a lower-case text spells ("minus two hundred and five").

    whole: only if the text is nothing else. None where there is no such run, or a word for a part of one.
    """
    words = re.findall("[a-z]+", text)
    places = [i for i, word in enumerate(words) if word in _WORDS]
    if not places or _PARTS.search(text):
        return None
    run = words[places[0] : places[-1] + 1]
    before = words[places[0] - 1] if places[0] else ""
    outside = len(words) - len(run) - (before in ("minus", "negative", "a"))
    if whole and (outside or re.search(r"[^a-z\s-]", text)):
        return None
    value = _counted([word for word in run if word != "and"])
    return -value if value is not None and before in ("minus", "negative") else value


def _counted(run: Sequence[str]) -> float | None:
    """The number that the words are, one after the other; None where they are several numbers."""
    total = group = 0
    previous = ""
    for word in run:
        if word in ("hundred", "dozen"):
            group = max(group, 1) * _SCALES[word]
        elif word in _SCALES:
            total, group = total + max(group, 1) * _SCALES[word], 0
        elif word not in _WORDS or previous in _UNITS or (previous in _TENS and not 0 < _UNITS.get(word, 0) < 10):
            return None
        else:
            group += _UNITS.get(word, 0) + _TENS.get(word, 0)
        previous = word
    return float(total + group)
