"""A copy of a run elsewhere: its checkpoints and log on any path that fsspec knows, such as `s3://bucket/run`.

    config.json, metrics.jsonl, roster.jsonl …   as in the run's folder
    checkpoints/step-000020/…                    `trainer.pt` last: a checkpoint without it is half of one

A run that has no checkpoint of its own, or older ones, goes on from there. The place is one run's: what is asked of it
is asked at the run's start, not when hours of training are to be copied.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from onethinker.util.files import replacing, replacing_folder
from onethinker.util.runs import CONFIG, LENGTHS, METRICS, RunError, changes, differences, read_json

STATE = "trainer.pt"
"""The file of a checkpoint that says that it is whole."""
FILES = (CONFIG, METRICS, "roster.jsonl", "unreadable.jsonl")
"""Of the run's folder, beside the checkpoints."""


class Mirror:
    """The copy at `url` of the run in `run`. Its methods raise RunError where the file system does not do as asked."""

    def __init__(self, url: str, run: Path) -> None:
        import fsspec

        self.url, self.run = url, run
        with self._told("opened", "name a place that fsspec can open here"):
            self._fs, base = fsspec.core.url_to_fs(url)
        self._base = base.rstrip("/")

    def begin(self, own: Sequence[Path]) -> None:
        """Take the place for this run, and fetch the last checkpoint and the log, where the run's folder has none as
        late. own: its checkpoints, oldest first. Raises RunError for a place that cannot be written, that holds another
        run, or that is in the run's own folder."""
        self._check_apart()
        with self._told("read"):
            steps, mine = self._steps(), read_json(self.run / CONFIG)
            if steps and (changed := changes(self._config(), mine, LENGTHS)):
                lines = "\n  ".join(changed)
                raise RunError(f"{self.url} holds a run with another config:\n  {lines}\nname another place")
        with self._told("written", "name a place that can be"):
            self._put(self.run / CONFIG, f"{self._base}/{CONFIG}")
        if steps and not (own and own[-1].name >= steps[-1]):
            with self._told("read"):
                self._pull(steps[-1])

    def _check_apart(self) -> None:
        import fsspec

        run = self.run.resolve()
        if isinstance(self._fs, fsspec.implementations.local.LocalFileSystem):
            place = Path(self._base).resolve()
            if place.is_relative_to(run):
                raise RunError(f"checkpoints={self.url} is in the run's own folder {self.run}; name another place")

    def push(self, folder: Path, keep: int) -> None:
        """Copy the log and a checkpoint, then drop all but the last `keep` there. The log goes first: of one that is
        ahead of its checkpoint the steps that are made again are cut off, in one behind they would be missing. Raises
        RunError where another run has taken the place since this one began."""
        with self._told("written"):
            if differences(self._config(), read_json(self.run / CONFIG)):
                raise RunError(
                    f"{self.url} is another run's by now; name another place, the same command goes on from {self.run}"
                )
            for name in FILES:
                if (self.run / name).exists():
                    self._put(self.run / name, f"{self._base}/{name}")
            target = f"{self._base}/checkpoints/{folder.name}"
            files = sorted((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.name == STATE)
            for file in files:
                self._put(file, f"{target}/{file.relative_to(folder).as_posix()}")
            for step in self._steps()[:-keep]:
                self._fs.rm(f"{self._base}/checkpoints/{step}", recursive=True)

    def _pull(self, step: str) -> None:
        self._get_log()
        source = f"{self._base}/checkpoints/{step}"
        with replacing_folder(self.run / "checkpoints" / step) as aside:
            for file in self._fs.find(source):
                target = aside / file.removeprefix(source).lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                self._fs.get_file(file, str(target))

    def holds(self) -> bool:
        """Whether a run has been copied there."""
        with self._told("read"):
            return bool(self._steps())

    def _config(self) -> Any:
        return json.loads(self._fs.cat_file(f"{self._base}/{CONFIG}"))

    def _get_log(self) -> None:
        for name in FILES[1:]:
            if self._fs.exists(f"{self._base}/{name}"):
                with replacing(self.run / name) as aside:
                    self._fs.get_file(f"{self._base}/{name}", str(aside))

    def _put(self, file: Path, target: str) -> None:
        self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
        self._fs.put_file(str(file), target)

    def _steps(self) -> list[str]:
        """The whole checkpoints there, oldest first."""
        self._fs.invalidate_cache()
        found = self._fs.glob(f"{self._base}/checkpoints/step-*/{STATE}")
        return sorted(str(path).split("/")[-2] for path in found)

    @contextmanager
    def _told(self, what: str, fix: str = "the run's own folder is whole, the same command goes on") -> Iterator[None]:
        try:
            yield
        except RunError:
            raise
        except Exception as error:  # each file system has errors of its own
            raise RunError(
                f"checkpoints={self.url}: cannot be {what} ({type(error).__name__}: {error}); {fix}"
            ) from error


def check_fresh(url: str, run: Path) -> None:
    """Raises RunError for a run that is to start anew and to be copied to where a run has been copied."""
    if url and Mirror(url, run).holds():
        raise RunError(f"checkpoints={url} holds a run, which would go on; --fresh needs a place of its own")
