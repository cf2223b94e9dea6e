"""The process behind `text.math_equal`: reads a JSON line [question, seconds], answers [answer, seconds used].

Run as a script. Questions are of LaTeX expressions: ["equal", a, b] whether they are the same; ["multiple", a, b] the
sign of a constant k with a = k·b, 0 where there is none; ["value", a] the decimal digits of a real constant. null is
the answer to what cannot be read. latex2sympy2_extended (math-verify's parser) reads them, sympy evaluates them.

What sympy does is without bounds on time and memory. This process bounds its memory, and the system ends it when a line
takes more than `seconds` of processor time, be it inside C code or its owner gone.
"""

from __future__ import annotations

import signal

signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is its owner's affair: this process ends with its input

import json  # noqa: E402
import logging  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402

MAX_MEMORY_BYTES = 4 << 30
DIGITS = 50
"""That numbers are evaluated to, and of which two expressions have to share all but ten."""
POINTS = ((7, 9), (13, 5), (-11, 6), (-5, 13))
"""The values n/d of the first variable at which two expressions are compared; others others, none of them whole."""


class Reader:
    """Reads and compares expressions. The libraries are loaded when it is made."""

    def __init__(self) -> None:
        import sympy
        from latex2sympy2_extended import NormalizationConfig, latex2sympy
        from latex2sympy2_extended.latex2sympy2 import ConversionConfig

        self.sympy = sympy
        self._read = latex2sympy
        self._configs: dict[str, Any] = {
            "normalization_config": NormalizationConfig(
                basic_latex=False, units=False, malformed_operators=False, nits=False, boxed="none", equations=False
            ),
            "conversion_config": ConversionConfig(lowercase_symbols=False),
        }

    def answer(self, kind: str, *given: str) -> Any:
        made = [self.read(text) for text in given]
        if any(expression is None for expression in made):
            return None
        if kind == "value":
            return self.value(made[0])
        return self.equal(*made) if kind == "equal" else self.multiple(*made)

    def read(self, text: str) -> Any:
        """An expression with decimal fractions made exact; None for what is not one."""
        sympy = self.sympy
        try:
            made = self._read(text, **self._configs)
            if not isinstance(made, sympy.Expr):
                return None
            made = made.doit()
            floats = {number: sympy.Rational(str(number)) for number in made.atoms(sympy.Float)}
            return made.xreplace(floats) if isinstance(made, sympy.Expr) else None
        except (MemoryError, RecursionError):
            raise
        except Exception:  # the parser raises whatever it likes; what it cannot read is compared as text
            return None

    def at(self, point: int, *expressions: Any) -> list[Any]:
        """The values at one point, exact where all are fractions.

        An `i` beside which there is no other variable is the imaginary unit.
        """
        sympy = self.sympy
        symbols = sorted(set().union(*(e.free_symbols for e in expressions)), key=str)
        if [str(symbol) for symbol in symbols] == ["i"]:
            values = {symbols[0]: sympy.I}
        else:
            top, bottom = POINTS[point]
            values = {s: sympy.Rational(top * (17 + 4 * n), bottom * (17 - 3 * n)) for n, s in enumerate(symbols)}
        exact = [e.subs(values) for e in expressions]
        return exact if all(e.is_Rational for e in exact) else [sympy.N(e, DIGITS) for e in exact]

    def equal(self, a: Any, b: Any) -> bool:
        endless = (self.sympy.oo, self.sympy.zoo, self.sympy.nan)
        if a == b:
            return not a.has(*endless[1:])
        if a.has(*endless) or b.has(*endless) or (a.is_Rational and b.is_Rational):
            return False
        compared = 0
        for point in range(len(POINTS)):
            x, y = self.at(point, a, b)
            if not (x.is_number and y.is_number):
                return bool(self.sympy.simplify(a - b) == 0)
            if not (x.is_finite and y.is_finite):
                continue
            if not self.near(x, y):
                return False
            compared += 1
        return compared >= 2

    def multiple(self, a: Any, b: Any) -> int:
        """The sign of the constant k with a = k·b; 0 where there is none."""
        signs = set()
        first = None
        for point in range(len(POINTS)):
            x, y = self.at(point, a, b)
            if not (x.is_number and y.is_number and x.is_finite and y.is_finite) or y == 0 or x == 0:
                return 0
            k = x / y
            first = k if first is None else first
            if not k.is_real or not self.near(k, first):
                return 0
            signs.add(1 if k > 0 else -1)
        return signs.pop() if len(signs) == 1 else 0

    def near(self, x: Any, y: Any) -> bool:
        if x.is_Rational and y.is_Rational:
            return bool(x == y)
        return bool(abs(x - y) <= self.sympy.Float(10) ** (10 - DIGITS) * max(abs(x), abs(y)))

    def value(self, a: Any) -> str | None:
        made = self.sympy.N(a, DIGITS)
        return str(made) if made.is_Float or made.is_Integer or made.is_Rational else None


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    logging.disable(logging.CRITICAL)
    reader = Reader()
    reader.answer("equal", "(x+1)^2", "x^2+2x+1")  # loads what sympy loads late, outside any line's time
    print("ready", flush=True)
    for line in sys.stdin:
        question, seconds = json.loads(line)
        began = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            result = reader.answer(*question)
        except (MemoryError, RecursionError):
            result = None
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps([result, time.process_time() - began]), flush=True)


if __name__ == "__main__":
    main()
