"""What a request can cost at most and what it did cost: tokens, prices, and usage that cannot be true."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from onethinker.corpus.annotate.journal import UNITS, Amount, Caps
from onethinker.corpus.annotate.settings import SettingsError
from onethinker.util.names import nearest
from onethinker.util.yaml_text import read_yaml

_MOST_BYTES = 256
"""Bytes of text that one token stands for at most, with room to spare: the longest in common vocabularies are runs of
128 blanks or dashes."""
TEMPLATE_TOKENS = 256
"""A chat template's own tokens: roles, turns, marks."""


@dataclass(frozen=True, slots=True)
class Price:
    """10⁻¹² dollars for one token of a prompt, and of an answer. batch: the share of it that the batch form costs."""

    prompt: int
    answer: int
    batch: float = 1.0

    def of(self, prompt_tokens: int, answer_tokens: int, *, batch: bool = False) -> Amount:
        cost = self.prompt * prompt_tokens + self.answer * answer_tokens
        return Amount(prompt_tokens + answer_tokens, -int(-cost * self.batch // 1) if batch else cost)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that an answer was billed for, as the server counts them. trusted: whether that can be true."""

    prompt: int
    answer: int
    trusted: bool = True


def price_of(dollars_in: float | None, dollars_out: float | None, file: str | Path, model: str) -> Price | None:
    """The price of `model` from dollars per million tokens, or from a file of prices; None where none is given.

    The file is YAML, `MODEL: {in: 0.4, out: 1.6, batch: 0.5}`. Raises SettingsError.
    """
    if dollars_in is not None or dollars_out is not None:
        return _price({"in": dollars_in, "out": dollars_out}, "--price-in and --price-out")
    if not file:
        return None
    try:
        rows = read_yaml(Path(file).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: cannot be read as YAML ({error})") from error
    if not isinstance(rows, dict) or model not in rows:
        names = [str(name) for name in rows] if isinstance(rows, dict) else []
        raise SettingsError(
            f"{file}: no price of {model!r}" + (f"; the nearest is {nearest(model, names)!r}" if names else "")
            + "; a line is `MODEL: {in: 0.4, out: 1.6}`, dollars per million tokens"
        )  # fmt: skip
    return _price(rows[model], f"{file}, {model}")


def _price(given: Any, where: str) -> Price:
    try:
        values = {"batch": 1.0} | {key: float(value) for key, value in given.items()}
        if values.keys() != {"in", "out", "batch"} or not all(0 <= value < 1e6 for value in values.values()):
            raise ValueError
    except (AttributeError, TypeError, ValueError) as error:
        raise SettingsError(f"{where}: expected dollars per million tokens in and out, found {given!r:.80}") from error
    # Upwards, so that a sum is never below what is billed.
    prompt, answer = (-int(-values[key] * UNITS // 1_000_000) for key in ("in", "out"))
    return Price(prompt, answer, values["batch"])


def caps_of(dollars: float | None, tokens: int | None, price: Price | None) -> Caps:
    """The hard caps. Raises SettingsError where there are none, or money is to be counted without a price."""
    if dollars is None and tokens is None:
        raise SettingsError(
            "no budget: give --budget-usd 50 with the model's price, or --budget-tokens 2000000, or both"
        )
    if dollars is not None and price is None:
        raise SettingsError(
            "--budget-usd needs the model's price: --price-in and --price-out in dollars per million tokens, or "
            "--prices FILE; for a server of your own, which bills nothing, give --budget-tokens instead"
        )
    if (dollars is not None and not 0 <= dollars < 1e9) or (tokens is not None and tokens < 0):
        raise SettingsError(f"a budget of {dollars if tokens is None else tokens}: expected 0 or more")
    return Caps(tokens, None if dollars is None else int(dollars * UNITS))


def text_bound(text: str) -> int:
    """The most tokens that a text can be: a token stands for a byte of UTF-8 at least."""
    return len(text.encode("utf-8", "surrogatepass"))


def read_usage(reply: Any, written: int, most: Usage) -> Usage:
    """What a reply says it was billed for; what was reserved where it says nothing or what cannot be.

    written: bytes of its answers. most: the reservation. More than reserved is taken as said, since it may be billed:
    `Usage.trusted` is then false, as it is for a count that is too small for what came.
    """
    found = reply.get("usage") if isinstance(reply, dict) else None
    if not isinstance(found, dict):
        return Usage(most.prompt, most.answer)
    prompt, answer = _count(found.get("prompt_tokens")), _count(found.get("completion_tokens"))
    if prompt < 1 or answer < 0 or answer * _MOST_BYTES < written:
        return Usage(most.prompt, most.answer, trusted=False)
    return Usage(prompt, answer, trusted=prompt <= most.prompt and answer <= most.answer)


def _count(value: Any) -> int:
    """A count of tokens, −1 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**12 else -1
