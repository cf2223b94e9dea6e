"""Paths of runs: what they answered, one rollout as a result that draws like any other, and reports."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import FileResponse, Response

from onethinker.report.page import policy
from onethinker.report.rollouts import Wanted
from onethinker.serve.problems import Problem
from onethinker.serve.records import Answered, Usage
from onethinker.serve.results import result_of
from onethinker.serve.runs import Place, Runs, shown, turns_of
from onethinker.serve.service import Service
from onethinker.serve.store import Kept
from onethinker.tasks import TASKS, get_task

REPORTS = "/reports/"
"""Where reports lie, under names that nobody can guess."""


class RunInfo(BaseModel):
    """name: relative to the folder of runs. steps: those with rollouts. report: whether it has one."""

    name: str
    steps: int
    report: bool


class Rollouts(BaseModel):
    """rows: step, id, task, index, status, reward, accuracy, components, question, truth, response, …, and `at`, by
    which one is opened. after: where to go on, empty at the end."""

    rows: list[dict[str, Any]]
    after: str


class RolloutAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    run: str = Field(max_length=1000, description="One of /v1/runs")
    at: str = Field(max_length=100, description="`at` of one of /v1/rollouts")


class Rollout(BaseModel):
    """row: as /v1/rollouts has it. answered: the answer as a result. truth: what would have earned the most, as a
    result's record; null where none is known. note: why there is no picture."""

    row: dict[str, Any]
    answered: Answered
    truth: dict[str, Any] | None
    note: str


class Link(BaseModel):
    """address: opens without a token, for a few minutes."""

    address: str


def runs_routes(service: Service, runs: Runs, responses: dict[int | str, Any]) -> APIRouter:
    router = APIRouter(responses=responses, tags=["runs"])

    @router.get("/v1/runs", operation_id="runs")
    async def listed() -> list[RunInfo]:
        """The runs under the server's folder."""
        return [RunInfo(**run) for run in await asyncio.to_thread(runs.listed)]

    @router.get("/v1/rollouts", operation_id="rollouts")
    async def rollouts(
        run: Annotated[str, Query(max_length=1000)],
        task: Annotated[str | None, Query(max_length=100)] = None,
        status: Annotated[str | None, Query(max_length=100)] = None,
        min_reward: Annotated[float | None, Query(allow_inf_nan=False)] = None,
        max_reward: Annotated[float | None, Query(allow_inf_nan=False)] = None,
        step: Annotated[int | None, Query(ge=0, le=2**53)] = None,
        after: Annotated[str, Query(max_length=100)] = "",
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> Rollouts:
        """What a run answered, the newest step first."""
        wanted = Wanted(task or None, status or None, min_reward, max_reward, step)
        begin = Place.read(after) if after else None
        rows, last = await asyncio.to_thread(runs.rollouts, run, wanted, begin, limit)
        return Rollouts(rows=rows, after=str(last or ""))

    @router.post("/v1/rollouts/open", operation_id="rollout")
    async def opened(asked: RolloutAsked) -> Rollout:
        """One rollout as a result, kept like any answer's."""
        return await _open(service, runs, asked)

    @router.get("/v1/rollouts/thumb", operation_id="thumb", response_class=FileResponse,
                responses={200: {"content": {"image/jpeg": {}}}})  # fmt: skip
    async def thumb(run: Annotated[str, Query(max_length=1000)], at: Annotated[str, Query(max_length=100)]) -> Response:
        """The first medium of a rollout's question, small."""
        row = await asyncio.to_thread(runs.rollout, run, Place.read(at))
        found = await asyncio.to_thread(runs.sample, run, row)
        if found is None or not found[1]:
            raise Problem(404, "at: its question has no medium here")
        kept = service.store.begin()
        try:
            file = await service.decoders.thumb(found[1][0], kept.folder / "thumb", "media[0]")
            headers = {"cache-control": "private, max-age=600"}
            return Response(await asyncio.to_thread(file.read_bytes), headers=headers, media_type="image/jpeg")
        finally:
            kept.remove()

    @router.post("/v1/reports", operation_id="report")
    async def link(asked: Annotated[str, Query(alias="run", max_length=1000)]) -> Link:
        """Where a browser opens a run's report."""
        return Link(address=REPORTS + await asyncio.to_thread(runs.link, asked))

    @router.get(REPORTS + "{link}", include_in_schema=False)
    async def report(link: str) -> Response:
        content = await asyncio.to_thread(runs.report, link)
        # Of no origin: whatever stands in it can ask this server nothing and read nothing of the page's.
        rules = f"{policy()}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts"
        return Response(content, headers={"content-security-policy": rules}, media_type="text/html; charset=utf-8")

    return router


async def _open(service: Service, runs: Runs, asked: RolloutAsked) -> Rollout:
    row = await asyncio.to_thread(runs.rollout, asked.run, Place.read(asked.at))
    if row["task"] not in TASKS:
        raise Problem(422, f"at: its task {str(row['task'])[:60]!r} is none of /v1/tasks; give its --plugin")
    found = await asyncio.to_thread(runs.sample, asked.run, row)
    sample, files = found or (None, [])
    kept = service.store.begin()
    try:
        media = [await service.decoders.look(file, f"media[{n}]") | {"file": str(file)} for n, file in enumerate(files)]
        told = {
            "task": row["task"], "modality": row["modality"], "question": row["question"],
            "options": list(sample.options) if sample else [], "meta": dict(sample.meta) if sample else {},
            "response": row["response"], "finish": row["finish"], "model": asked.run,
            "tokens": row["tokens"], "seconds": row["seconds"] or 0.0, "turns": turns_of(row),
        }  # fmt: skip
        answered = await _answered(service, kept, told, media, row)
    except BaseException:
        await asyncio.to_thread(kept.remove)
        raise
    truth = await asyncio.to_thread(_truth, told, row, media)
    told_row = {"at": asked.at, **shown(row)}
    note = "" if found else "its question's media are not here: the run's data are gone, changed, large or outside"
    return Rollout(row=told_row, answered=answered, truth=truth, note=note)


async def _answered(
    service: Service, kept: Kept, told: dict[str, Any], media: list[dict[str, Any]], row: dict[str, Any]
) -> Answered:
    """The rollout as the reply to a question, and kept as its result."""
    files = [Path(about["file"]) for about in media]
    if get_task(told["task"]).masks and media:
        job = {"do": "record", "told": told, "media": media, "files": list(map(str, files))}
        record = (await service.decoders.run(job, "media"))["record"]
    else:
        record = (await asyncio.to_thread(result_of, told, files, media)).record(masks=False)
    prompt, written = row["prompt_tokens"], row["tokens"]
    made = Answered(
        id=kept.id, model=told["model"], finish=row["finish"], result=record,
        usage=Usage(prompt_tokens=prompt, completion_tokens=written, total_tokens=prompt + written),
        seconds=round(told["seconds"], 4), expires=service.limits.result_seconds,
        media=[f"/v1/results/{kept.id}/media/{number}" for number in range(len(media))],
        drawing=f"/v1/results/{kept.id}/drawing" if media else "",
    )  # fmt: skip
    await asyncio.to_thread(kept.hold, media, told | {"turns": []}, made)
    service.store.keep(kept)
    return made


def _truth(told: dict[str, Any], row: dict[str, Any], media: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The record of an answer that earns the most, masks left out."""
    from onethinker.sample import DataError, Sample

    asked = Sample(
        id="truth", task=told["task"], modality=told["modality"], question=told["question"], truth=str(row["truth"]),
        options=tuple(told["options"]), meta=told["meta"],
    )  # fmt: skip
    try:
        best = get_task(asked.task).best(asked)
    except (DataError, ValueError):
        return None
    if best is None:
        return None
    said = told | {"response": f"<think></think><answer>{best}</answer>", "finish": "stop"}
    made = result_of(said, [Path(about["file"]) for about in media], media)
    return made.record(masks=False) if made.ok else None
