"""What was paid for: an append-only file that holds every reservation and every answer, and is enough to go on from.

A line is one JSON object, on the disk (fsync) before the call that wrote it returns:

    {"reserve": N, "key": K, "tokens": T, "cost": C}          before a request is sent, the most that it can cost
    {"settle": N, "key": K, "tokens": T, "cost": C, "choices": [{"text", "finish"}, …], …}    when its answer came
    {"release": N, "why": W}      it was refused, so that nothing was billed
    {"lose": N, "why": W}         it failed after it was sent; whoever answered may have billed it
    {"batch": B, "lines": [[N, K, tokens of prompt, of answer], …], "at": seconds}
                                                      reservations that go as one batch, before it is made
    {"made": B, "id": I}, {"ended": B}                its id at the provider; all of it is settled

Answer and settlement are one line, so that neither is ever there without the other. A reservation that was neither
settled nor released counts as spent in full: after a kill nobody knows whether it was billed. Those of a batch that has
not ended are under way still, since its results can be fetched. So at any moment

    spent + reserved = Σ cost of settled + Σ cost of reservations that were not released  ≤  the caps.

Money is a whole number of 10⁻¹² dollars, so that sums are exact. A torn last line, which a kill leaves, is cut off: its
reservation still counts. Answers are read from the file when asked for; memory holds where they stand.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onethinker.util.runs import RunError

UNITS = 10**12
"""Of money in a dollar."""


@dataclass(frozen=True, slots=True)
class Amount:
    """tokens: of prompts and answers together. cost: in 10⁻¹² dollars."""

    tokens: int = 0
    cost: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.tokens + other.tokens, self.cost + other.cost)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.tokens - other.tokens, self.cost - other.cost)

    @property
    def dollars(self) -> float:
        return self.cost / UNITS


@dataclass(frozen=True, slots=True)
class Line:
    """A request of a batch: the key of its question, and the tokens that were reserved for it."""

    key: str
    prompt: int
    answer: int


@dataclass
class OpenBatch:
    """A batch that has not ended. lines: by reservation. id: the provider's, empty where it is not known. at: when it
    was begun, seconds since 1970."""

    name: str
    lines: dict[int, Line]
    at: float
    id: str = ""


@dataclass(frozen=True, slots=True)
class Caps:
    """What may be spent at most; None for no bound of that kind."""

    tokens: int | None = None
    cost: int | None = None

    def allow(self, amount: Amount) -> bool:
        return (self.tokens is None or amount.tokens <= self.tokens) and (self.cost is None or amount.cost <= self.cost)


class Journal:
    """The file, read once and appended to by this process alone (the caller holds the folder's lock).

    settled: what answers cost. lost: reservations that count as spent without an answer. under_way: those of this
    process that may still be settled. answers: how many requests were answered.
    """

    def __init__(self, file: Path, caps: Caps) -> None:
        self.file, self.caps = file, caps
        self.settled = self.lost = Amount()
        self.under_way: dict[int, Amount] = {}
        self.answers = 0
        self.batches: dict[str, OpenBatch] = {}
        self._places: dict[str, list[tuple[int, int]]] = {}
        self._next = 0
        file.parent.mkdir(parents=True, exist_ok=True)
        self._read()
        self._handle = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        _flush_folder(file.parent)

    def close(self) -> None:
        os.close(self._handle)

    # ---- money ----

    @property
    def spent(self) -> Amount:
        """What certainly or possibly was paid, without what is under way."""
        return self.settled + self.lost

    @property
    def committed(self) -> Amount:
        """`spent` and the reservations under way: what the caps bound."""
        return sum(self.under_way.values(), self.spent)

    def fits(self, amount: Amount) -> bool:
        return self.caps.allow(self.committed + amount)

    def reserve(self, key: str, amount: Amount) -> int:
        """Set aside what a request may cost; the number to settle, release or lose. Raises RunError beyond the caps."""
        if not self.fits(amount):
            raise RunError(f"{self.file}: a reservation beyond the budget; this is a fault of the program")
        number = self._next
        self._append({"reserve": number, "key": key, "tokens": amount.tokens, "cost": amount.cost})
        self._next += 1
        self.under_way[number] = amount
        return number

    def settle(self, number: int, key: str, amount: Amount, choices: Sequence[Mapping[str, Any]], **facts: Any) -> None:
        """Keep an answer and what it cost."""
        row = {"settle": number, "key": key, "tokens": amount.tokens, "cost": amount.cost, "choices": list(choices)}
        place = self._append(row | facts)
        self.under_way.pop(number)
        self.settled += amount
        self.answers += 1
        self._places.setdefault(key, []).append(place)

    def release(self, number: int, why: str) -> None:
        """Give back what was set aside for a request that was refused."""
        self._append({"release": number, "why": why})
        self.under_way.pop(number)

    def lose(self, number: int, why: str) -> None:
        """Count what was set aside as spent, without an answer."""
        self._append({"lose": number, "why": why})
        self.lost += self.under_way.pop(number)

    # ---- batches ----

    def open_batch(self, name: str, lines: Mapping[int, Line], at: float) -> OpenBatch:
        """Say that these reservations will go as one batch."""
        self._append({"batch": name, "lines": [(n, x.key, x.prompt, x.answer) for n, x in lines.items()], "at": at})
        self.batches[name] = OpenBatch(name, dict(lines), at)
        return self.batches[name]

    def batch_made(self, name: str, provider_id: str) -> None:
        self._append({"made": name, "id": provider_id})
        self.batches[name].id = provider_id

    def batch_ended(self, name: str) -> None:
        """All its reservations are settled, released or lost."""
        self._append({"ended": name})
        del self.batches[name]

    # ---- answers ----

    def choices(self, key: str) -> list[dict[str, Any]]:
        """Every answer that came to a question, in the order in which they came."""
        return [choice for row in self.rows(key) for choice in row["choices"]]

    def rows(self, key: str) -> list[dict[str, Any]]:
        """The settlements of a question: `choices`, `tokens`, `cost` and the facts that were kept beside them."""
        return [json.loads(os.pread(self._handle, length, start)) for start, length in self._places.get(key, ())]

    def has(self, key: str) -> bool:
        return key in self._places

    # ---- the file ----

    def _append(self, row: Mapping[str, Any]) -> tuple[int, int]:
        """Write a line and wait until it is on the disk. Raises RunError where it cannot be, the file as it was."""
        line = (json.dumps(row, ensure_ascii=True, separators=(",", ":")) + "\n").encode()
        start = os.fstat(self._handle).st_size
        try:
            written = 0
            while written < len(line):
                written += os.write(self._handle, line[written:])
            os.fsync(self._handle)
        except OSError as error:
            os.ftruncate(self._handle, start)
            raise RunError(
                f"{self.file}: cannot be written ({error.strerror}); make room and run the same command again, what is "
                "in it is kept"
            ) from error
        return start, len(line)

    def _read(self) -> None:
        if not self.file.exists():
            return
        reserved: dict[int, Amount] = {}
        end = 0
        with self.file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    break
                try:
                    self._take(json.loads(line), (end, len(line)), reserved)
                except (ValueError, KeyError, TypeError) as error:
                    raise RunError(
                        f"{self.file}, line {number}: not a line of a journal ({error!r:.80}); restore the file: "
                        "without it nothing says what was paid for"
                    ) from error
                end += len(line)
        if end < self.file.stat().st_size:
            with self.file.open("r+b") as torn:
                torn.truncate(end)
        for batch in self.batches.values():
            self.under_way |= {number: reserved.pop(number) for number in batch.lines if number in reserved}
        self.lost = sum(reserved.values(), self.lost)

    def _take(self, row: Mapping[str, Any], place: tuple[int, int], reserved: dict[int, Amount]) -> None:
        if "reserve" in row:
            reserved[row["reserve"]] = Amount(row["tokens"], row["cost"])
            self._next = max(self._next, row["reserve"] + 1)
        elif "settle" in row:
            del reserved[row["settle"]]
            self.settled += Amount(row["tokens"], row["cost"])
            self.answers += 1
            self._places.setdefault(row["key"], []).append(place)
        elif "release" in row:
            del reserved[row["release"]]
        elif "lose" in row:
            self.lost += reserved.pop(row["lose"])
        elif "batch" in row:
            lines = {number: Line(*line) for number, *line in row["lines"]}
            self.batches[row["batch"]] = OpenBatch(row["batch"], lines, row["at"])
        elif "made" in row:
            self.batches[row["made"]].id = row["id"]
        elif "ended" in row:
            del self.batches[row["ended"]]


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
