r"""Numbers, units, times of day and dates as they stand in the plain LaTeX of `latex.plain`.

A unit stands after a number: of what it measures ("m": length) and how many of the base unit it is ("cm": 1/100 m).
Words that are no known unit ("12 apples") name what is counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from onethinker.measure.latex import DOLLARS

# ---- numbers ----------------------------------------------------------------------------------------------------

MEANT_DIGITS = 4
"""Digits that a decimal fraction has to have to stand for the irrational or endless value that it is rounded from."""
CLOSE = Fraction(5, 10**7)
"""Half of the sixth decimal; of numbers below 1 half of the sixth digit. Nearer decimal fractions are the same."""
NOISE = Fraction(1, 10**9)
"""How far a decimal fraction may be from the whole number that it is, by the rounding of a machine."""


@dataclass(frozen=True, slots=True)
class Number:
    """step: the place value of a decimal fraction's last digit ("2.50": 1/100); None for exact numbers."""

    value: Fraction
    step: Fraction | None = None


_DECIMAL = re.compile(
    r"([+-]?)\s*(\d{1,3}(?:,\d{3})+|\d{1,2000})?(?:\.(\d{0,400}))?"
    r"(?:[eE]([+-]?\d{1,3})|\s*(?:\\cdot|\*)\s*10\^(?:\{\s*([+-]?\d{1,3})\s*\}|(\d)))?"
)
_REPEATING = re.compile(r"([+-]?)(\d{1,15})?\.(\d{0,15})\\(?:overline|bar|dot)\{\s*(\d{1,15})\s*\}")
_POWER = re.compile(r"([+-]?)\s*10\^(?:\{\s*([+-]?\d{1,3})\s*\}|(\d))")
_WHOLE = r"\d{1,300}"
_FRACTION = re.compile(
    rf"([+-]?)\s*(?:({_WHOLE})(?:\s+|(?=\\)))?"
    rf"(?:([+-]?{_WHOLE})\s*/\s*({_WHOLE})|\\frac\{{\s*([+-]?{_WHOLE})\s*\}}\{{\s*([+-]?{_WHOLE})\s*\}})"
)


def read_number(text: str) -> Number | None:
    """The number that a text is: decimal, in powers of ten, with thousands separators, a fraction or a mixed number."""
    match = _DECIMAL.fullmatch(text)
    if match and (match[2] or match[3]):
        whole, decimals = (match[2] or "").replace(",", ""), match[3] or ""
        power = int(match[4] or match[5] or match[6] or 0)
        value = Fraction(int(whole + decimals)) * Fraction(10) ** (power - len(decimals))
        exact = not decimals and match[4] is None and match[5] is None and match[6] is None
        step = None if exact else Fraction(10) ** (power - len(decimals))
        return Number(-value if match[1] == "-" else value, step)
    match = _REPEATING.fullmatch(text)
    if match:
        before, again = match[3], match[4]
        once = Fraction(int((match[2] or "0") + before), 10 ** len(before))
        value = once + Fraction(int(again), 10 ** len(before) * (10 ** len(again) - 1))
        return Number(-value if match[1] == "-" else value)
    match = _POWER.fullmatch(text)
    if match:
        value = Fraction(10) ** int(match[2] or match[3])
        return Number(-value if match[1] == "-" else value)
    match = _FRACTION.fullmatch(text)
    if match:
        top, bottom = int(match[3] or match[5]), int(match[4] or match[6])
        if not bottom or (match[2] and (top < 0 or bottom < 0)):
            return None
        value = Fraction(top, bottom) + int(match[2] or 0)
        return Number(-value if match[1] == "-" else value)
    return None


def same_number(a: Number, b: Number) -> bool:
    """Whether two numbers are the same: exactly, or to six digits and six decimals where one is a decimal fraction and
    the other no whole number.

    A decimal fraction of at least MEANT_DIGITS digits is also the fraction that it is rounded from (0.3333 and 1/3).
    """
    if a.value == b.value:
        return True
    if a.step is None and b.step is None:
        return False
    whole = any(side.step is None and side.value.denominator == 1 for side in (a, b))
    if close(a.value, b.value, NOISE if whole else CLOSE):
        return True
    decimal, exact = (a, b) if b.step is None else (b, a)
    return exact.step is None and exact.value.denominator > 1 and rounds_to(decimal, exact.value)


def close(a: Fraction, b: Fraction, within: Fraction = CLOSE) -> bool:
    """Whether two values differ by less than `within`, of the smaller one if that is below 1."""
    return abs(a - b) < within * min(Fraction(1), abs(a), abs(b))


def rounds_to(decimal: Number, exact: Fraction) -> bool:
    """Whether a decimal fraction of at least MEANT_DIGITS digits is what an exact value is rounded to."""
    step = decimal.step
    if step is None or abs(decimal.value) < step * 10 ** (MEANT_DIGITS - 1):
        return False
    return 2 * abs(decimal.value - exact) <= step


# ---- units ------------------------------------------------------------------------------------------------------

Unit = tuple[tuple[tuple[str, int], ...], Fraction]
"""What is measured, as base units and their powers in order, and how many of them one is."""

PERCENT: Unit = ((("percent", 1),), Fraction(1))

_KINDS: dict[str, dict[str, tuple[str, ...]]] = {
    "m": {
        "1": ("m", "meter", "metre"), "1/1000": ("mm", "millimeter", "millimetre"),
        "1/100": ("cm", "centimeter", "centimetre"), "1/10": ("dm", "decimeter", "decimetre"),
        "1000": ("km", "kilometer", "kilometre"), "0.0254": ("in", "inch", "inches"),
        "0.3048": ("ft", "foot", "feet"), "0.9144": ("yd", "yard"), "1609.344": ("mi", "mile"),
        "1/1000000": (r"\mu m", "micrometer"), "1/1000000000": ("nm", "nanometer"),
    },
    "kg": {
        "1": ("kg", "kilogram"), "1/1000": ("g", "gram"), "1/1000000": ("mg", "milligram"),
        "1000": ("tonne", "t"), "0.45359237": ("lb", "lbs", "pound"), "0.028349523125": ("oz", "ounce"),
    },
    "s": {
        "1": ("s", "sec", "second"), "60": ("min", "minute"), "3600": ("h", "hr", "hour"), "86400": ("day",),
        "604800": ("week",), "1/1000": ("ms", "millisecond"),
    },
    "year": {"1": ("year", "yr"), "1/12": ("month",)},
    "A": {"1": ("A", "amp", "ampere")}, "V": {"1": ("V", "volt")},
    "W": {"1": ("W", "watt"), "1000": ("kW", "kilowatt")},
    "J": {"1": ("J", "joule"), "1000": ("kJ", "kilojoule")}, "N": {"1": ("N", "newton")}, "Pa": {"1": ("Pa", "pascal")},
    "ohm": {"1": (r"\Omega", "ohm")}, "Hz": {"1": ("Hz", "hertz")}, "mol": {"1": ("mol", "mole")},
    "K": {"1": ("K", "kelvin")}, "C": {"1": ("deg C", "degree Celsius", "C")},
    "F": {"1": ("deg F", "degree Fahrenheit")},
    "degree": {"1": ("deg", "degree")}, "radian": {"1": ("rad", "radian")},
    "percent": {"1": ("%", "percent", "pct")},
    "dollar": {"1": (DOLLARS, "dollar", "USD", "usd"), "1/100": ("cent", "¢")},
    "euro": {"1": ("€", "euro", "EUR")}, "sterling": {"1": ("£", "GBP")}, "yen": {"1": ("¥", "yen", "JPY")},
    "rupee": {"1": ("₹", "rupee", "Rs", "INR")},
    "": {"1": ("unit",)},
}  # fmt: skip
_COMPOUND = {
    "L": (("m", 3), "1/1000"), "l": (("m", 3), "1/1000"), "liter": (("m", 3), "1/1000"), "litre": (("m", 3), "1/1000"),
    "mL": (("m", 3), "1/1000000"), "ml": (("m", 3), "1/1000000"), "milliliter": (("m", 3), "1/1000000"),
    "hectare": (("m", 2), "10000"), "ha": (("m", 2), "10000"),
}  # fmt: skip
_SPEEDS = {"mph": "mi/h", "kph": "km/h", "km/hr": "km/h"}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
_SIGNED = rf"{DOLLARS}€£¥₹"
_NO_NOUN = {
    "or", "and", "not", "no", "to", "if", "is", "than", "more", "less", "least", "most", "over", "under", "per",
    "times", "minus", "plus", "of", "by", "mod", "am", "pm", "the", "in", "at", "only", "half", "halves", "third",
    "thirds", "quarter", "quarters", "squared", "cubed", "dozen", "score", "pi", *_SCALES,
}  # fmt: skip


@cache
def _known() -> dict[str, Unit]:
    """Every name of a unit, plurals with it."""
    known: dict[str, Unit] = {}
    for base, sizes in _KINDS.items():
        for size, names in sizes.items():
            measured = ((base, 1),) if base else ()
            for name in names:
                known[name] = known[name if len(name) < 3 else name + "s"] = (measured, Fraction(size))
    for name, (measure, size) in _COMPOUND.items():
        known[name] = known[name if len(name) < 3 else name + "s"] = ((measure,), Fraction(size))
    return known | {"degrees Celsius": known["deg C"], "degrees Fahrenheit": known["deg F"]}


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """One unit with its power, and a whole unit at the end of a text."""
    names = "|".join(re.escape(name) for name in sorted(_known(), key=len, reverse=True))
    one = rf"(?:(square|sq\.?|cubic|cu\.?)\s+)?({names})(?![A-Za-z])(?:\^(?:(-?\d)|\{{(-?\d)\}})|\s+(squared|cubed))?"
    plain_one = re.sub(r"\((?!\?)", "(?:", one)
    joined = rf"{plain_one}(?:\s*(?:/|\\cdot|\*|\s+per\s+)\s*{plain_one}|\s+{plain_one})*"
    return re.compile(rf"\s*(/|\\cdot|\*|per(?=\s))?\s*{one}"), re.compile(rf"(?<![A-Za-z\\]){joined}$")


def read_unit(text: str) -> Unit | None:
    """The unit that a text is: "cm^2", "km/h", "square feet", "meters per second"; None for any other text."""
    text = _SPEEDS.get(text, text)
    one, _ = _patterns()
    powers: dict[str, int] = {}
    size, place, sign = Fraction(1), 0, 1
    while place < len(text):
        match = one.match(text, place)
        if match is None or (match[1] and not place):
            return None
        sign = -1 if match[1] in ("/", "per") else sign
        words = {"sq": 2, "sq.": 2, "square": 2, "cu": 3, "cu.": 3, "cubic": 3, "squared": 2, "cubed": 3}
        power = sign * int(match[4] or match[5] or words.get(match[2] or match[6] or "", 1))
        measured, each = _known()[match[3]]
        for base, times in measured:
            powers[base] = powers.get(base, 0) + times * power
        size *= each**power
        place = match.end()
    return tuple(sorted((base, power) for base, power in powers.items() if power)), size


_NOUN = re.compile(r"[A-Za-z]{3,20}(?: [A-Za-z]{2,20}){0,2}")


def split_unit(text: str) -> tuple[str, Unit | str | None, Fraction]:
    """("12", unit, 1) of "12 cm"; ("3.5", None, 10⁶) of "3.5 million"; ("12", "apple", 1) of "12 apples"; else whole.

    A unit of one letter stands apart from its number ("12 m"): "12m" is a product.
    """
    unit: Unit | str | None = None
    if text[:1] in _SIGNED or text[:2] in ("-" + sign for sign in _SIGNED):
        sign = text[0] == "-"
        unit, text = read_unit(text[sign]), "-" * sign + text[1 + sign :].strip()
        text = re.sub(r"\s*(?:USD|dollars?|EUR|euros?)$", "", text)
    else:
        text = re.sub(r"(?:US|CA|AU)(?=¤)", "", text)
    if unit is None:
        text, unit = _trailing_unit(text)
    scale = Fraction(1)
    first, _, last = text.rpartition(" ")
    if first and last in _SCALES and first[-1:] in "0123456789}":
        text, scale = first, Fraction(_SCALES[last])
    return text, unit, scale


def _trailing_unit(text: str) -> tuple[str, Unit | str | None]:
    for apart in _SPEEDS:
        if text.endswith(apart):
            return text.removesuffix(apart).strip(), read_unit(apart)
    match = _patterns()[1].search(text)
    if match and match.start():
        first, name = text[: match.start()], match[0]
        unit = read_unit(name)
        attached = not first.endswith(" ") and len(re.split(r"[/^\s]", name)[0]) == 1 and name[0].isalpha()
        if unit is not None and not attached:
            return first.strip(), unit
    first, _, rest = text.partition(" ")
    while rest and not _NOUN.fullmatch(rest):
        more, _, rest = rest.partition(" ")
        first = f"{first} {more}"
    words = rest.split()
    if words and not _NO_NOUN.intersection(word.lower() for word in words):
        return first, " ".join(word.lower().removesuffix("s") for word in words)
    return text, None


# ---- times and dates --------------------------------------------------------------------------------------------

_CLOCK = re.compile(r"(\d{1,2})(?::([0-5]\d)(?::([0-5]\d))?)?\s*(?:([AaPp])\.?\s?[Mm]\.?|o'clock)?")
_RATIO = re.compile(r"(\d{1,15})(?:\s*:\s*(\d{1,15}))+")
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_DATES = [
    re.compile(r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})"),
    re.compile(rf"(?P<n>{_MONTH})\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s+(?P<y>\d{{4}}))?", re.IGNORECASE),
    re.compile(rf"(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<n>{_MONTH})(?:,?\s+(?P<y>\d{{4}}))?", re.IGNORECASE),
]
_NUMERIC_DATE = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})")


def read_clock(text: str) -> int | None:
    """Seconds since midnight of "3:30 pm", "15:30", "3 PM"; without am or pm as a clock of 24 hours."""
    match = _CLOCK.fullmatch(text)
    if match is None or text.isdigit():
        return None
    hours, minutes, seconds = (int(match[n] or 0) for n in (1, 2, 3))
    if hours > 24 or (match[4] and not 1 <= hours <= 12):
        return None
    if match[4]:
        hours = hours % 12 + 12 * (match[4] in "Pp")
    return hours * 3600 + minutes * 60 + seconds


def read_ratio(text: str) -> tuple[Fraction, ...] | None:
    """ "4:6" as parts of the first that is not 0: (1, 3/2)."""
    if _RATIO.fullmatch(text) is None:
        return None
    parts = [int(part) for part in text.split(":")]
    unit = next((part for part in parts if part), 1)
    return tuple(Fraction(part, unit) for part in parts)


def read_date(text: str) -> tuple[str, ...] | None:
    """Year, month and day, each as a number without leading zeros, "" for no year.

    "3/4/2024" may be of March or April: its three numbers as they stand, equal to no other form of a date.
    """
    for pattern in _DATES:
        match = pattern.fullmatch(text)
        if match:
            parts = match.groupdict()
            month = parts.get("m") or str(1 + _MONTHS.index(parts["n"][:3].lower()))
            return (parts["y"] or "", month.lstrip("0"), parts["d"].lstrip("0"))
    match = _NUMERIC_DATE.fullmatch(text)
    return ("as written", match[1].lstrip("0"), match[3].lstrip("0"), match[4]) if match else None
