"""Which option an answer names. `text.choice` and `text.choice_lenient` are these."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_MAX_CHARS = 10_000
_DRESS = re.compile(r"[*_`$\s]+|\\boxed|\\text(?:bf|rm)?|\\mathrm|\\mathbf|[{}]")
_LEAD = re.compile(
    r"(?:(?:the\s+)?(?:(?:correct|final|right|best)\s+)?(?:answer|option|choice)(?:\s+is)?\s*:?\s*)+", re.IGNORECASE
)
_LETTER = re.compile(r"[(\[]?\s?([A-Za-z])\s?[)\]]?\s?[.:,)]?")
_LETTER_AND_TEXT = re.compile(r"(?:[(\[]([A-Za-z])[)\]][.:]?|([A-Za-z])\s?[.:)]|([A-Z])\s[-–—]\s)\s*(.+)", re.DOTALL)
_LETTERS_IN_DRESS = re.compile(
    r"(?<![\w'’])[(\[]?([A-Z])(?:[)\].:,]|(?=\s*$)|(?=\s+(?:or|and|nor)\b))|\b(?:or|and|option)\s+([A-Z])\b"
)
_SPACE = re.compile(r"\s+")


def choice(text: str, options: Sequence[str] = ()) -> str | None:
    """The upper-case letter of the one option that a text names, or None.

    Read are a letter in any usual dress ("D", "(D)", "D.", "**D**", "Option D", "The answer is D"), such a letter
    before a text that names no other option ("D: 4 cm"), and an option's own text. None for anything else: a letter
    within a word, a refusal, several letters, a letter that no option has.

    options: as shown, "A. red", or without letters, then lettered in order; without options every letter is possible.
    """
    if len(text) > _MAX_CHARS:
        return None
    known = _by_letter(options)
    plain = _plain(text)
    own = [letter for letter, words in known.items() if words and words == _words(plain)]
    if own:
        return own[0] if len(own) == 1 else None
    bare = _LEAD.sub("", plain, count=1) if _LEAD.match(plain) else plain
    match = _LETTER.fullmatch(bare)
    if match:
        return _possible(match[1], known)
    match = _LETTER_AND_TEXT.fullmatch(bare)
    if not match:
        return None
    letter = _possible(match[1] or match[2] or match[3], known)
    return letter if letter and _agrees(match[4], letter, known) else None


def choice_lenient(text: str, options: Sequence[str] = ()) -> str | None:
    """As `choice`, else the one letter in dress anywhere in the text, else the one option that the text quotes."""
    strict = choice(text, options)
    if strict or len(text) > _MAX_CHARS:
        return strict
    known, plain = _by_letter(options), _plain(text)
    letters = {_possible(letter, known) for letter in _letters(plain)} - {None}
    if not letters:
        said = f" {_words(plain)} "
        letters = {letter for letter, words in known.items() if words and f" {words} " in said}
    return letters.pop() if len(letters) == 1 else None


def _plain(text: str) -> str:
    """Without emphasis, LaTeX boxes and double spaces."""
    return _SPACE.sub(" ", _DRESS.sub(" ", text)).strip()


def _words(text: str) -> str:
    """For comparing texts: lower case, no final stop."""
    return text.lower().strip().rstrip(".").rstrip()


def _by_letter(options: Sequence[str]) -> dict[str, str]:
    """Letter → the option's own text, comparable."""
    known = {}
    for place, option in enumerate(options):
        match = _LETTER_AND_TEXT.fullmatch(_plain(option))
        letter = (match[1] or match[2] or match[3]) if match else None
        if match and letter and letter.upper() == chr(ord("A") + place):
            known[letter.upper()] = _words(match[4])
        else:
            bare = _LETTER.fullmatch(_plain(option))
            known[chr(ord("A") + place)] = (
                "" if bare and bare[1].upper() == chr(ord("A") + place) else _words(_plain(option))
            )
    return known


def _possible(letter: str, known: Mapping[str, str]) -> str | None:
    return letter.upper() if not known or letter.upper() in known else None


def _letters(text: str) -> set[str]:
    return {match[1] or match[2] for match in _LETTERS_IN_DRESS.finditer(text)}


_REFUSAL = re.compile(
    r"\b(?:not sure|unsure|unknown|don'?t know|do not know|cannot|can'?t|unable|wrong|incorrect|not)\b", re.IGNORECASE
)


def _agrees(rest: str, letter: str, known: Mapping[str, str]) -> bool:
    """Whether the text after a letter leaves it standing: the option's own, or one that names no other option."""
    words = _words(rest)
    if known.get(letter) and words == known[letter]:
        return True
    if words in known.values() or _REFUSAL.search(rest):
        return False
    return not {found for found in _letters(rest) if found != letter and _possible(found, known)}
