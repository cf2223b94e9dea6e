"""Mathematics and choices against tables of right verdicts, beside the tools that are most used for them.

python -m benchmarks.readings

The tables are `tests/measure/math_pairs.tsv` and `tests/measure/choice_answers.tsv`. Peers: math-verify's `parse` and
`verify` as its readme has them, each answer in dollars; VLMEvalKit's `can_infer` (vlmeval/utils/matching_util.py at
18fc37a5), written anew from its rules. Paid wrongly: an answer that is taken for right and is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from math_verify import parse, verify
from rich.console import Console
from rich.table import Table

from onethinker.measure import text

TABLES = Path(__file__).resolve().parents[1] / "tests" / "measure"
Pair = tuple[str, bool, str, str]
Reads = Callable[[str, Sequence[str]], str | None]
_REFUSALS = (
    "Sorry, I can't help with images of people yet.", "I can't process this file.",
    "I'm sorry, but without the image provided", "Cannot determine the answer",
)  # fmt: skip


def rows_of(name: str) -> list[list[str]]:
    lines = (TABLES / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def math_verify(pred: str, true: str) -> bool:
    return bool(verify(parse(f"${true}$"), parse(f"${pred}$")))


def vlmevalkit(answer: str, options: Sequence[str]) -> str | None:
    """The letter that VLMEvalKit infers by rule: one option's letter among the words, else one option's text within."""
    by_letter = {option[0]: option[3:].lower() for option in options}
    if any(refusal in answer for refusal in _REFUSALS):
        return None
    words = answer.translate(str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))).split()
    found = [letter for letter in by_letter if letter in words]
    if len(found) != 1:
        found = [letter for letter, said in by_letter.items() if said in answer.lower()]
    return found[0] if len(found) == 1 else None


def judge_pairs(console: Console) -> None:
    pairs = [(kind, equal == "1", pred, true) for kind, equal, pred, true in rows_of("math_pairs.tsv")]
    table = Table("mathematics", "pairs", "paid wrongly", "missed", "precision", "recall", "rows/s")
    for name, equal in (("text.math_equal", text.math_equal), ("math-verify", math_verify)):
        equal("x+x", "2x")
        for kinds in (None, ("number", "word", "unit", "percent", "money", "time", "ratio", "date")):
            kept = [pair for pair in pairs if kinds is None or pair[0] in kinds]
            began = time.perf_counter()
            said = [equal(pred, true) for _, _, pred, true in kept]
            took = time.perf_counter() - began
            paid = sum(s and not right for s, (_, right, *_) in zip(said, kept, strict=True))
            missed = sum(right and not s for s, (_, right, *_) in zip(said, kept, strict=True))
            right = sum(pair[1] for pair in kept)
            table.add_row(
                name + (", plain kinds" if kinds else ""), str(len(kept)), str(paid), str(missed),
                f"{(right - missed) / max(right - missed + paid, 1):.3f}", f"{1 - missed / right:.3f}",
                f"{len(kept) / took:,.0f}",
            )  # fmt: skip
    console.print(table)


def judge_choices(console: Console) -> None:
    rows = rows_of("choice_answers.tsv")
    options = {row[1]: row[2:] for row in rows if row[0] == "options"}
    asked = [(options[row[0]], row[1], row[2].replace("⏎", "\n")) for row in rows if row[0] != "options"]
    table = Table("choices", "answers", "that name one", "read wrongly", "missed", "rows/s")
    readers: tuple[tuple[str, Reads], ...] = (
        ("text.choice", text.choice), ("text.choice_lenient", text.choice_lenient), ("VLMEvalKit's rules", vlmevalkit),
    )  # fmt: skip
    for name, read in readers:
        began = time.perf_counter()
        said = [read(answer, shown) or "-" for shown, _, answer in asked]
        took = time.perf_counter() - began
        wrong = sum(s not in ("-", letter) for s, (_, letter, _) in zip(said, asked, strict=True))
        missed = sum(s == "-" != letter for s, (_, letter, _) in zip(said, asked, strict=True))
        named = sum(letter != "-" for _, letter, _ in asked)
        table.add_row(name, str(len(asked)), str(named), str(wrong), str(missed), f"{len(asked) / took:,.0f}")
    console.print(table)


if __name__ == "__main__":
    judge_pairs(Console())
    judge_choices(Console())
