r"""What form a mathematical answer has: a number with its unit, a set, an interval, an equation, words, a date.

`read` takes the plain LaTeX of `latex.plain` and calculates nothing beyond numbers. What has no form of its own is an
`Expression`, which `equations` gives to sympy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import TypeAlias

from onethinker.measure.latex import closing, plain, split
from onethinker.measure.numbers import spelled
from onethinker.measure.quantities import (
    Number,
    Unit,
    read_clock,
    read_date,
    read_number,
    read_ratio,
    split_unit,
)


@dataclass(frozen=True, slots=True)
class Words:
    """Text that is no mathematics, in lower case."""

    text: str


@dataclass(frozen=True, slots=True)
class Value:
    """A number or an expression without variables, and its unit: None for none, a text for what is counted."""

    number: Number | None
    latex: str
    unit: Unit | str | None = None


@dataclass(frozen=True, slots=True)
class Expression:
    latex: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A time of day, a ratio (both where it may be either: "3:45") or a date."""

    clock: int | None
    ratio: tuple[Fraction, ...] | None
    date: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Group:
    """Several forms. kind: the brackets ("()", "[)"), "{}" for a set, "" for a bare list, "union", "matrix".

    ordered: whether their order counts. columns: of a matrix, whose entries stand row by row.
    """

    kind: str
    parts: tuple[Form, ...]
    ordered: bool
    columns: int = 0


@dataclass(frozen=True, slots=True)
class Named:
    """A variable and what it is ("=") or lies within ("in"): `x = 3`, `x > 2` as the interval from 2.

    said: the inequality that an interval was made of.
    """

    name: str
    sign: str
    form: Form
    said: Relation | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """Any other equation or inequality, left side, sign, right side; `>` is turned into `<`."""

    left: str
    sign: str
    right: str


Form: TypeAlias = Words | Value | Expression | Moment | Group | Named | Relation

_MAX_DEPTH = 6
_MAX_PARTS = 30
_SAME_WORDS = {
    r"\emptyset": "empty set", r"\{\}": "empty set", r"\{ \}": "empty set", "no solution": "empty set",
    "no solutions": "empty set", "no real solution": "empty set", "no real solutions": "empty set",
    "the empty set": "empty set", "dne": "does not exist", r"\mathbb{r}": "all real numbers",
    r"(-\infty,\infty)": "all real numbers", r"(-\infty,+\infty)": "all real numbers", "all reals": "all real numbers",
    "real numbers": "all real numbers", "all real": "all real numbers",
}  # fmt: skip
_LETTERS = re.compile(r"[A-Za-z][A-Za-z'’]*(?:[\s-]+[A-Za-z'’]+)*")
_PRODUCT = re.compile(r"[a-z]{2}")
_SHORT_WORDS = {"no", "on", "is", "if", "am", "pm", "to", "up", "go", "we", "he", "me", "my", "by", "do", "so", "or",
                "of", "at", "an", "as", "in", "it", "us", "be", "pi", "ln", "cm", "mm", "km", "kg", "ne", "nw", "se",
                "sw", "ok"}  # fmt: skip
_ARTICLE = re.compile(r"(?:the|an|a)\s+(?=\w{2})", re.IGNORECASE)
_FIGURE = re.compile(r"\\(triangle|angle|overline|overleftrightarrow)\s*\{?\s*([A-Z](?:\s?[A-Z]){1,3})\s*\}?")
_SEPARATOR = re.compile(r"\s*[,;]\s*(?:and\b|or\b)?\s*|\s+(?:and|or)\s+")
_JOINED = re.compile(r"\b(?:and|or)\b")
_CUP = re.compile(r"\s*\\cup(?![a-zA-Z])\s*")
_SIGN = re.compile(r"\s*(=|<|>|\\le(?![a-zA-Z])|\\ge(?![a-zA-Z])|\\ne(?![a-zA-Z])|\\in(?![a-zA-Z]))\s*")
_NAME = re.compile(
    r"(?:m\s*)?(?:[A-Za-z](?:_(?:\w|\{[\w, ]+\}))?|[A-Za-z]\([a-z](?:,\s*[a-z])?\)|\\[a-zA-Z]+|[A-Z]{2,3}"
    r"|[A-Za-z]{4,20}(?: [A-Za-z]{2,20}){0,3}|\([a-z](?:,\s*[a-z])+\)|\\angle [A-Z]{1,3})"
)
_BUILDER = re.compile(r"([a-z])(?:\s*\\in\s*\\mathbb\{R\})?\s*[|:]\s*")
_MATRIX = re.compile(r"\\begin\{([pb]?matrix|array)\}(?:\{[clr|]+\})?(.*)\\end\{\1\}", re.DOTALL)
_COMMANDS = re.compile(r"\\[a-zA-Z]+")
_OF_ANGLES = re.compile(r"(?<![A-Za-z])\\?(?:sin|cos|tan|cot|sec|csc)(?![A-Za-z])")
_PLUS_OR_MINUS = re.compile(r"\\pm(?![a-zA-Z])")


@lru_cache(maxsize=4096)
def read_text(text: str) -> tuple[str, Form | None]:
    """The plain LaTeX of an answer and its form; None where nothing is left of it."""
    made = plain(text)
    return made, read(made) if made else None


def read(text: str, depth: int = 0) -> Form:
    """The form of plain LaTeX."""
    said = _SAME_WORDS.get(text.casefold()) or _SAME_WORDS.get(text.replace(" ", ""))
    if said:
        return Words(said)
    if depth > _MAX_DEPTH:
        return Expression(text)
    return (
        _moment(text)
        or _value(text)
        or _words(text)
        or _both_signs(text, depth)
        or _listed(text, depth)
        or _related(text, depth)
        or _united(text, depth)
        or _bracketed(text, depth)
        or _matrix(text, depth)
        or Expression(text)
    )


def _moment(text: str) -> Moment | None:
    if text.isdigit() or (not text[-1:].isalnum() and text[-1:] != "."):
        return None
    clock, ratio, date = read_clock(text), read_ratio(text), read_date(text)
    return None if clock is ratio is date is None else Moment(clock, ratio, date)


def _value(text: str) -> Value | None:
    number = read_number(text)
    if number is not None:
        return Value(number, text)
    left, unit, scale = split_unit(text)
    if unit is not None and _OF_ANGLES.search(left):  # "\\tan 45 deg" has no unit
        return None
    if unit is None and scale == 1 and left == text:
        bare = _COMMANDS.sub("", text)
        constant = any(char.isdigit() for char in text) or r"\pi" in text
        single = text[0] != "{" and not _PLUS_OR_MINUS.search(text)
        return Value(None, text) if constant and single and re.fullmatch(r"[-+*/^{}().\d\s]*", bare) else None
    number = read_number(left) or _spelled(left)
    if number is None and isinstance(unit, tuple):
        return _sum_of_units(text) or _constant(left, unit)
    if number is not None:
        step = None if number.step is None else number.step * scale
        return Value(Number(number.value * scale, step), left, unit)
    return _constant(left, unit) if scale == 1 else None


def _constant(left: str, unit: Unit | str | None) -> Value | None:
    """An expression without variables and its unit."""
    inner = _value(left) if left else None
    return replace(inner, unit=unit) if inner and inner.unit is None else None


_TWO_UNITS = re.compile(r"(\d+\s*[a-z]+),? (?:and )?(\d+(?:\.\d+)?\s*[a-z]+)", re.IGNORECASE)


def _sum_of_units(text: str) -> Value | None:
    """`5 ft 3 in` in feet: two amounts of the same measure, the larger unit first."""
    match = _TWO_UNITS.fullmatch(text)
    larger, smaller = (_value(match[1]), _value(match[2])) if match else (None, None)
    if larger is None or smaller is None or larger.number is None or smaller.number is None:
        return None
    if not (isinstance(larger.unit, tuple) and isinstance(smaller.unit, tuple)):
        return None
    (kind, size), (other, less) = larger.unit, smaller.unit
    total = Number(larger.number.value + smaller.number.value * less / size)
    return Value(total, text, larger.unit) if kind == other and less < size else None


def _spelled(text: str) -> Number | None:
    value = spelled(text.lower(), whole=True) if text.isascii() and text[:1].isalpha() else None
    return None if value is None else Number(Fraction(value))


def _words(text: str) -> Form | None:
    figure = _FIGURE.fullmatch(text)
    if figure:
        kind, letters = figure[1], figure[2].replace(" ", "")
        ends = "".join(sorted(letters)) if kind == "triangle" else min(letters, letters[::-1])
        return Words(f"{kind} {ends}".lower())
    if not _LETTERS.fullmatch(text):
        return None
    number = _spelled(text)
    if number is not None:
        return Value(number, text)
    if _PRODUCT.fullmatch(text) and text not in _SHORT_WORDS:
        return None
    return Words(re.sub(r"[\s-]+", " ", _ARTICLE.sub("", text, count=1)).casefold())


def _both_signs(text: str, depth: int) -> Form | None:
    r"""`3 \pm x` as the list of `3 + x` and `3 - x`."""
    if not _PLUS_OR_MINUS.search(text) or _SEPARATOR.search(text):
        return None
    name, _, right = text.rpartition("=")
    both = [re.sub(r"\\mp(?![a-zA-Z])", other, _PLUS_OR_MINUS.sub(sign, right)).strip() for sign, other in ("+-", "-+")]
    made = Group("", tuple(read(side.removeprefix("+").strip(), depth + 1) for side in both), False)
    if not name:
        return made
    return Named(name.strip(), "=", made) if _NAME.fullmatch(name.strip()) else None


def _listed(text: str, depth: int) -> Form | None:
    parts = split(text, _SEPARATOR)
    if not 1 < len(parts) <= _MAX_PARTS or not all(parts):
        return None
    first = split(parts[0], _SIGN)
    if len(first) == 2 and _NAME.fullmatch(first[0]) and not any(_SIGN.search(part) for part in parts[1:]):
        sign = _SIGN.search(parts[0])
        rest = text[sign.end() :] if sign else ""
        return Named(first[0], "=", read(rest, depth + 1)) if sign and sign[1] == "=" else None
    forms = tuple(read(part, depth + 1) for part in parts)
    named = _all_named(forms, either=re.search(r"\bor\b", text) is not None)
    if named is not None:
        return named
    dots = any(part.startswith(r"\ldots") for part in parts)
    wordy = all(isinstance(form, Words) for form in forms) and not _JOINED.search(text)
    return Group("", forms, dots or wordy)


def _all_named(forms: tuple[Form, ...], *, either: bool) -> Named | None:
    """`x = 1, x = 2` as x and its list; `x < 1 or x > 2` (either) as x and its union; None for other lists."""
    named = [form for form in forms if isinstance(form, Named)]
    names, signs = {form.name.split("_")[0] for form in named}, {form.sign for form in named}
    if len(named) < len(forms) or len(names) > 1 or len(signs) > 1:
        return None
    values, sign = tuple(form.form for form in named), signs.pop()
    if sign == "=":
        return Named(names.pop(), sign, Group("", values, False))
    return Named(names.pop(), sign, Group("union", values, False)) if either else None


def _related(text: str, depth: int) -> Form | None:
    parts = split(text, _SIGN)
    if len(parts) < 2 or not all(parts):
        return None
    signs, place = [], 0
    for part in parts[:-1]:
        place = text.index(part, place) + len(part)
        found = _SIGN.match(text, place)
        if found is None:
            return None
        signs.append(found[1])
        place = found.end()
    if signs == ["\\in"]:
        return Named(parts[0], "in", read(parts[1], depth + 1)) if _NAME.fullmatch(parts[0]) else None
    if all(sign == "=" for sign in signs):
        if _NAME.fullmatch(parts[0]):
            return Named(parts[0], "=", read(parts[-1], depth + 1))
        if len(parts) == 2 and _NAME.fullmatch(parts[1]) and not _NAME.fullmatch(parts[0]):
            return Named(parts[1], "=", read(parts[0], depth + 1))
        return Relation(parts[0], "=", parts[1]) if len(parts) == 2 else None
    return _range(parts, signs, depth) or _inequality(parts, signs)


_TURNED = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}


def _range(parts: list[str], signs: list[str], depth: int) -> Named | None:
    """`x > 2`, `2 < x`, `1 < x \\le 3` as the variable and its interval."""
    variables = [place for place, part in enumerate(parts) if re.fullmatch(r"[A-Za-z]|\\[a-z]+", part)]
    if any(sign not in _TURNED for sign in signs) or len(parts) > 3 or len(variables) != 1:
        return None
    (place,) = variables
    if len(parts) == 2:
        sign, bound = (signs[0], parts[1]) if place == 0 else (_TURNED[signs[0]], parts[0])
        low, high = (bound, r"\infty") if sign[-1] in ">e" and sign in (">", r"\ge") else (r"-\infty", bound)
        closed = sign in (r"\le", r"\ge")
        kind = ("[" if closed and high == r"\infty" else "(") + ("]" if closed and low == r"-\infty" else ")")
    else:
        up = all(sign in ("<", r"\le") for sign in signs)
        if place != 1 or not (up or all(sign in (">", r"\ge") for sign in signs)):
            return None
        (low, high), (first, last) = ((parts[0], parts[2]), signs) if up else ((parts[2], parts[0]), signs[::-1])
        kind = ("(" if first in "<>" else "[") + (")" if last in "<>" else "]")
    ends = (read(low, depth + 1), read(high, depth + 1))
    return Named(parts[place], "in", Group(kind, ends, True), _inequality(parts, signs))


def _inequality(parts: list[str], signs: list[str]) -> Relation | None:
    if len(parts) != 2 or signs[0] not in (*_TURNED, r"\ne"):
        return None
    left, right = parts
    if signs[0] in (">", r"\ge"):
        return Relation(right, _TURNED[signs[0]], left)
    return Relation(left, signs[0], right)


def _united(text: str, depth: int) -> Form | None:
    parts = split(text, _CUP)
    if not 1 < len(parts) <= _MAX_PARTS or not all(parts):
        return None
    return Group("union", tuple(read(part, depth + 1) for part in parts), False)


def _bracketed(text: str, depth: int) -> Form | None:
    """A set, a point, an interval; what stands in round brackets alone is without them."""
    begin = next((sign for sign in ("\\{", "\\langle", "{", "(", "[") if text.startswith(sign)), None)
    if begin is None:
        return None
    if begin == "\\langle":
        inner, kind = text.removeprefix(begin).removesuffix("\\rangle"), "<>"
        if not text.endswith("\\rangle"):
            return None
    else:
        if closing(text, len(begin) - 1) != len(text) - 1:
            return None
        inner, kind = text[len(begin) : -1].removesuffix("\\").strip(), begin[-1] + text[-1]
    if kind == "{}":
        builder = _BUILDER.match(inner)
        if builder:
            return read(inner[builder.end() :], depth + 1)
    parts = split(inner, re.compile(r"\s*[,;]\s*"))
    if not inner or not all(parts) or len(parts) > _MAX_PARTS:
        return None
    if len(parts) == 1 and kind == "()":
        return read(inner, depth + 1)
    dots = any(part.startswith(r"\ldots") for part in parts)
    return Group(kind, tuple(read(part, depth + 1) for part in parts), kind != "{}" or dots)


def _matrix(text: str, depth: int) -> Form | None:
    match = _MATRIX.fullmatch(text)
    if match is None or r"\begin" in match[2]:
        return None
    rows = [[entry.strip() for entry in row.split("&")] for row in re.split(r"\\\\", match[2]) if row.strip()]
    columns = {len(row) for row in rows}
    if len(columns) != 1 or len(rows) * len(rows[0]) > _MAX_PARTS or not all(entry for row in rows for entry in row):
        return None
    entries = tuple(read(entry, depth + 1) for row in rows for entry in row)
    return Group("matrix", entries, True, columns.pop())
