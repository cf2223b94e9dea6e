"""Which option an answer names. `text.choice` and `text.choice_lenient` are these."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_MAX_CHARS = 10_000
_DRESS = re.compile(r"[*_`$\s{}\"“”]+|\\[()]|\\boxed|\\text(?:bf|rm)?|\\math(?:bf|rm)")
_SPACE = re.compile(r" +")
_LEAD = re.compile(
    r"(?:(?:the )?(?:(?:correct|final|right|best) )?(?:answer|option|choice)(?: is)? ?:? ?)+",
    re.IGNORECASE,
)
_LETTER = re.compile(
    r"[(\[]? ?([A-Za-z]) ?[)\]]? ?[.:,)]?"
    r"(?: is (?:the )?(?:correct|right|best)(?: (?:answer|option|choice))? ?\.?)?",
)
_LETTER_AND_TEXT = re.compile(
    r"(?:[(\[]([A-Za-z])[)\]] ?[.:]?"  # (D) text
    r"|([A-Z]) ?[.:)]"  # D. text, D:text, D) text
    r"|([a-z]) ?[.:)](?= )"  # d. text, but not e.g.
    r"|([A-Z]) [-–—] ) ?(.+)"  # D - text
)
_LETTER_WITHIN = re.compile(
    r"(?<![\w'’])[(\[]?([A-Z])(?:[)\].:,]|$|(?= (?:or|and|nor)\b))"  # B. or (B), at the end, before "or"
    r"|\b(?:or|and|nor|option) [(\[]?([A-Z])\b"
)
_REFUSAL = re.compile(
    r"\b(?:not (?:sure|certain|correct|right)|unsure|(?:don['’]?t|do not|cannot|can['’]?t) \w+|wrong|incorrect)\b",
    re.IGNORECASE,
)


def choice(text: str, options: Sequence[str] = ()) -> str | None:
    """The upper-case letter of the one option that a text names, or None.

    Read are a letter in any usual dress ("D", "(D)", "D.", "**D**", "Option D", "The answer is D"), such a letter
    before a text that names no other option ("D: 4 cm"), and an option's own text. None for anything else: a letter
    within a word, a refusal, several letters, a letter that no option has.

    options: as shown, "A. red", or without letters, then lettered in order; without options every letter is possible.
    """
    if len(text) > _MAX_CHARS:
        return None
    known, plain = _by_letter(options), _plain(text)
    bare = _LEAD.sub("", plain, count=1) if _LEAD.match(plain) else plain
    alone = _LETTER.fullmatch(bare)
    if alone and _possible(alone[1], known):
        return alone[1].upper()
    own = [letter for letter, words in known.items() if words and words in (_words(plain), _words(bare))]
    if own:
        return own[0] if len(own) == 1 else None
    letter, rest = _split(bare)
    return letter if letter and _possible(letter, known) and _agrees(rest, letter, known) else None


def choice_lenient(text: str, options: Sequence[str] = ()) -> str | None:
    """As `choice`, else the one letter in dress anywhere in the text, else the one option that the text quotes."""
    strict = choice(text, options)
    if strict or len(text) > _MAX_CHARS:
        return strict
    known, plain = _by_letter(options), _plain(text)
    letters = _letters(plain, known)
    if not letters:
        said = _words(plain)
        letters = {at for at, words in known.items() if words and re.search(rf"(?<!\w){re.escape(words)}(?!\w)", said)}
    return letters.pop() if len(letters) == 1 else None


def _plain(text: str) -> str:
    """On one line, without emphasis, double quotes, LaTeX commands around text and double spaces."""
    return _SPACE.sub(" ", _DRESS.sub(" ", text)).strip()


def _words(plain: str) -> str:
    """For comparing texts: lower case, no full stop."""
    return plain.lower().rstrip(". ")


def _split(plain: str) -> tuple[str, str]:
    """("D", "4 cm") of "(D) 4 cm" and its like; ("D", "") of "D" alone; ("", text) of any other text."""
    alone = re.fullmatch(r"[(\[]?([A-Za-z])[)\]]?[.:]?", plain)
    if alone:
        return alone[1].upper(), ""
    match = _LETTER_AND_TEXT.fullmatch(plain)
    return (next(filter(None, match.groups())).upper(), match[5]) if match else ("", plain)


def _by_letter(options: Sequence[str]) -> dict[str, str]:
    """Letter → the option's own text, ready to compare."""
    plain = [_plain(option) for option in options]
    shown = [_split(option) for option in plain]
    if all(letter for letter, _ in shown) and len({letter for letter, _ in shown}) == len(shown):
        return {letter: _words(text) for letter, text in shown}
    return {chr(ord("A") + place): _words(option) for place, option in enumerate(plain)}


def _possible(letter: str, known: Mapping[str, str]) -> bool:
    return not known or letter.upper() in known


def _letters(plain: str, known: Mapping[str, str]) -> set[str]:
    """The options' letters that stand in dress within a text."""
    found = {match[1] or match[2] for match in _LETTER_WITHIN.finditer(plain)}
    return {letter for letter in found if _possible(letter, known)}


def _agrees(rest: str, letter: str, known: Mapping[str, str]) -> bool:
    """Whether the text after a letter leaves it standing: the option's own, or one that names no other option."""
    words = _words(rest)
    if known.get(letter) and words == known[letter]:
        return True
    if words in known.values() or _REFUSAL.search(rest):
        return False
    return _letters(rest, known) <= {letter}
