"""A few processes that decode uploads, each bounded in memory and time and replaced when it is lost."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from onethinker.serve.limits import Limits
from onethinker.serve.problems import Problem

_STATUS = {"too_large": 413, "unsupported": 415, "damaged": 422, "memory": 413}
_JOBS = 1000
"""After so many a process makes room for a fresh one: no leak of a decoder lasts."""
_START_SECONDS = 60.0


class _Worker:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process, self.jobs = process, 0

    @classmethod
    async def start(cls) -> _Worker:
        # No secrets of the server's in its environment, and no more threads than the one that works.
        kept = {key: os.environ[key] for key in ("PATH", "PYTHONPATH", "LANG", "TMPDIR", "HOME") if key in os.environ}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "onethinker.serve.media_worker"),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            env=kept | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}, start_new_session=True, limit=1 << 20,
        )  # fmt: skip
        made = cls(process)
        async with asyncio.timeout(_START_SECONDS):
            await made._reply()
        return made

    async def ask(self, job: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.jobs += 1
        self.process.stdin.write(json.dumps(job).encode() + b"\n")
        await self.process.stdin.drain()
        return await self._reply()

    async def _reply(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            raise ConnectionError("the decoder ended")
        return json.loads(line)

    async def end(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


class Decoders:
    """Jobs of `media_worker`, at most `limits.decoders` at one time."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._slots = asyncio.Semaphore(limits.decoders)
        self._idle: list[_Worker] = []
        self.replaced = 0
        """Processes that were lost to a job."""

    async def prepare(self, file: Path, out: Path, kind: str, budget: dict[str, Any], name: str) -> dict[str, Any]:
        """Check an upload and write what the engine opens. kind: image, video or any. name: what to call it in a
        complaint. Raises Problem."""
        job = {"do": "prepare", "file": str(file), "out": str(out), "kind": kind, "budget": budget, **self._bounds()}
        return await self.run(job, name)

    async def look(self, file: Path, name: str) -> dict[str, Any]:
        """What a file is, as `prepare` says it; nothing is written. Raises Problem."""
        return await self.run({"do": "look", "file": str(file), "kind": "any", **self._bounds()}, name)

    async def thumb(self, file: Path, out: Path, name: str) -> Path:
        """A small JPEG of a picture or a clip. Raises Problem."""
        job = {"do": "thumb", "file": str(file), "out": str(out), "kind": "any", **self._bounds()}
        return Path((await self.run(job, name))["path"])

    def _bounds(self) -> dict[str, Any]:
        return {key: getattr(self.limits, key) for key in ("pixels", "frames", "seconds")}

    async def run(self, job: dict[str, Any], name: str) -> dict[str, Any]:
        """The reply to a job. Raises Problem."""
        seconds = self.limits.decode_seconds
        job |= {"memory": self.limits.decode_bytes, "cpu_seconds": seconds}
        async with self._slots:
            worker = self._idle.pop() if self._idle else await _Worker.start()
            try:
                async with asyncio.timeout(seconds):
                    made = await worker.ask(job)
            except TimeoutError:
                await self._lose(worker)
                raise Problem(
                    413, f"{name}: decoding took more than {seconds:g} s; send a smaller or shorter file"
                ) from None
            except (OSError, ValueError):
                await self._lose(worker)
                raise Problem(422, f"{name}: its contents crash the decoder; replace the file") from None
            except BaseException:  # the request was given up
                await self._lose(worker)
                raise
            if made.get("error") == "memory" or worker.jobs >= _JOBS:
                await worker.end()
            else:
                self._idle.append(worker)
        if "error" in made:
            raise Problem(_STATUS[made["error"]], f"{name}: {made['words']}")
        return made

    async def _lose(self, worker: _Worker) -> None:
        self.replaced += 1
        await asyncio.shield(worker.end())

    async def start(self) -> None:
        """One process ready before the first upload comes."""
        if not self._idle:
            self._idle.append(await _Worker.start())

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().end()
