"""Whether two mathematical answers are equal. `text.math_equal` is this.

Three steps: `latex.plain` takes the dress off, `forms.read` says what an answer is (a number with its unit, an
interval, an equation, words …), and forms of the same kind are compared part by part. Numbers, units, times and words
are decided here; expressions are decided by sympy in a process of its own (`math_worker`), on math-verify's parser.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from onethinker.measure.forms import Expression, Form, Group, Moment, Named, Relation, Value, Words, read, read_text
from onethinker.measure.quantities import PERCENT, Number, Unit, close, rounds_to, same_number

_MAX_CHARS = 2_000
_START_SECONDS = 120.0
_WALL_SECONDS = 5.0  # by the clock, to a second of processor time
_NOT_FINITE = re.compile(r"[+-]?\s*(?:inf|infinity|nan)", re.IGNORECASE)


def math_equal(pred: str, true: str, timeout: float = 2.0) -> bool:
    """Whether two answers are mathematically equal; one that cannot be told to be is not.

    pred, true: LaTeX, bare or in `$…$`, numbers, or words. The order of the two does not matter.
    - Numbers are equal exactly; where one is a decimal fraction, to six digits and six decimals, and one of four digits
      or more is also the endless value that it is rounded from (0.3333 and 1/3, 75.398 and 24π).
    - A unit on one side alone is taken as left out on the other ("12 cm", "12"); two are converted or differ. 50% is 50
      and 0.5.
    - Brackets, and the order within them, count: (1,2), [1,2] and \\{1,2\\} differ. The order of a set or a bare list
      does not, unless it is one with dots, or of words without "and".
    - Words, times, dates and letters in capitals are compared as such: "listen" is not "silent", AB is not BA.
    - Texts that are the same are equal, except those that are read as NaN or an infinite float ("inf").
    timeout: seconds of processor time in all, so that a busy machine changes no verdict; an answer that takes longer is
    not equal. Texts of more than 2,000 characters are only compared as text. Calls from several threads take turns at
    the one process that a process of ours has for expressions; it is started when first needed.
    """
    if max(len(pred), len(true)) > _MAX_CHARS:
        return pred.strip() == true.strip()
    try:
        (a, one), (b, two) = read_text(pred), read_text(true)
    except RecursionError:
        return pred.strip() == true.strip()
    if one is None or two is None or _NOT_FINITE.fullmatch(a) or _NOT_FINITE.fullmatch(b):
        return False
    try:
        return _squeezed(a) == _squeezed(b) or _Comparison(timeout).same(one, two)
    except _Late:
        return False


class _Late(Exception):
    """The process did not answer in time."""


def _squeezed(text: str) -> str:
    """Without the spaces that part nothing."""
    return re.sub(r"(?<![0-9A-Za-z])\s+|\s+(?![0-9A-Za-z])", "", text)


class _Comparison:
    """Compares forms; all that it asks of the process shares one time limit."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def same(self, a: Form, b: Form) -> bool:
        if a == b:
            return True
        a, b = _letter(a), _letter(b)
        if isinstance(a, Named) or isinstance(b, Named):
            return self._named(a, b)
        if isinstance(a, Group) or isinstance(b, Group):
            return self._groups(a, b)
        if isinstance(a, Value) and isinstance(b, Value):
            return self._values(a, b)
        if isinstance(a, Moment) and isinstance(b, Moment):
            if a.clock is not None and b.clock is not None:
                return a.clock == b.clock
            return a.ratio is not None and a.ratio == b.ratio
        if isinstance(a, Relation) and isinstance(b, Relation):
            return self._relations(a, b)
        if isinstance(a, Value | Expression) and isinstance(b, Value | Expression):
            return self._mixed(a, b)
        return False

    def _mixed(self, a: Value | Expression, b: Value | Expression) -> bool:
        """Expressions, and an expression beside a value: "3s" has a unit only if the other side has one."""
        value = next((side for side in (a, b) if isinstance(side, Value)), None)
        if value is None:
            return self._expressions(a.latex, b.latex)
        other = Value(None, (b if value is a else a).latex)
        if value.unit is not None:
            apart = read(re.sub(r"(?<=[0-9])(?=[A-Za-z]$)", " ", other.latex))
            other = apart if isinstance(apart, Value) else other
        return self._values(value, other)

    def _named(self, a: Form, b: Form) -> bool:
        if not (isinstance(a, Named) and isinstance(b, Named)):
            if isinstance(a, Relation) or isinstance(b, Relation):
                return self._relations(*(_relation(side) for side in (a, b)))
            one, two = (side.form if isinstance(side, Named) else side for side in (a, b))
            return self.same(one, two)
        if a.name.casefold() == b.name.casefold() and a.sign == b.sign and self.same(a.form, b.form):
            return True
        return a.sign == b.sign == "=" and self._relations(_relation(a), _relation(b))

    def _groups(self, a: Form, b: Form) -> bool:
        one, two = (side if isinstance(side, Group) else Group("", (side,), False) for side in (a, b))
        kinds = {one.kind, two.kind}
        if len(kinds) > 1 and not kinds <= {"", "{}"}:
            return False
        if len(one.parts) != len(two.parts) or one.columns != two.columns:
            return False
        if one.ordered or two.ordered:
            return all(self.same(x, y) for x, y in zip(one.parts, two.parts, strict=True))
        left = list(two.parts)
        for part in one.parts:
            match = next((place for place, other in enumerate(left) if self.same(part, other)), None)
            if match is None:
                return False
            del left[match]
        return True

    def _values(self, a: Value, b: Value) -> bool:
        sizes = _sizes(a.unit, b.unit)
        return any(self._numbers(a, x, b, y) for x, y in sizes)

    def _numbers(self, a: Value, x: Fraction, b: Value, y: Fraction) -> bool:
        """Whether a·x = b·y."""
        one, two = (_times(v.number, size) for v, size in ((a, x), (b, y)))
        if one is not None and two is not None:
            return same_number(one, two)
        known, other, size = (one, b, y) if two is None else (two, a, x)
        if known is None or known.step is None:
            return self._expressions(*(_multiplied(v.latex, size) for v, size in ((a, x), (b, y))))
        digits = self._ask("value", _multiplied(other.latex, size))
        if not digits:
            return False
        exact = Fraction(digits)
        return close(exact, known.value) or rounds_to(known, exact)

    def _relations(self, a: Form, b: Form) -> bool:
        if not (isinstance(a, Relation) and isinstance(b, Relation)) or a.sign != b.sign:
            return False
        factor = self._ask("multiple", *(f"{side.left}-({side.right})" for side in (a, b)))
        return bool(factor) and (factor > 0 or a.sign in ("=", r"\ne"))

    def _expressions(self, a: str, b: str) -> bool:
        return self._ask("equal", a, b) is True

    def _ask(self, kind: str, *given: str) -> Any:
        """The process's answer; None where one of the texts is no expression that can be read in one way alone."""
        clear = [_clear(text) for text in given]
        if any(text is None for text in clear):
            return None
        answer, took = _worker.ask([kind, *(text or "" for text in clear)], self.seconds)
        self.seconds = max(self.seconds - took, 0.01)
        return answer


def _letter(form: Form) -> Form:
    """A word of one letter as the variable that it may be."""
    return Expression(form.text) if isinstance(form, Words) and len(form.text) == 1 else form


def _relation(form: Form) -> Form:
    """`x = …` as an equation of two sides, an interval as the inequality that it was."""
    if isinstance(form, Named) and form.said:
        return form.said
    if isinstance(form, Named) and form.sign == "=" and isinstance(form.form, Value | Expression):
        return Relation(form.name, "=", form.form.latex)
    return form


def _sizes(a: Unit | str | None, b: Unit | str | None) -> list[tuple[Fraction, Fraction]]:
    """What numbers with the units a and b are to be multiplied by to be compared; nothing where they cannot be."""
    one = Fraction(1)
    if a == b:
        return [(one, one)]
    if a is None or b is None:
        parts = [(one, one)]
        if PERCENT in (a, b):
            parts.append((one, Fraction(100)) if b is None else (Fraction(100), one))
        return parts
    if isinstance(a, str) or isinstance(b, str):
        return []
    return [(a[1], b[1])] if a[0] == b[0] else []


def _times(number: Number | None, size: Fraction) -> Number | None:
    if number is None or size == 1:
        return number
    return Number(number.value * size, None if number.step is None else number.step * size)


def _multiplied(latex: str, size: Fraction) -> str:
    return latex if size == 1 else rf"\frac{{{size.numerator}}}{{{size.denominator}}}\cdot ({latex})"


_FUNCTION = re.compile(
    r"(?<![\\A-Za-z])(arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|log|ln|exp)(?![A-Za-z])"
)
_COMMAND = (
    r"\\(?:frac|sqrt|pi|cdot|sin|cos|tan|cot|sec|csc|arcsin|arccos|arctan|sinh|cosh|tanh|log|ln|exp|binom|infty|pm|"
    r"alpha|beta|gamma|delta|epsilon|zeta|eta|theta|kappa|lambda|mu|nu|xi|rho|sigma|tau|phi|chi|psi|omega|Gamma|Delta|"
    r"Theta|Lambda|Sigma|Phi|Psi|Omega|sum|prod|int|lfloor|rfloor|lceil|rceil)(?![A-Za-z])"
)
_READABLE = re.compile(rf"(?:{_COMMAND}|(?<=\\sqrt)\[[0-9a-z]\]|[0-9A-Za-z\s+*/^_(){{}}|!.-])+")
_UNCLEAR = re.compile(
    r"[0-9]\s+[0-9]|(?<![\\A-Za-z])[A-Za-z]\s+[0-9]"  # 3 4, N 30
    r"|[0-9]_"  # digits of another base
    r"|/\s*[0-9]+\s*(?:[A-Za-z(]|\\(?!cdot))"  # 1/2x
    r"|\.[0-9]*\.|_\s*$"
)
_DEGREES = re.compile(r"([0-9.]+|\([^()]*\)) ?deg(?![A-Za-z])")
_WORDS = re.compile(r"[A-Z]{2}|[A-Za-z]{4}")  # initials, points, words: no products


_FUNCTION_BEFORE = re.compile(r"\\(?:a?r?c?(?:sin|cos|tan)h?|cot|sec|csc|log|ln|exp)(?:[_^](?:\w|\{[^{}]*\}))+$")


def _times_sign(before_bracket: re.Match[str]) -> str:
    """Between a number and a bracket, which math-verify's parser adds; not after the power or base of a function."""
    return "" if _FUNCTION_BEFORE.search(before_bracket.string[: before_bracket.start()]) else r"\cdot "


def _clear(text: str) -> str | None:
    """An expression for the parser; None for what it would read otherwise than a reader does."""
    text = re.sub(r"([_^])([0-9A-Za-z])(?=\s)", r"\1{\2}", _FUNCTION.sub(r"\\\1 ", text.strip()))
    text = _DEGREES.sub(r"(\1\\cdot \\frac{\\pi}{180})", text)
    letters = re.sub(r"\\[A-Za-z]+", " ", text)
    if not _READABLE.fullmatch(text) or _UNCLEAR.search(text) or _WORDS.search(letters):
        return None
    text = re.sub(r"(?<=[0-9)}])\s*(?=\()", _times_sign, text).replace("*", r"\cdot ")
    return re.sub(r"(?<=[0-9]) (?=[A-Za-z\\])", "", text)


class _Worker:
    """The process that runs sympy: started when first asked, killed when late, started anew after that."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self.forget()

    def forget(self) -> None:
        """Be as new: a forked child has neither its parent's worker nor its parent's threads."""
        self._lock = threading.Lock()
        self._process = None

    def ask(self, question: Sequence[str], seconds: float) -> tuple[Any, float]:
        """The answer to a question of `math_worker` and the seconds that it took. Raises _Late."""
        with self._lock:
            process = self._running()
            line = _exchange(process, json.dumps([question, seconds]), _WALL_SECONDS * seconds)
            if not line:
                self.stop()
                raise _Late
            answer, took = json.loads(line)
            return answer, took

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            script = Path(__file__).with_name("math_worker.py")
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                start_new_session=True,  # a terminal's Ctrl-C is for the process that asks
            )  # fmt: skip
            if _exchange(self._process, None, _START_SECONDS) != "ready\n":
                self.stop()
                raise RuntimeError(
                    "the process that compares expressions did not start; its own message stands above on stderr"
                )
        return self._process

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def _exchange(process: subprocess.Popen[str], line: str | None, timeout: float) -> str:
    """Send a line, if any, and read one; "" if the process ends first: it is killed after `timeout` seconds."""
    assert process.stdin is not None and process.stdout is not None
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    alarm = threading.Timer(timeout, end)
    alarm.daemon = True
    alarm.start()
    try:
        if line is not None:
            process.stdin.write(line + "\n")
            process.stdin.flush()
        answer = process.stdout.readline()
    except BrokenPipeError:
        answer = ""
    alarm.cancel()
    alarm.join()
    return "" if late.is_set() else answer


_worker = _Worker()


os.register_at_fork(after_in_child=_worker.forget)
atexit.register(_worker.stop)
