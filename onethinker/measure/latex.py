r"""Text of a mathematical answer → LaTeX without dress: no dollars, boxes, emphasis, spacing commands, Unicode signs.

`plain("**½ cm**")` is `\frac{1}{2} cm`. What is dressed differently but written alike becomes the same text; nothing is
calculated here.
"""

from __future__ import annotations

import re
import unicodedata

DOLLARS = "¤"
"""Stands for a dollar sign that means money; every other `$` is a delimiter and goes."""

_SIGNS = str.maketrans(
    {
        "−": "-", "﹣": "-", "‐": "-", "‑": "-", "⁻": "-", "·": r"\cdot ", "⋅": r"\cdot ", "×": r"\cdot ",
        "∗": "*", "÷": "/", "⁄": "/", "∕": "/", "π": r"\pi ", "∞": r"\infty ", "°": r"^\circ ", "º": r"^\circ ",
        "≤": r"\le ", "⩽": r"\le ", "≥": r"\ge ", "⩾": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "±": r"\pm ",
        "∓": r"\mp ", "∪": r"\cup ", "∩": r"\cap ", "∅": r"\emptyset ", "∈": r"\in ", "ℝ": r"\mathbb{R}",
        "△": r"\triangle ", "∠": r"\angle ", "⟨": r"\langle ", "⟩": r"\rangle ", "…": r"\ldots ", "⋯": r"\ldots ",
        "θ": r"\theta ", "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "λ": r"\lambda ", "μ": r"\mu ",
        "ω": r"\omega ", "φ": r"\phi ", "σ": r"\sigma ", "ρ": r"\rho ", "Δ": r"\Delta ", "Ω": r"\Omega ",
        "。": ".", "、": ",", "\u00a0": " ", "\u202f": r"\,", "\u2009": r"\,", "“": "", "”": "", '"': "",
        "\u200b": "", "\ufeff": "",
    }
    | {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
)  # fmt: skip
_RAISED = {char: unicodedata.normalize("NFKC", char) for char in "⁰¹²³⁴⁵⁶⁷⁸⁹ⁿⁱ"} | {"⁻": "-", "⁺": "+"}
_LOWERED = {char: unicodedata.normalize("NFKC", char) for char in "₀₁₂₃₄₅₆₇₈₉"}
_RAISED_RUN = re.compile(f"[{''.join(_RAISED)}]+")
_LOWERED_RUN = re.compile(f"[{''.join(_LOWERED)}]+")
_VULGAR = re.compile("[¼-¾⅐-⅞]")
_ROOT = re.compile(r"√\s*(?:(\d+(?:\.\d+)?|[A-Za-z])|\(([^()]*)\)|\{([^{}]*)\})")
_NUMBER_ROOT = re.compile(r"(?<![A-Za-z\\])sqrt\s*(?:\(([^()]*)\)|\{([^{}]*)\}|(\d+))")

_EMPHASIS = re.compile(r"(?<![\w*])(\*\*|__|\*|`)(?=[^\s*])([^*`]*?[^\s*`])\1(?![\w*])")
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_DELIMITERS = re.compile(r"(?<!\\)\\[()\[\]]|\$")
_MONEY = re.compile(r"\\\$")
_LONE_MONEY = re.compile(r"[^$]*?(?<!\\)\$(?=\s?[\d.])[^$]*")
_THOUSANDS = re.compile(r"(?<=\d)(?:\\,|\{,\}|,\\!|\\ |\{\\,\})(?=\d{3}(?!\d))")
_SPACING = re.compile(r"(?<!\\)\\(?:[,;:> ]|quad\b|qquad\b|displaystyle\b|textstyle\b|limits\b|nolimits\b)|~")
_SIZES = re.compile(r"\\!|\\(?:left|right|bigl?|bigr|Bigl?|Bigr|bigg[lr]?|Bigg[lr]?)(?![a-zA-Z])\s*\.?")
_TEXT = re.compile(r"\\(?:text(?:bf|it|rm|normal)?|mbox|math(?:rm|bf|it|sf)|operatorname)\s*\{([^{}]*)\}")
_DEGREES = re.compile(r"\s*\^\s*(?:\\circ|\{\s*\\circ\s*\})\s*|\s*\\degree(?![a-zA-Z])\s*")
_FIRST_OF_FRACTION = re.compile(r"\\frac(?:\s+(?=[\w{\\]))?(?!\s*\{)(\d|[A-Za-z]|\\pi(?![a-zA-Z]))\s*")
_SECOND_OF_FRACTION = re.compile(r"(\\frac\{(?:[^{}]|\{[^{}]*\})*\})\s*(\d|[A-Za-z])")
_SHORT_ROOT = re.compile(r"\\sqrt\s*(\d|[A-Za-z])")
_SHORT_POWER = re.compile(r"([\^_])\s*(-\d+)")
_RENAMED = [
    (re.compile(r"\\(?:dfrac|tfrac|cfrac)(?![a-zA-Z])"), r"\\frac"),
    (re.compile(r"\\(?:times|ast|bullet)(?![a-zA-Z])"), r"\\cdot "),
    (re.compile(r"\\div(?![a-zA-Z])"), "/"),
    (re.compile(r"\\leq?(?:slant)?(?![a-zA-Z])|<=|=<"), r"\\le "),
    (re.compile(r"\\geq?(?:slant)?(?![a-zA-Z])|>="), r"\\ge "),
    (re.compile(r"\\neq?(?![a-zA-Z])|!="), r"\\ne "),
    (re.compile(r"\\lt(?![a-zA-Z])"), "<"),
    (re.compile(r"\\gt(?![a-zA-Z])"), ">"),
    (re.compile(r"\\(?:varnothing|empty)(?![a-zA-Z])"), r"\\emptyset "),
    (re.compile(r"\\l?dots(?:c|b|o)?(?![a-zA-Z])|\\cdots(?![a-zA-Z])|\.{3,}"), r"\\ldots "),
    (re.compile(r"\\lbrace(?![a-zA-Z])"), r"\\{"),
    (re.compile(r"\\rbrace(?![a-zA-Z])"), r"\\}"),
    (re.compile(r"\\(?:lvert|rvert|vert|mid)(?![a-zA-Z])"), "|"),
    (re.compile(r"\\%"), "%"),
    (re.compile(r"\\([&#_])"), r"\1"),
    (re.compile(r"\\var(theta|phi|epsilon)(?![a-zA-Z])"), r"\\\1"),
    (re.compile(r"(?<![A-Za-z\\])pi(?![A-Za-z])"), r"\\pi "),
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"(?<=\d)\s*[xX]\s*(?=10\s*\^)"), r" \\cdot "),
    (re.compile(r"\\lg(?![a-zA-Z])"), r"\\log_{10}"),
]
_LEAD = re.compile(
    r"(?:(?:so|thus|hence|therefore),?\s+)?(?:the\s+)?(?:(?:final|correct)\s+)?(?:answer|result)\s*(?:is|=|:)\s*:?\s*",
    re.IGNORECASE,
)
_ROUGHLY = re.compile(r"(?:\\approx|\\simeq|approximately|about|roughly|around)\s*(?=[-+\d¤.\\])", re.IGNORECASE)
_SPACES = re.compile(r"\s+")


def plain(text: str) -> str:
    r"""The answer without its dress. Braces of sets stay `\{`, `\}`; degrees are the word "deg"."""
    text = _from_unicode(text)
    if text.count("$") == 1 and _LONE_MONEY.fullmatch(text):
        text = text.replace("$", DOLLARS)
    text = _DELIMITERS.sub(" ", _MONEY.sub(DOLLARS, text))
    text = _EMPHASIS.sub(r"\2", _EMPHASIS.sub(r"\2", text.strip()))
    text = _SIZES.sub("", _unboxed(_THOUSANDS.sub("", text)))
    text = _TEXT.sub(r" \1 ", _TEXT.sub(r" \1 ", _SPACING.sub(" ", text)))
    for pattern, name in _RENAMED:
        text = pattern.sub(name, text)
    text = _DEGREES.sub(" deg ", text)
    text = _FIRST_OF_FRACTION.sub(r"\\frac{\1}", text)
    text = _SECOND_OF_FRACTION.sub(r"\1{\2}", text)
    text = _NUMBER_ROOT.sub(lambda m: rf"\sqrt{{{m[1] or m[2] or m[3] or ''}}}", text)
    text = _SHORT_POWER.sub(r"\1{\2}", _SHORT_ROOT.sub(r"\\sqrt{\1}", text))
    text = _SPACES.sub(" ", text).strip()
    text = _ROUGHLY.sub("", _LEAD.sub("", text, count=1) if _LEAD.match(text) else text, count=1)
    text = re.sub(r" ?([\^_]) ?", r"\1", text)
    return re.sub(r"(?:\s*[.,;:])+$", "", text.strip()) if len(text) > 1 else text


def _from_unicode(text: str) -> str:
    """Unicode's signs, fractions, roots, raised and lowered digits as LaTeX."""
    if text.isascii():
        return text.replace('"', "")
    text = _RAISED_RUN.sub(lambda run: "^{" + "".join(_RAISED[char] for char in run[0]) + "}", text)
    text = _LOWERED_RUN.sub(lambda run: "_{" + "".join(_LOWERED[char] for char in run[0]) + "}", text)
    text = _VULGAR.sub(_fraction, unicodedata.normalize("NFC", text))
    return _ROOT.sub(lambda m: rf"\sqrt{{{m[1] or m[2] or m[3] or ''}}}", text.translate(_SIGNS))


def _fraction(char: re.Match[str]) -> str:
    top, _, bottom = unicodedata.normalize("NFKC", char[0]).partition("⁄")
    return rf"\frac{{{top}}}{{{bottom}}}"


def _unboxed(text: str) -> str:
    r"""`\boxed{…}` → what it holds, in every place and depth."""
    for _ in range(4):
        found = _BOX.search(text)
        if found is None:
            break
        end = closing(text, found.end() - 1)
        if end < 0:
            break
        text = text[: found.start()] + " " + text[found.end() : end] + " " + text[end + 1 :]
    return text


def closing(text: str, start: int) -> int:
    """The place of the brace or bracket that closes the one at `start`; −1 where none does."""
    depth = 0
    for place in range(start, len(text)):
        if text[place] in "{([":
            depth += 1
        elif text[place] in "})]":
            depth -= 1
            if depth == 0:
                return place
    return -1


def split(text: str, separators: re.Pattern[str]) -> list[str]:
    """The parts of a text between separators that stand in no bracket."""
    parts, depth, begin, place = [], 0, 0, 0
    while place < len(text):
        char = text[place]
        if char in "{([":
            depth += 1
        elif char in "})]":
            depth -= 1
        found = separators.match(text, place) if depth == 0 else None
        if found and found.end() > place:
            parts.append(text[begin:place].strip())
            begin = place = found.end()
        else:
            place += 1
    return [*parts, text[begin:].strip()]
