"""The process behind `text.math_equal`: reads a JSON line [pred, true, seconds], answers true, false or null.

Run as a script. math-verify evaluates what it reads without bounds on time and memory. This process bounds its memory,
and the system ends it when a line takes more than `seconds` of processor time, be it inside C code or its owner gone.
"""

from __future__ import annotations

import json
import logging
import resource
import signal
import sys

MAX_MEMORY_BYTES = 4 << 30


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    from math_verify import parse, verify

    logging.disable(logging.CRITICAL)
    verify(parse("$(x+1)^2$"), parse("$x^2+2x+1$"))  # loads what sympy loads late, outside any line's time
    print("ready", flush=True)
    for line in sys.stdin:
        pred, true, seconds = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            sides = [parse(text, parsing_timeout=None, raise_on_error=False) for text in (true, pred)]
            result = verify(*sides, timeout_seconds=None, raise_on_error=False) if any(sides) else None
        except (MemoryError, RecursionError):
            result = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
