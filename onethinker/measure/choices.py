"""Which option an answer names. `text.choice` and `text.choice_lenient` are these."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

_MAX_CHARS = 10_000
_CONTEXT = 100  # characters before a letter in which a word may say no to it
_DRESS = re.compile(
    r"[*_`$ \t\r\f\v{}\"“”„「」『』]+|\\[()\[\]]|\\(?:boxed|fbox|text(?:bf|rm)?|math(?:bf|rm))(?![a-zA-Z])|(?m:^\s*#+)"
)
_QUOTED_LETTER = re.compile(r"(?<!\w)['‘’]([A-Za-z])['‘’](?!\w)")
_SPACE = re.compile(r" +")
_WIDE = (
    {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
    | {code: chr(code - 0x24B6 + ord("A")) for code in range(0x24B6, 0x24D0)}  # Ⓐ
    | {ord("。"): ".", ord("、"): ",", ord("【"): "[", ord("】"): "]"}
)

# ---- what may stand before and after a letter -------------------------------------------------------------------

_LEAD = re.compile(
    r"(?:(?:so|thus|hence|therefore|definitely|probably)\b,? |(?:[-–→•]|=>) ?"
    r"|(?:(?:the|my) )?(?:(?:correct|final|right|best) )?(?:answer|option|choice|ans)\b"
    r"(?: is| would be| should be| must be)?(?: therefore)?\b ?[.:=]? ?"
    r"|(?:i(?: would| will|['’]d|['’]ll)? )?(?:choose|pick|select|go with|say) "
    r"|(?:it|that) (?:is|must be|should be|would be) |(?:it|that)['’]s "
    r"|(?:正确|最终|我的)?(?:答案|选项)(?:是|为|应该是|应为|选)? ?:? ?|(?:所以|我|应|应该|故)?选(?:择)? ?:? ?)+",
    re.IGNORECASE,
)
_RIGHT = (
    r"is (?:the )?(?:most likely )?(?:correct|right|best)(?: (?:answer|option|choice))?|is (?:the|my) (?:answer|choice)"
)
_LETTER = re.compile(
    r"[(\[<]? ?([A-Za-z]) ?[)\]>]?(?: ?[.:,;!])*"
    rf"(?: (?:{_RIGHT}|it is|for sure) ?[.!]?|(?:选项)?(?:是)?(?:正确|对)的?[.!]?|选项[.!]?)?"
)
_LETTER_AND_TEXT = re.compile(
    r"(?:[(\[<]([A-Za-z])[)\]>] ?[.:,;]?"  # (D) text
    r"|([A-Z]) ?[.:),;]"  # D. text, D:text, D) text, D, text
    r"|([a-z]) ?[.:)](?=[ \n])"  # d. text, but not e.g.
    r"|([A-Z]) ?[-–—=/](?= )"  # D - text
    r"|([A-Za-z]) ?(?=\n)"  # D, and the text on the next line
    rf"|([A-Z])(?= (?:because|since|as|due to|{_RIGHT})\b)"  # D because
    r"|([A-Z])(?= )"  # D text: says something only if the text is the option's own
    r")\s*(.+)",
    re.DOTALL,
)
_SPACED = 7  # the group of the last of these
_OPTION = r"[(\[<]?(?-i:([A-Z]))(?![\w'’+#-])[)\]>]?"
_ANNOUNCED = re.compile(
    r"(?:\b(?:answer|option|choice)(?: is| should be| must be)?|\bI (?:choose|pick|select)|答案(?:是|为)?|选(?:择)?|\n)"
    rf"[:=]? ?(?:option |choice )?{_OPTION}(?=\s*(?:[.,:;!]|$|\n|because\b))",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?]\s|\n")

# ---- letters within a text, for lenient reading -----------------------------------------------------------------

_CUE = re.compile(
    r"(?:\b(?:answer|option|choice|letter|choose|chose|pick|select|go with|going with|think|say|believe|guess"
    r"|probably|maybe|perhaps|likely|(?:it|that) is|it['’]s|must be|should be|would be|so|thus|hence|therefore"
    r"|but)\b|答案|选|是|为)"
    rf"[:,=]? ?(?:is |be |option |choice )?{_OPTION}"
    r"(?=\s*(?:[.,:;!)/&]|$|\n|(?:because|since|as|which|is|or|and|nor)\b))",
    re.IGNORECASE,
)
_IN_BRACKETS = re.compile(r"(?<!\w)[(\[]([A-Z])[)\]]|(?<![\w)\]])[(\[]([a-z])[)\]]")
_JUDGED = re.compile(rf"(?<![\w'’])([A-Z]) (?={_RIGHT})")
_OWN_LINE = re.compile(r"(?:^|\n)[(\[]?([A-Z])[)\]]?[.!]?(?=\n|$)")
_LAST = re.compile(r"(?<![\w'’])([A-Z])[.!]?$")
_JOINED = re.compile(
    r"(?<![\w'’])([A-Z])[)\]]? ?(?:[/&+,;]|[,;]? ?(?:or|and|nor)) ?(?:maybe |perhaps |possibly |also )?"
    r"[(\[]?([A-Z])(?![\w'’])"
)
_NAMED = re.compile(
    r"(?<![\w'’])[(\[]?([A-Z])(?:[)\].:,;/&]|$|\n|(?= (?:or|and|nor|is)\b))"
    r"|\b(?:or|and|nor|not|option|choice) [(\[]?([A-Z])(?![\w'’])"
)
_NO = (
    r"\b(?:not|never|neither|nor|except|(?:anything|nothing|all|everything|any|option|one) but|without|than|instead of"
    r"|unlike|over)|n['’]t|rul\w+ out|eliminat\w+|exclud\w+|不是|不选"
)
_NEGATED = re.compile(rf"(?:{_NO})(?: (?:the|an?|option|choice|answer|be|is|it))* ?$", re.IGNORECASE)
_DENIED = re.compile(rf"{_NO}|\b(?:doubt|unlikely|whether|if|could|can|why)\b|\bshould I\b", re.IGNORECASE)
_CLAUSE = re.compile(r"[,;.!?\n]|\b(?:so|but|because)\b")
_REJECTED = re.compile(
    r"[)\]]?,? (?:is|are|was|seems|looks|can be|must be) ?(?:definitely |clearly |probably |also )?"
    r"(?:not|n['’]t|never|wrong|incorrect|false|ruled out|eliminated|impossible|unlikely)\b"
    r"|[)\]]? (?:isn|wasn|can|doesn)['’]t\b|[)\]]? (?:does|do|can|could|would|should)(?: not|not|n['’]t)\b",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"\b(?:not (?:sure|certain|correct|right|possible)|unsure|(?:don['’]?t|do not|cannot|can['’]?t) \w+|wrong|incorrect"
    r"|unclear|unknown)\b",
    re.IGNORECASE,
)
_SECOND = re.compile(r"[A-Za-z][.)\]]?|(?:or|and|nor|&|/)(?![a-z]).*", re.DOTALL)


def choice(text: str, options: Sequence[str] = ()) -> str | None:
    """The upper-case letter of the one option that a text names, or None.

    Read are a letter in any usual dress ("D", "(D)", "D.", "**D**", "Option D", "The answer is D", "（D）", "答案：D"),
    such a letter before a text or a reason that names no other option ("D: 4 cm", "D\\n4 cm", "D because it is long"),
    an option's own text, alone or beside its letter, and a letter that the last sentence announces ("… so the answer is
    D."). None for anything else: a letter within a word, a refusal, several letters, a letter that no option has, a
    letter before the text of another option.

    options: as shown, "A. red", or without letters, then lettered in order; without options every letter is possible.
    """
    if len(text) > _MAX_CHARS:
        return None
    known, plain = _by_letter(tuple(options)), _plain(text)
    bare = _without_lead(plain)
    alone = _LETTER.fullmatch(bare)
    if alone and _possible(alone[1], known):
        return alone[1].upper()
    own = [letter for letter, words in known.items() if words and words in (_words(plain), _words(bare))]
    if own:
        return own[0] if len(own) == 1 else None
    beside = _beside_own_text(bare, known)
    if beside:
        return beside
    letter, rest, parted = _split(bare)
    if letter and _possible(letter, known):
        agrees = _agrees(rest, letter, known)
        if agrees and parted:
            return letter
        if not agrees and not _REJECTED.match(" " + rest):
            return None
    return _announced(plain, known)


def choice_lenient(text: str, options: Sequence[str] = ()) -> str | None:
    """As `choice`, else the one letter that the text settles on, else the one option that it quotes.

    A letter counts in brackets, after a word that announces it ("answer", "choose", "must be"), before a judgement ("D
    is correct") or alone on a line. None where the text says no to it, joins several ("A or B", "A/B"), or quotes
    another option.
    """
    strict = choice(text, options)
    if strict or len(text) > _MAX_CHARS:
        return strict
    known, plain = _by_letter(tuple(options)), _plain(text)
    letter, rest, _ = _split(_without_lead(plain))
    if letter and _possible(letter, known) and _begins(rest, known) - {letter}:
        return None
    letters, quoted = _letters(plain, known), _quoted(plain, known)
    if len(letters) == 1:
        (letter,) = letters
        return letter if quoted <= {letter} else None
    return quoted.pop() if not letters and len(quoted) == 1 and not _names_letter(plain, known) else None


# ---- texts ------------------------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    """Without emphasis, quotes, LaTeX commands around text, double spaces; full-width and circled signs as ASCII."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text).translate(_WIDE)
    text = _QUOTED_LETTER.sub(r"\1", _SPACE.sub(" ", _DRESS.sub(" ", text)))
    return re.sub(r" ?\n\s*", "\n", text).strip()


def _without_lead(plain: str) -> str:
    """Without what only announces: "the answer is", "I choose", "so"."""
    lead = _LEAD.match(plain)
    return plain[lead.end() :] if lead else plain


def _words(plain: str) -> str:
    """For comparing texts: lower case, no full stop, no article, no brackets around the whole, hyphens as spaces.

    A capital "A" may be a letter and is no article.
    """
    words = plain.lower().replace("\n", " ").replace("-", " ").strip(" .!")
    if words.startswith("(") and words.endswith(")"):
        words = words[1:-1]
    return words if plain.startswith("A ") else re.sub(r"^(?:the|an|a) (?=\w)", "", words)


def _split(plain: str) -> tuple[str, str, bool]:
    """("D", "4 cm", True) of "(D) 4 cm" and its like; ("D", "", True) of "D" alone; ("", text, True) of any other text.

    False where nothing but a space stands between letter and text.
    """
    alone = re.fullmatch(r"[(\[<]?([A-Za-z])[)\]>]?[.:]?", plain)
    if alone:
        return alone[1].upper(), "", True
    match = _LETTER_AND_TEXT.fullmatch(plain)
    if match is None:
        return "", plain, True
    letter = next(group for group in match.groups() if group)
    return letter.upper(), match[_SPACED + 1], match[_SPACED] is None


@lru_cache(maxsize=1024)
def _by_letter(options: tuple[str, ...]) -> dict[str, str]:
    """Letter → the option's own text, ready to compare. Remembered: a question is answered several times."""
    plain = [_plain(option) for option in options]
    shown = [_split(option) for option in plain]
    if all(letter and parted for letter, _, parted in shown) and len({letter for letter, *_ in shown}) == len(shown):
        return {letter: _words(text) for letter, text, _ in shown}
    return {chr(ord("A") + place): _words(option) for place, option in enumerate(plain)}


# ---- strict reading ---------------------------------------------------------------------------------------------


def _possible(letter: str, known: Mapping[str, str]) -> bool:
    return not known or letter.upper() in known


def _beside_own_text(bare: str, known: Mapping[str, str]) -> str | None:
    """The letter of an option whose own text stands beside it, however they are parted: "D-4 cm", "4 cm (D)"."""
    first = re.fullmatch(r"[(\[<]?([A-Za-z])(?![A-Za-z0-9'’])\W*(.+)", bare, re.DOTALL)
    for letter, said in ((first[1].upper(), first[2]) if first else ("", ""), _last_letter(bare)):
        if known.get(letter) and _words(said.strip("()[]")) == known[letter]:
            return letter
    return None


def _last_letter(bare: str) -> tuple[str, str]:
    """("D", "4 cm") of "4 cm, option D." and its like; ("", "") of any other text.

    `(.+?)[ ,\n]\W*(?:option )?([A-Z])\W*` by hand, as that pattern takes the square of the length of brackets.
    """
    last = _last_of_a_word(bare)
    if last < 0 or not "A" <= bare[last] <= "Z":
        return "", ""
    for before in (bare[:last].removesuffix("option "), bare[:last]):
        for at in range(max(_last_of_a_word(before) + 1, 1), len(before)):
            if before[at] in " ,\n":
                return bare[last], before[:at]
    return "", ""


def _last_of_a_word(text: str) -> int:
    """The place of the last character that `\w` matches, −1 without one."""
    return next((at for at in range(len(text) - 1, -1, -1) if text[at].isalnum() or text[at] == "_"), -1)


def _agrees(rest: str, letter: str, known: Mapping[str, str]) -> bool:
    """Whether the text after a letter leaves it standing: the option's own, or one that names no other option."""
    own = known.get(letter, "")
    if own and _words(rest) == own:
        return True
    if _SECOND.fullmatch(rest) or _REFUSAL.search(rest) or _REJECTED.match(" " + rest):
        return False
    begun = _begins(rest, known)
    return (not begun or letter in begun) and _names_letter(rest, known) <= {letter}


def _begins(rest: str, known: Mapping[str, str]) -> set[str]:
    """The options with whose text a text begins."""
    words = _words(rest)
    return {at for at, said in known.items() if said and re.match(rf"{re.escape(said)}(?!\w)", words)}


def _announced(plain: str, known: Mapping[str, str]) -> str | None:
    """The letter that the last sentence or line says ("the answer is D", "D"), if none before says another."""
    found = [match for match in _ANNOUNCED.finditer(plain) if _possible(match[1], known)]
    if not found or len({match[1] for match in found}) > 1:
        return None
    rest = plain[found[-1].end() :].strip(" .)]:,;!\n")
    before = _SENTENCE_END.split(plain[: found[-1].start()])[-1]
    if re.search(r"\b(?:not|never|if|whether)\b|n['’]t\b|不", before) or _SENTENCE_END.search(rest):
        return None
    return found[-1][1] if not rest or _agrees(rest, found[-1][1], known) else None


# ---- lenient reading --------------------------------------------------------------------------------------------


def _names_letter(plain: str, known: Mapping[str, str]) -> set[str]:
    """The options' letters that a text names in any way, be it to reject them."""
    found = {match[1] or match[2] for match in _NAMED.finditer(plain)}
    found |= {letter for match in _JOINED.finditer(plain) for letter in match.groups()}
    return {letter for letter in found if _possible(letter, known)}


def _letters(plain: str, known: Mapping[str, str]) -> set[str]:
    """The options' letters that a text settles on: announced, in brackets or joined, and not rejected."""
    found: set[str] = set()
    for pattern in (_CUE, _IN_BRACKETS, _JUDGED, _OWN_LINE):
        for match in pattern.finditer(plain):
            group = next(place for place, letter in enumerate(match.groups(), 1) if letter)
            rejected = _REJECTED.match(plain, match.end(group)) or _denied(plain[: match.start(group)])
            if not rejected and _possible(match[group], known):
                found.add(match[group].upper())
    pairs = [match.groups() for match in _JOINED.finditer(plain)]
    found = found.union(*(pair for pair in pairs if all(_possible(letter, known) for letter in pair)))
    last = _LAST.search(plain)
    if found and last and _possible(last[1], known) and not _denied(plain[: last.start()]):
        found.add(last[1])  # "The answer is A. No, B."
    return found


def _denied(before: str) -> bool:
    """Whether what stands before a letter says no to it, or does not say yes."""
    before = before[-_CONTEXT:].rstrip("([< ")
    return bool(_NEGATED.search(before) or _DENIED.search(_CLAUSE.split(before)[-1]))


def _quoted(plain: str, known: Mapping[str, str]) -> set[str]:
    """The options whose text stands within a text, not rejected, and not as a part of a longer option's."""
    said, found = plain.lower(), set()
    for letter, words in sorted(known.items(), key=lambda item: -len(item[1])):
        if not words:
            continue
        pattern = re.compile(rf"(?<!\w){re.escape(words)}(?!\w)")
        for match in pattern.finditer(said):
            before = said[max(match.start() - _CONTEXT, 0) : match.start()]
            if not _NEGATED.search(before) and not _REJECTED.match(said, match.end()):
                found.add(letter)
        said = pattern.sub("|", said)
    return found
