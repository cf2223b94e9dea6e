"""The samples that a run of SFT or RL goes without because they cannot be read, and when there are too many of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from onethinker.train.parallel import Processes
from onethinker.util.runs import JsonLines, RunError

UNREADABLE = "unreadable.jsonl"
_NAMED = 3
"""Samples that are named while the run goes on, and when it stops."""


class NoStepError(RunError):
    """A step cannot be made of its data. All processes raise it at once, so that what was done can be saved first."""


@dataclass
class Unreadable:
    """Counts the samples of a run that cannot be read, and names them in `RUN/unreadable.jsonl`.

    stage: SFT or RL. share: of `count` samples, how many different ones may be met before the run is to stop, at least
    one where it is above 0; counted since this process began, so that a run goes on once they are mended. times: how
    often a step went without one, over the whole run.
    """

    stage: str
    run: Path
    share: float
    count: int
    processes: Processes
    times: int = 0
    met: dict[str, str] = field(default_factory=dict)

    @property
    def allowed(self) -> int:
        return max(1, int(self.share * self.count)) if self.share else 0

    def note(self, step: int, problems: Mapping[str, str], gone: int = 0) -> int:
        """How many that a step asked for are missing, over all processes, which must all call it.

        step: the steps made. problems: id → why it could not be read, of this process's share. gone: how many more of
        it are no longer there. Raises NoStepError where more cannot be read than may.
        """
        parts = self.processes.gather((dict(problems), gone))
        found = {name: problem for part, _ in parts for name, problem in part.items()}
        if new := {name: problem for name, problem in found.items() if name not in self.met}:
            self.met |= new
            self.processes.run_on_main(lambda: self._record(step, new))
        if len(self.met) > self.allowed:
            raise NoStepError(self._words(step))
        missing = sum(len(part) + absent for part, absent in parts)
        self.times += missing
        return missing

    def _record(self, step: int, new: Mapping[str, str]) -> None:
        lines = JsonLines(self.run / UNREADABLE)
        known = {row["id"] for row in lines.rows()}
        for name, problem in new.items():
            if name not in known:
                lines.append({"step": step, "id": name, "problem": problem})
            if list(self.met).index(name) < _NAMED:
                print(f"{self.stage} goes without sample {name}: {problem}", file=sys.stderr, flush=True)

    def _words(self, step: int) -> str:
        """What stands in the way of going on. A run that stops before its first step leaves no folder to look in."""
        named = [f"{name}: {problem}" for name, problem in islice(self.met.items(), _NAMED)]
        if others := len(self.met) - len(named):
            named.append(f"and {others} more" + (f", which {self.run / UNREADABLE} names" if step else ""))
        lines = [
            f"{self.stage} met {len(self.met)} samples that cannot be read, more than the {self.allowed} of "
            f"{self.count} that data.max_unreadable={self.share:g} allows:",
            *(f"  {line}" for line in named),
            "mend these files or the media root (`onethinker data check` names every one), or raise",
            f"data.max_unreadable; the same command then goes on after step {step}",
        ]
        return "\n".join(lines)
