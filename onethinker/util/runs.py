"""Run folders: `runs/NAME/` holds a run's config and everything it wrote. A run resumes only as itself."""

from __future__ import annotations

import fcntl
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from onethinker.util.files import write_whole

LOCK = ".lock"
"""The file by which a process holds a folder."""
CONFIG, METRICS = "config.json", "metrics.jsonl"
"""Files of a run: what it is, and a row a step."""


class RunError(RuntimeError):
    """A run folder that cannot be used as asked; says why and what to do."""


class InUse(RunError):
    """Another process holds the folder."""


def read_json(file: Path) -> Any:
    """What a JSON file of a run holds. Raises RunError."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{file}: cannot be read as JSON ({error}); restore it, or make the run again") from error


def open_run(folder: Path, config: Mapping[str, Any], *, fresh: bool = False, lengths: Collection[str] = ()) -> Path:
    """Make or resume the run folder for this config.

    A folder with another config is refused with the differences; `fresh` starts beside it, in NAME-2, NAME-3, …
    lengths: keys that say how long the run is; one that only has more of them goes on until then, and says so.
    """
    plain = json.loads(json.dumps(config, default=str))
    if fresh:
        folder = free_beside(folder)
    file = folder / CONFIG
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file; a run needs a folder, give another --out")
    if file.exists():
        try:
            old = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RunError(f"{file} is not readable ({error}); restore it, or give another --out") from error
        changed = differences(old, plain)
        if changed and (longer := _longer(old, plain, lengths)):
            print(f"{folder}: goes on for longer ({longer}); a schedule now ends with it", file=sys.stderr)
            write_whole(file, json.dumps(plain, indent=1))
        elif changed:
            raise RunError(
                f"{folder} holds a run with another config:\n  "
                + "\n  ".join(changed)
                + "\nuse the same config to resume it, or another --out (`sft` and `rl`: or --fresh)"
            )
    else:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{folder} cannot be made ({error.strerror}); give another --out") from error
        write_whole(file, json.dumps(plain, indent=1))
    return folder


def _longer(old: Any, new: Any, lengths: Collection[str]) -> str:
    """The keys of `lengths` that are larger in the new config, in words, if nothing else differs."""
    grown = []
    for key in lengths:
        before, after = old, new
        *branch, leaf = key.split(".")
        for part in branch:
            before, after = before.get(part, {}), after.get(part, {})
        grown += [(key, before.get(leaf), after.get(leaf))] if before.get(leaf) != after.get(leaf) else []
    if not all(isinstance(a, int | float) and isinstance(b, int | float) and b > a for _, a, b in grown):
        return ""
    return ", ".join(f"{k}: {a} → {b}" for k, a, b in grown) if len(differences(old, new)) == len(grown) else ""


def changes(old: Any, new: Any, lengths: Collection[str]) -> list[str]:
    """As `differences`; none for a run that only goes on for longer. lengths: as of `open_run`."""
    found = differences(old, new)
    return [] if found and _longer(old, new, lengths) else found


def differences(old: Any, new: Any, prefix: str = "") -> list[str]:
    """The keys in which two configs differ, as `key: old → new`."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in [*old, *(k for k in new if k not in old)]:
            found += differences(old.get(key), new.get(key), f"{prefix}.{key}" if prefix else str(key))
        return found
    return [] if old == new else [f"{prefix}: {old!r} → {new!r}"]


def free_beside(folder: Path) -> Path:
    """The folder, or the first of NAME-2, NAME-3, … that is not there."""
    number, candidate = 2, folder
    while candidate.exists():
        candidate, number = folder.with_name(f"{folder.name}-{number}"), number + 1
    return candidate


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for this process; a second process is refused at once. The lock dies with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUse(f"{folder} is in use by another process; wait for it or give another --out") from error
        except OSError as error:
            raise RunError(f"{folder} cannot be locked ({error}); give an --out on a local disk") from error
        yield


LENGTHS = ("recipe.sft.steps", "recipe.sft.epochs", "recipe.rl.steps")


def check_writable(folder: Path, flag: str = "--out") -> None:
    """Raises RunError where the folder, which `flag` names, cannot be made or written, without making it."""
    there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    if not there.is_dir():
        raise RunError(f"{folder}: {there} is a file; a folder is needed, give another {flag}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise RunError(f"{folder}: {there} cannot be written; give another {flag}")


@contextmanager
def started(out: Path, config: Mapping[str, Any], *, fresh: bool = False) -> Iterator[Path]:
    """The folder of a run, made or resumed (`open_run`) and held (`locked`).

    Where the block fails or is interrupted before a row of `metrics.jsonl` or a checkpoint was written, what it made
    goes again, so that the corrected command finds a free place; what was there before stays. Raises RunError for a run
    whose config is gone: whatever went on there would be taken for it.
    """
    folder = free_beside(out) if fresh else out
    if not (folder / CONFIG).exists() and _has_begun(folder):
        raise RunError(
            f"{folder} holds a run's log or checkpoints but no {CONFIG}, so that nothing says of which run they are; "
            "restore it, or give another --out"
        )
    made = next((p for p in reversed((folder, *folder.parents)) if not p.exists()), None)
    before = set(folder.iterdir()) if folder.is_dir() else set()
    new = folder / CONFIG not in before
    try:
        open_run(folder, config, lengths=LENGTHS)
        with locked(folder):
            yield folder
    except BaseException as error:
        if new and not isinstance(error, InUse) and folder.is_dir() and not _has_begun(folder):
            for entry in set(folder.iterdir()) - before:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            if made is not None:
                shutil.rmtree(made)
        raise


def _has_begun(folder: Path) -> bool:
    metrics = folder / METRICS
    return any(folder.glob("checkpoints/step-*")) or (metrics.exists() and metrics.stat().st_size > 0)


class JsonLines:
    """An append-only JSON-lines file that survives a kill: a torn last line is never read, and cut off before the next
    row is written. Reading changes nothing, so a run can be looked at while it goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._whole = False

    def append(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Write one row, flush it and return it as a reader finds it. NaN becomes null, so that any JSON reader takes
        the file."""
        if not self._whole:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._cut_torn_line()
        self._whole = False
        line = _line(_plain(row))
        with self.path.open("ab") as out:
            out.write(line)
        self._whole = True
        written: dict[str, Any] = json.loads(line)
        return written

    def _cut_torn_line(self) -> None:
        if self.path.exists():
            data = self.path.read_bytes()
            if not data.endswith(b"\n"):
                with self.path.open("r+b") as handle:
                    handle.truncate(data.rfind(b"\n") + 1)

    def rows(self) -> list[dict[str, Any]]:
        """Every whole row so far. Raises RunError for a row that is not JSON."""
        if not self.path.exists():
            return []
        found = []
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.endswith(b"\n") and line.strip():
                    try:
                        found.append(json.loads(line))
                    except ValueError as error:
                        raise RunError(f"{self.path}, line {number}: not JSON ({error}); remove the line") from error
        return found

    def keep(self, wanted: Any) -> None:
        """Drop the rows for which `wanted(row)` is false: what a killed run wrote after its last checkpoint."""
        rows = [row for row in self.rows() if wanted(row)]
        write_whole(self.path, b"".join(map(_line, rows)))


def _line(row: Mapping[str, Any]) -> bytes:
    """Half a surrogate pair, which UTF-8 cannot hold, becomes the escape that JSON has for it."""
    return (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "backslashreplace")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def stamp() -> str:
    """UTC time for records, ISO 8601 to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
