"""Whether a text follows an instruction that can be checked: length, words, format, language, case.

Names, arguments and meanings are IFEval's (google-research/instruction_following_eval, `instructions.py` and
`instructions_registry.py`; arXiv 2311.07911). Each check takes the text and the instruction's arguments. What differs:
a keyword or marker is looked for as it is written, never run as a regular expression; sentences are told apart by rules
of our own (the official tool's need a download), and the language by py3langid instead of langdetect. Every check takes
time in proportion to the text, whatever the text is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

Arguments = Mapping[str, Any]

RELATIONS = ("less than", "at least")
LANGUAGES = (
    *("en", "es", "pt", "ar", "hi", "fr", "ru", "de", "ja", "it", "bn", "uk", "th", "ur", "ta"),
    *("te", "bg", "ko", "pl", "he", "fa", "vi", "ne", "sw", "kn", "mr", "gu", "pa", "ml", "fi", "zh"),
)
"""ISO 639-1 codes: IFEval's thirty, and Chinese."""
_ANSWERS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
_ABBREVIATIONS = frozenset(
    (
        "mr",
        "mrs",
        "ms",
        "dr",
        "prof",
        "capt",
        "lt",
        "st",
        "jr",
        "sr",
        "inc",
        "ltd",
        "co",
        "vs",
        "etc",
        "e.g",
        "i.e",
        "fig",
    )
)
_SENTENCE_END = re.compile(r"[.!?]+[\"'”’)\]]*(?=\s|$)")
_WORD = re.compile(r"\w+")
_TOKEN = re.compile(r"\w+(?:[-'’.]\w+)*")


def _compared(count: int, arguments: Arguments, number: str, relation: str = "relation") -> bool:
    limit = arguments[number]
    return count < limit if arguments[relation] == RELATIONS[0] else count >= limit


# ---- words ------------------------------------------------------------------------------------------------------


def _existence(text: str, arguments: Arguments) -> bool:
    return all(word.lower() in text.lower() for word in arguments["keywords"])


def _frequency(text: str, arguments: Arguments) -> bool:
    return _compared(text.lower().count(arguments["keyword"].strip().lower()), arguments, "frequency")


def _forbidden(text: str, arguments: Arguments) -> bool:
    return not any(re.search(rf"\b{re.escape(w)}\b", text, re.IGNORECASE) for w in arguments["forbidden_words"])


def _letter_frequency(text: str, arguments: Arguments) -> bool:
    return _compared(text.lower().count(arguments["letter"].lower()), arguments, "let_frequency", "let_relation")


# ---- length -----------------------------------------------------------------------------------------------------


def count_sentences(text: str) -> int:
    """Stretches that end in a stop, a question or an exclamation mark before white space, and what stands after the
    last; no sentence ends with a usual abbreviation, a single letter or within a number."""
    count, start = 0, 0
    for end in _SENTENCE_END.finditer(text):
        last = text[max(start, end.start() - 12) : end.start()].split()[-1:]
        word = last[0].lower().lstrip("\"'(“‘[") if last else ""
        short = word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha() and word != "i")
        if end.group().startswith(".") and short and text[end.end() :].strip():
            continue
        count += bool(text[start : end.start()].strip())
        start = end.end()
    return count + bool(text[start:].strip())


def _sentences(text: str, arguments: Arguments) -> bool:
    return _compared(count_sentences(text), arguments, "num_sentences")


def _words(text: str, arguments: Arguments) -> bool:
    return _compared(len(_WORD.findall(text)), arguments, "num_words")


def _paragraphs(text: str, arguments: Arguments) -> bool:
    """Between lines of `***`; an empty one may stand at an end only."""
    parts = [part.strip() for part in text.split("***")]
    inner = parts[bool(parts) and not parts[0] : len(parts) - (len(parts) > 1 and not parts[-1])]
    return all(inner) and len(inner) == arguments["num_paragraphs"]


def _first_word(text: str, arguments: Arguments) -> bool:
    """Between empty lines, the n-th, counted from 1, beginning with the word."""
    parts, nth = text.split("\n\n"), arguments["nth_paragraph"]
    count = sum(bool(part.strip()) for part in parts)
    if not 1 <= nth <= count or not parts[nth - 1].strip():
        return False
    word = parts[nth - 1].split()[0].lstrip("'").lstrip('"')
    first = re.split(r"[.,?!'\"]", word, maxsplit=1)[0].lower()
    return count == arguments["num_paragraphs"] and first == arguments["first_word"].lower()


# ---- content and format -----------------------------------------------------------------------------------------


def _placeholders(text: str, arguments: Arguments) -> bool:
    return sum(map(_bracketed, text.split("\n"))) >= arguments["num_placeholders"]


def _bracketed(line: str) -> int:
    """How many `[…]` a line has, none within another."""
    count, at = 0, line.find("[")
    while at >= 0 and (end := line.find("]", at)) >= 0:
        count, at = count + 1, line.find("[", end)
    return count


def _postscript(text: str, arguments: Arguments) -> bool:
    marker = arguments["postscript_marker"].strip()
    known = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
    return re.search(known.get(marker, re.escape(marker.lower())), text.lower()) is not None


def _bullets(text: str, arguments: Arguments) -> bool:
    lines = [line.strip() for line in text.split("\n")]
    count = sum(line.startswith("-") or (len(line) > 1 and line[0] == "*" and line[1] != "*") for line in lines)
    return count == arguments["num_bullets"]


def _one_of(text: str, arguments: Arguments) -> bool:
    return any(answer in text for answer in _ANSWERS)


def _highlights(text: str, arguments: Arguments) -> bool:
    single, double = re.findall(r"\*[^\n*]*\*", text), re.findall(r"\*\*[^\n*]*\*\*", text)
    return sum(bool(part.strip("*").strip()) for part in single + double) >= arguments["num_highlights"]


def _sections(text: str, arguments: Arguments) -> bool:
    marks = re.findall(re.escape(arguments["section_spliter"].strip()) + r"\s?\d+", text)
    return len(marks) >= arguments["num_sections"]


def _json(text: str, arguments: Arguments) -> bool:
    bare = re.sub(r"^```(?:json|Json|JSON)?", "", text.strip()).removesuffix("```").strip()
    try:
        json.loads(bare)
    except (ValueError, RecursionError):
        return False
    return True


def _title(text: str, arguments: Arguments) -> bool:
    """`<<…>>` on a line, with something between."""
    for line in text.split("\n"):
        start, end = line.find("<<"), line.rfind(">>")
        if start >= 0 and start + 2 < end and line[start:end].lstrip("<").rstrip(">").strip():
            return True
    return False


def _two(text: str, arguments: Arguments) -> bool:
    parts = [part.strip() for part in text.split("******")]
    said = [part for part in parts if part]
    return all(parts[1:-1]) and len(said) == 2 and said[0] != said[1]


def _repeat(text: str, arguments: Arguments) -> bool:
    return text.strip().lower().startswith(arguments["prompt_to_repeat"].strip().lower())


def _ends(text: str, arguments: Arguments) -> bool:
    return text.strip().strip('"').lower().endswith(arguments["end_phrase"].strip().lower())


def _quoted(text: str, arguments: Arguments) -> bool:
    bare = text.strip()
    return len(bare) > 1 and bare[0] == bare[-1] == '"'


def _no_comma(text: str, arguments: Arguments) -> bool:
    return "," not in text


# ---- language and case ------------------------------------------------------------------------------------------


@cache
def _identifier() -> Any:
    import py3langid

    py3langid.set_languages(list(LANGUAGES))
    return py3langid.classify


def language(text: str) -> str:
    """The ISO 639-1 code of what the text is most likely written in, of LANGUAGES; empty for a text without letters."""
    return str(_identifier()(text.lower()[:4096])[0]) if any(map(str.isalpha, text)) else ""


def _language(text: str, arguments: Arguments) -> bool:
    return language(text) in ("", arguments["language"])  # as officially, what has no language is in any


def _capital_words(text: str, arguments: Arguments) -> bool:
    count = sum(word.isupper() for word in _TOKEN.findall(text))
    return _compared(count, arguments, "capital_frequency", "capital_relation")


def _capital(text: str, arguments: Arguments) -> bool:
    return text.isupper() and language(text) == "en"


def _lowercase(text: str, arguments: Arguments) -> bool:
    return text.islower() and language(text) == "en"


Check = Callable[[str, Arguments], bool]
_WORDS_, _NUMBER, _RELATION = "a list of words", "a whole number", f"one of {', '.join(RELATIONS)}"
_TEXT, _CODE = "a text", f"one of {', '.join(LANGUAGES)}"

CHECKS: dict[str, tuple[Check, dict[str, str]]] = {
    "keywords:existence": (_existence, {"keywords": _WORDS_}),
    "keywords:frequency": (_frequency, {"keyword": _TEXT, "frequency": _NUMBER, "relation": _RELATION}),
    "keywords:forbidden_words": (_forbidden, {"forbidden_words": _WORDS_}),
    "keywords:letter_frequency": (
        _letter_frequency,
        {"letter": _TEXT, "let_frequency": _NUMBER, "let_relation": _RELATION},
    ),
    "language:response_language": (_language, {"language": _CODE}),
    "length_constraints:number_sentences": (_sentences, {"num_sentences": _NUMBER, "relation": _RELATION}),
    "length_constraints:number_paragraphs": (_paragraphs, {"num_paragraphs": _NUMBER}),
    "length_constraints:number_words": (_words, {"num_words": _NUMBER, "relation": _RELATION}),
    "length_constraints:nth_paragraph_first_word": (
        _first_word,
        {"num_paragraphs": _NUMBER, "nth_paragraph": _NUMBER, "first_word": _TEXT},
    ),
    "detectable_content:number_placeholders": (_placeholders, {"num_placeholders": _NUMBER}),
    "detectable_content:postscript": (_postscript, {"postscript_marker": _TEXT}),
    "detectable_format:number_bullet_lists": (_bullets, {"num_bullets": _NUMBER}),
    "detectable_format:constrained_response": (_one_of, {}),
    "detectable_format:number_highlighted_sections": (_highlights, {"num_highlights": _NUMBER}),
    "detectable_format:multiple_sections": (_sections, {"section_spliter": _TEXT, "num_sections": _NUMBER}),
    "detectable_format:json_format": (_json, {}),
    "detectable_format:title": (_title, {}),
    "combination:two_responses": (_two, {}),
    "combination:repeat_prompt": (_repeat, {"prompt_to_repeat": _TEXT}),
    "startend:end_checker": (_ends, {"end_phrase": _TEXT}),
    "startend:quotation": (_quoted, {}),
    "change_case:capital_word_frequency": (
        _capital_words,
        {"capital_frequency": _NUMBER, "capital_relation": _RELATION},
    ),
    "change_case:english_capital": (_capital, {}),
    "change_case:english_lowercase": (_lowercase, {}),
    "punctuation:no_comma": (_no_comma, {}),
}
"""Instruction → its check, and what each argument is."""

_FITS: dict[str, Callable[[Any], bool]] = {
    _WORDS_: lambda v: isinstance(v, list) and 0 < len(v) <= 100 and all(isinstance(w, str) and w for w in v),
    _NUMBER: lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= 0,
    _RELATION: lambda v: v in RELATIONS,
    _TEXT: lambda v: isinstance(v, str) and bool(v.strip()),
    _CODE: lambda v: v in LANGUAGES,
}


def checked(name: str, arguments: Arguments) -> None:
    """Raise ValueError, with what was expected, unless there is such an instruction with such arguments."""
    if not isinstance(name, str) or name not in CHECKS:
        raise ValueError(f"no instruction {name!a:.60}; expected one of {', '.join(CHECKS)}")
    for key, kind in CHECKS[name][1].items():
        if not _FITS[kind](arguments.get(key)):
            raise ValueError(f"{name}: expected {key} as {kind}, found {arguments.get(key)!a:.60}")


def follows(text: str, name: str, arguments: Arguments) -> bool:
    """Strictly: whether the text as it is, not empty, follows the instruction."""
    return bool(text.strip()) and CHECKS[name][0](text, arguments)


def follows_loosely(text: str, name: str, arguments: Arguments) -> bool:
    """Whether the text follows it, or does without its first line, its last or both, with or without asterisks."""
    lines = text.split("\n")
    cut = [text, *("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1]))]
    versions = dict.fromkeys(version for part in cut for version in (part, part.replace("*", "")))
    return any(follows(version, name, arguments) for version in versions)
