"""The web page of a server, at `/`: files of our own, and examples that a mini model knows.

The page is our own rather than Gradio's: a clip that scrubs with boxes, masks and spans over it, a box drawn by hand
and a link to a result need a canvas of one's own, for which a Gradio page would need the same script within its frame,
beside megabytes of its own and a looser content security policy.
"""

from __future__ import annotations

import asyncio
import tempfile
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.responses import FileResponse, Response

from onethinker.sample import Sample, Samples, load_samples
from onethinker.serve.problems import Problem
from onethinker.serve.service import Service
from onethinker.tasks import get_task

FILES = {"page.css": "text/css"} | dict.fromkeys(
    ("page.js", "server.js", "panel.js", "draw.js", "live.js", "runs.js"), "text/javascript"
)
OPEN = frozenset(("/", *(f"/page/{name}" for name in FILES)))
"""Paths that say nothing of anyone and are therefore given without a token, which the page then asks for."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Scripts and styles from here alone, and none within the page."""
SHOWN = (
    *("spatial_grounding", "tracking", "temporal_grounding", "image_segmentation"),
    *("spatial_temporal_grounding", "video_segmentation", "multiple_choice"),
)


class Examples:
    """A few questions of a procedural world, drawn when they are first asked for."""

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted

    @cached_property
    def samples(self) -> Samples:
        from onethinker.data.worlds import build_world

        self._folder = tempfile.TemporaryDirectory(prefix="onethinker-examples-")
        world = build_world(Path(self._folder.name), n=1, seed=2, validation=1, test=26, workers=1)
        found = load_samples(world / "test")
        first: dict[str, Sample] = {}
        for sample in found:
            first.setdefault(sample.task, sample)
        return Samples(tuple(first[task] for task in SHOWN if task in first), found.root)

    def rows(self) -> list[dict[str, Any]]:
        if not self.wanted:
            return []
        return [
            {"title": get_task(s.task).title, "task": s.task, "question": s.question, "options": list(s.options)}
            for s in self.samples
        ]

    def file(self, number: int) -> Path:
        """Raises Problem."""
        if not self.wanted or not 0 <= number < len(self.samples):
            raise Problem(404, "there is no such example; /page/examples lists them")
        return self.samples[number].paths(self.samples.root)[0]


def page_routes(service: Service, runs: bool, live: bool) -> APIRouter:
    """The router of the page, which is no part of the API. runs, live: whether it shows runs and live sources."""
    router, examples = APIRouter(include_in_schema=False), Examples(service.first.model.knows_only_worlds)
    folder = files("onethinker.serve") / "page"

    def shown(name: str, kind: str) -> Response:
        headers = {"content-security-policy": POLICY, "cache-control": "no-cache"}
        return Response((folder / name).read_bytes(), headers=headers, media_type=kind)

    @router.get("/")
    async def page() -> Response:
        return shown("index.html", "text/html")

    @router.get("/page/views")
    async def views() -> dict[str, Any]:
        return {"models": list(service.models), "runs": runs, "live": live}

    @router.get("/page/examples")
    async def listed() -> list[dict[str, Any]]:
        return await asyncio.to_thread(examples.rows)

    @router.get("/page/examples/{number}")
    async def example(number: int) -> FileResponse:
        return FileResponse(await asyncio.to_thread(examples.file, number))

    @router.get("/page/{name}")
    async def file(name: str) -> Response:
        if name not in FILES:
            raise Problem(404, "the page has no such file")
        return shown(name, FILES[name])

    return router
