"""The application: one service, its paths, and the guard before them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from onethinker.inference import Model
from onethinker.inference.watch.sources import Source
from onethinker.serve.ask_api import ask_routes
from onethinker.serve.guard import OPEN_PATHS, Guard
from onethinker.serve.limits import Limits
from onethinker.serve.live import Live
from onethinker.serve.live_api import live_routes
from onethinker.serve.openai_api import openai_routes
from onethinker.serve.page_routes import OPEN as PAGE_PATHS
from onethinker.serve.page_routes import page_routes
from onethinker.serve.problems import PROBLEM_JSON, Problem, is_openai_path
from onethinker.serve.records import Health, OpenAIError, ProblemDetails
from onethinker.serve.runs import Runs
from onethinker.serve.runs_api import REPORTS, runs_routes
from onethinker.serve.service import Service

ABOUT = """Ask a model about pictures and clips: boxes, spans, tracks, masks and words as typed JSON.

Boxes and points are 0–1000 of width and height, times are seconds. Errors are RFC 9457 problem details."""
_STATUSES = {
    400: "Cannot be read", 401: "The token is missing or wrong", 403: "Not allowed", 404: "Not there (any more)",
    408: "The body came too slowly", 413: "Beyond a bound", 415: "A kind that is not read",
    421: "Asked by a wrong name", 422: "A field or a file that cannot be used", 429: "Too much is under way",
    500: "The server failed", 502: "What is behind the server failed", 503: "Not ready", 504: "A host was too slow",
}  # fmt: skip


def make_app(
    model: Model,
    name: str,
    *,
    limits: Limits | None = None,
    token: str = "",
    host: str = "127.0.0.1",
    media_root: Path | None = None,
    hosts: tuple[str, ...] = (),
    roots: Mapping[str, str] | None = None,
    beside: Mapping[str, Model] | None = None,
    runs: Path | None = None,
    sources: Sequence[Source] = (),
) -> Guard:
    """The ASGI application of one model; `.service` is what it shares with pages of its own.

    token: asked of every request but health checks. host: where it is to listen. media_root: the folder whose files
    requests may name. hosts: those whose addresses requests may name. roots: by the models' names, where the weights of
    each are: a shipped name, a folder or a hub id. beside: other models that may be asked by their names. runs: a
    folder whose runs may be looked at. sources: live ones that may be watched.
    """
    limits = limits or Limits()
    service = Service({name: model, **(beside or {})}, limits, media_root, hosts, roots or {})
    live = Live(service, sources)
    app = FastAPI(
        title="OneThinker", description=ABOUT, version=_version(), docs_url=None, redoc_url=None,
        lifespan=_lifespan(service, live),
    )  # fmt: skip
    app.state.service = service
    _answer_problems(app)
    problems = _responses(PROBLEM_JSON, ProblemDetails)
    app.include_router(ask_routes(service, problems))
    app.include_router(openai_routes(service, _responses("application/json", OpenAIError)))
    if runs is not None:
        app.include_router(runs_routes(service, Runs(runs, limits, media_root), problems))
    if sources:
        app.include_router(live_routes(service, live, problems))
    app.include_router(page_routes(service, runs is not None, bool(sources)))
    _add_health(app, service)
    return Guard(
        app, limits, service.metrics, token, host, OPEN_PATHS | PAGE_PATHS, (REPORTS,),
        retry_after=lambda: service.pace,
    )  # fmt: skip


def _responses(kind: str, model: type[BaseModel]) -> dict[int | str, Any]:
    """What any path may answer but what it is asked for."""
    content = {kind: {"schema": model.model_json_schema()}}
    return {status: {"description": words, "content": content} for status, words in _STATUSES.items()}


def _version() -> str:
    from importlib.metadata import version

    return version("onethinker")


def _lifespan(service: Service, live: Live) -> Any:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        keeping = asyncio.create_task(live.keep())
        try:
            yield
        finally:
            keeping.cancel()
            live.close()
            await service.close()

    return lifespan


def _answer_problems(app: FastAPI) -> None:
    """Every error in the form of its path."""

    async def problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        openai = is_openai_path(request.url.path)
        kind = "application/json" if openai else PROBLEM_JSON
        status = 400 if openai and error.status == 422 else error.status  # OpenAI's for whatever is wrong with a field
        return Response(error.body(openai), status, error.headers, media_type=kind)

    async def plain(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        words = {404: "no such path; /openapi.json lists them", 405: "this path is asked in another way (method)"}
        headers = dict(error.headers or {})
        return await problem(
            request, Problem(error.status_code, words.get(error.status_code, str(error.detail)), headers=headers)
        )

    app.add_exception_handler(Problem, problem)
    app.add_exception_handler(HTTPException, plain)

    from fastapi.exceptions import RequestValidationError

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        fault = error.errors()[0]
        return await problem(request, Problem(422, f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"))

    app.add_exception_handler(RequestValidationError, invalid)


def _add_health(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", tags=["health"], operation_id="healthz")
    async def healthz() -> dict[str, str]:
        """Whether the process lives."""
        return {"status": "ok"}

    @app.get(
        "/readyz", tags=["health"], operation_id="readyz", response_model=Health, responses={503: {"model": Health}}
    )
    async def readyz() -> JSONResponse:
        """Whether questions are taken: 503 while it drains, or where the engine is lost."""
        failure = "draining" if service.draining else service.failure
        told = Health(
            status=failure or "ok", model=service.first.name, models=list(service.models),
            batching=service.first.batcher.way, waiting=service.waiting,
        )  # fmt: skip
        return JSONResponse(told.model_dump(), 503 if failure else 200)

    @app.get("/metrics", tags=["health"], operation_id="metrics", response_class=Response)
    async def metrics() -> Response:
        """Counts for Prometheus."""
        from prometheus_client import CONTENT_TYPE_LATEST

        return Response(service.metrics.page(), headers={"content-type": CONTENT_TYPE_LATEST})
