"""Options and answers of multiple choice, in the ways in which data sets write them.

Options stand in columns, lists or at the end of the question; an answer is a letter in some dress ("C", "(C)", "C."),
several letters ("C\\nD"), or the text of an option ("False"): all occur within MathVerse's testmini.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_OPTION_LINE = re.compile(r"^[ \t]*\(?([A-Z])[.:)][ \t]*(.*)$", re.MULTILINE)
_OPTIONS_COME = re.compile(r"\s*(?:choices?|options?):?\s*$", re.IGNORECASE)
_LETTERED = re.compile(r"\(?([A-Z])[.:)]\s*")
_DRESSED = re.compile(r"\(?([A-Za-z])\)?[.:]?")
_SEVERAL = re.compile(r"\(?[A-Z]\)?(?:(?:\s*[,;\n]\s*|\s+and\s+|\s+)\(?[A-Z]\)?)+")


def letters(count: int) -> list[str]:
    """A, B, … as many."""
    return [chr(ord("A") + at) for at in range(count)]


def split_options(text: str) -> tuple[str, list[str]]:
    """A question with its options on lines of their own, A to the last, at its end → the question and the options.

    The whole text and no options where the lines are no such list.
    """
    lines = list(_OPTION_LINE.finditer(text))
    if len(lines) < 2 or [line[1] for line in lines] != letters(len(lines)):
        return text, []
    return _OPTIONS_COME.sub("", text[: lines[0].start()]), [f"{line[1]}. {line[2].strip()}" for line in lines]


def lettered(options: Sequence[str]) -> list[str]:
    """Options as shown, "A. red": those of a set that letters them itself are left as they are."""
    own = [_LETTERED.match(option) for option in options]
    if [match and match[1] for match in own] == letters(len(options)):
        return list(options)
    return [f"{letter}. {option}" for letter, option in zip(letters(len(options)), options)]


def without_letter(option: str) -> str:
    """The text of an option as shown: "red" of "A. red"."""
    return _LETTERED.sub("", option, count=1).strip()


def named_options(answer: str, options: Sequence[str]) -> list[str]:
    """The letters that an answer of a data set names, most often one; none where it names no option.

    options: as shown or bare, in order; without them every letter may be named. An option's own text counts where one
    option alone has it, whatever its case.
    """
    answer, known = answer.strip(), letters(len(options) or 26)
    if answer in known:
        return [answer]
    texts = [without_letter(option).lower() for option in options]
    if texts.count(answer.lower()) == 1:
        return [known[texts.index(answer.lower())]]
    whole = [option.strip().lower() for option in options]
    if whole.count(answer.lower()) == 1:
        return [known[whole.index(answer.lower())]]
    if match := _DRESSED.fullmatch(answer):
        found = [match[1].upper()]
    else:
        found = sorted(set(re.findall("[A-Z]", answer))) if _SEVERAL.fullmatch(answer) else []
    return found if set(found) <= set(known) else []
