"""Small annotations that are killed at random and gone on with, against a provider that misbehaves and bills.

    python -m benchmarks.annotate_trials --trials 1000 --killed 40

Each trial has its own corpus, caps, settings and faults, all drawn from its seed. In one of `--trials` a step of the
program is drawn at which it dies, as by SIGKILL: between, before or amid its writes, before a request is sent, after
its answer came. After it nothing is written any more, and a new run begins on what is on the disk; so several times,
then to the end. In one of `--killed` a process is ended by a real SIGKILL after a random while. Then, and at every
request, it is checked that

- what the provider billed is never above the cap, in money and in tokens;
- what the journal counts as spent is never below what was billed and never above the cap;
- no answer that stands in the journal is asked for again;
- every answer whose writing ended is there at the end, and is kept or refused by name.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onethinker.corpus.annotate import write
from onethinker.corpus.annotate.endpoint import Endpoint, EndpointError
from onethinker.corpus.annotate.journal import Amount, Caps, Journal
from onethinker.corpus.annotate.run import JOURNAL, Money, annotate
from onethinker.corpus.annotate.settings import load_settings
from onethinker.sample import Sample, save_samples
from tests.corpus.annotate.provider import FAULTS, Provider

POINTS = ("before a write", "amid a write", "after a write", "before sending", "after the answer")
PROMPTS = "multiple_choice: '{question} {options}'\n" + "system: " + 40 * "look closely " + "\n"


class Killed(BaseException):
    """The program is dead from here on."""


@dataclass
class Death:
    """When the program dies: at its `at`-th step. where: which step that was."""

    at: int
    draw: random.Random
    steps: int = 0
    where: str = ""
    settled: list[str] = field(default_factory=list)

    def step(self, point: str) -> None:
        if self.where:
            raise Killed
        self.steps += 1
        if self.steps == self.at:
            self.where = point
            raise Killed


@contextmanager
def dying(death: Death) -> Iterator[None]:
    """Within it journal and endpoint die at the drawn step."""
    append, chat = Journal._append, Endpoint.chat

    def dying_append(self: Journal, row: Mapping[str, Any]) -> tuple[int, int]:
        death.step(POINTS[0])
        try:
            death.step(POINTS[1])
        except Killed:
            if death.steps == death.at:
                line = json.dumps(row).encode()
                os.write(self._handle, line[: death.draw.randrange(1, len(line))])
            raise
        place = append(self, row)
        if "settle" in row:
            death.settled += [choice["text"] for choice in row["choices"]]
        death.step(POINTS[2])
        return place

    async def dying_chat(self: Endpoint, body: Mapping[str, Any]) -> Any:
        death.step(POINTS[3])
        reply = await chat(self, body)
        death.step(POINTS[4])
        return reply

    Journal._append, Endpoint.chat = dying_append, dying_chat  # type: ignore[method-assign]
    try:
        yield
    finally:
        Journal._append, Endpoint.chat = append, chat  # type: ignore[method-assign]


@dataclass
class Trial:
    """One annotation with its provider, from a seed. violations: what went against the promises."""

    seed: int
    folder: Path
    provider: Provider

    def __post_init__(self) -> None:
        self.draw = draw = random.Random(self.seed)
        self.count, self.candidates = draw.randint(2, 6), draw.randint(1, 3)
        self.changes: dict[str, Any] = {
            "candidates": self.candidates, "stop_when_kept": draw.random() < 0.3, "max_tokens": draw.choice((12, 40)),
            "concurrency": draw.randint(1, 4), "attempts": draw.randint(1, 3), "timeout": 0.25, "seed": self.seed,
        }  # fmt: skip
        share = draw.choice((0.0, 0.05, 0.15))
        self.provider.faults = {fault: share * draw.random() * (0.1 if fault == "huge" else 1) for fault in FAULTS}
        self.provider.script, self.provider.before, self.provider.stall = self.script, self.at_request, 0.3
        self.provider.random = random.Random(self.seed)
        self.money = Money(draw.uniform(0.001, 0.012), draw.randint(1500, 15_000), 1.0, 4.0)
        self.violations: list[str] = []
        self.settled: list[str] = []
        self.corpus, self.out = self.folder / "corpus", self.folder / "out"
        options = ("A. red", "B. blue")
        asked = [f"Which colour has thing {n} of {self.seed}?" for n in range(self.count)]
        samples = [Sample(f"q{n}", "multiple_choice", "text", text, "A", options) for n, text in enumerate(asked)]
        save_samples(samples, self.corpus / "samples.jsonl")
        self.prompts = self.folder / "prompts.yaml"
        self.prompts.write_text(PROMPTS, encoding="utf-8")

    def script(self, body: Mapping[str, Any], number: int) -> str:
        """Right or wrong by chance, and like no other answer."""
        words = " ".join(f"w{self.provider.random.randrange(10**6)}" for _ in range(9))
        return f"<think>{words}</think><answer>{self.provider.random.choice('AB')}</answer>"

    def at_request(self, key: str, body: Mapping[str, Any]) -> None:
        """No answer that stands in the journal is asked for again."""
        name = re.search(r"thing (\d+) of", json.dumps(body["messages"][-1]["content"]))
        if name and self.known(f"q{name[1]}") + body["n"] > self.candidates:
            self.violations.append(f"q{name[1]} was asked for what had come")

    def known(self, sample: str) -> int:
        rows = [line for line in (self.out / JOURNAL).read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
        settled = [json.loads(line) for line in rows if line.startswith(b'{"settle"')]
        return sum(len(row["choices"]) for row in settled if row["id"] == sample)

    def run(self, money: Money | None = None, **changes: Any) -> dict[str, Any]:
        settings = load_settings(**self.changes | changes)
        return annotate(
            self.corpus, self.provider.url, self.out, money or self.money, settings=settings, prompts=str(self.prompts),
            backoff=0.001,
        )  # fmt: skip

    def check(self, money: Money) -> None:
        """The promises about money, on what is on the disk."""
        journal = Journal(self.out / JOURNAL, Caps())
        counted, billed = journal.committed, Amount(self.provider.tokens, self.provider.cost)
        journal.close()
        cap = Amount(money.budget_tokens or 0, int((money.budget_usd or 0) * 1e12))
        for name in ("tokens", "cost"):
            real, said, most = (getattr(amount, name) for amount in (billed, counted, cap))
            if real > most:
                self.violations.append(f"{name}: billed {real} of {most}")
            if said > most:
                self.violations.append(f"{name}: counted {said} of {most}")
            if said < real:
                self.violations.append(f"{name}: counted {said}, billed {real}")

    def finish(self) -> None:
        """Without faults and with money enough all is answered; then nothing that came is missing."""
        self.check(self.money)
        self.provider.faults = {}
        plenty = Money(10.0, 10**9, 1.0, 4.0)
        self.run(plenty, timeout=30.0)
        self.check(plenty)
        journal = Journal(self.out / JOURNAL, Caps())
        texts = Counter(choice["text"] for key in journal._places for choice in journal.choices(key))
        journal.close()
        if missing := Counter(self.settled) - texts:
            self.violations.append(f"{sum(missing.values())} answers that came are gone")
        if any(count > 1 for count in texts.values()):
            self.violations.append("an answer stands in the journal twice")
        self.check_outputs(texts)

    def check_outputs(self, texts: Counter[str]) -> None:
        from onethinker.corpus.rows import read_shards, to_samples

        responses = {s.meta["response"] for batch in read_shards(self.out) for s in to_samples(batch)}
        refused = [json.loads(line) for line in (self.out / "refused.jsonl").read_text().splitlines()]
        named = {row["response"] for row in refused if "response" in row}
        passed = [text for text in texts if text not in named]
        if not responses <= set(passed):
            self.violations.append("what is kept is not what came")
        if any(not text.endswith("<answer>A</answer>") for text in passed):
            self.violations.append("an answer is neither kept nor refused by name")


@dataclass
class Tally:
    """What all trials came to. most: the largest share of a cap that was billed."""

    trials: int = 0
    runs: int = 0
    answers: int = 0
    most: float = 0.0
    deaths: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add(self, trial: Trial) -> None:
        self.trials += 1
        self.answers += sum(trial.provider.billed.values())
        self.violations += [f"trial {trial.seed}: {what}" for what in trial.violations]

    def ended(self, trial: Trial, death: str) -> None:
        """Count a run of a trial and look at what it spent. death: where it died, empty if it ended by itself."""
        self.runs += 1
        self.deaths[death or "ended by itself"] += 1
        trial.check(trial.money)
        self.spent(trial)

    def spent(self, trial: Trial) -> None:
        cap = (trial.money.budget_usd or 0) * 1e12
        self.most = max(self.most, trial.provider.cost / cap, trial.provider.tokens / (trial.money.budget_tokens or 1))


def one_trial(seed: int, tally: Tally) -> None:
    """A trial with up to four deaths at drawn steps."""
    folder, provider = Path(tempfile.mkdtemp(prefix="trial-")), Provider(seed=seed)
    trial = Trial(seed, folder, provider)
    try:
        for _ in range(trial.draw.randint(1, 4)):
            death = Death(trial.draw.randint(1, 30), trial.draw)
            try:
                with dying(death):
                    trial.run()
            except (Killed, EndpointError):
                pass
            trial.settled += death.settled
            tally.ended(trial, death.where)
        trial.finish()
        tally.add(trial)
    finally:
        provider.close()
        shutil.rmtree(folder)


def _child(folder: str, url: str, seed: int, changes: dict[str, Any], money: Money) -> None:
    settings = load_settings(**changes)
    sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    home = Path(folder)
    annotate(
        home / "corpus", url, home / "out", money, settings=settings, prompts=str(home / "prompts.yaml"), backoff=0.001
    )


def one_killed(seed: int, tally: Tally, processes: Any) -> None:
    """A trial whose processes are ended by SIGKILL."""
    folder, provider = Path(tempfile.mkdtemp(prefix="trial-")), Provider(seed=seed)
    trial = Trial(seed, folder, provider)
    trial.provider.faults = {"stall": 1.0}
    trial.provider.stall, trial.changes["timeout"] = 0.02, 20.0
    try:
        for _ in range(4):
            job = (str(folder), provider.url, seed, trial.changes, trial.money)
            process = processes.Process(target=_child, args=job)
            process.start()
            asked, began = len(provider.asked), time.monotonic()
            while process.is_alive() and len(provider.asked) < asked + 1 and time.monotonic() < began + 60:
                time.sleep(0.001)
            time.sleep(trial.draw.uniform(0, 0.15))
            if process.is_alive():
                os.kill(process.pid, signal.SIGKILL)
            process.join()
            while provider.now:  # a request under way is billed still
                time.sleep(0.005)
            tally.ended(trial, "SIGKILL" if process.exitcode == -signal.SIGKILL else "")
        trial.finish()
        tally.add(trial)
    finally:
        provider.close()
        shutil.rmtree(folder)


def run_trials(trials: int, killed: int, first: int = 0) -> Tally:
    tally = Tally()
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["onethinker.corpus.annotate.run", "openai", "pyarrow.parquet"])
    page, write.write_page = write.write_page, lambda *_: None  # nothing is promised of it
    quiet, sys.stderr = sys.stderr, open(os.devnull, "w")  # noqa: PTH123, SIM115
    try:
        for seed in range(first, first + trials):
            one_trial(seed, tally)
        for seed in range(first + trials, first + trials + killed):
            one_killed(seed, tally, processes)
    finally:
        sys.stderr.close()
        sys.stderr, write.write_page = quiet, page
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--killed", type=int, default=40)
    asked = parser.parse_args()
    began = time.monotonic()
    tally = run_trials(asked.trials, asked.killed)
    rows = [
        ("trials", tally.trials), ("runs before the last", tally.runs),
        *((f"… {where}", count) for where, count in sorted(tally.deaths.items())),
        ("requests billed", tally.answers), ("largest share of a cap that was billed", f"{tally.most:.3f}"),
        ("promises broken", len(tally.violations)),
    ]  # fmt: skip
    print("| | |\n|---|---:|")
    for name, value in rows:
        print(f"| {name} | {value} |")
    print(f"{time.monotonic() - began:.0f} s")
    for violation in tally.violations[:20]:
        print(violation)
    sys.exit(1 if tally.violations else 0)


if __name__ == "__main__":
    main()
