"""A request's body → what is asked and its media, checked and decoded by processes of their own."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from onethinker.media import MediaBudget
from onethinker.serve.decoders import Decoders
from onethinker.serve.fetch import Fetcher
from onethinker.serve.limits import Limits
from onethinker.serve.metrics import Metrics
from onethinker.serve.problems import Problem
from onethinker.serve.store import Kept

_DATA_URL = re.compile(r"data:([\w.+-]*/?[\w.+-]*)((?:;[\w.+-]+=[^;,]*)*)(;base64)?,", re.ASCII)
_FIELDS = 200
"""Of a form, files left out."""
_LISTS = ("options", "media")


class Intake:
    """Media on their way in. media_root: the folder under which paths may be named, None where none may."""

    def __init__(
        self, limits: Limits, decoders: Decoders, fetcher: Fetcher, metrics: Metrics, media_root: Path | None
    ) -> None:
        self.limits, self.decoders, self.fetcher, self.metrics = limits, decoders, fetcher, metrics
        self.media_root = media_root.resolve() if media_root else None

    async def take(
        self, kept: Kept, media: list[str | bytes | Path], budget: MediaBudget, kinds: list[str] | None = None
    ) -> list[dict[str, Any]]:
        """Each medium as `media_worker.prepare` describes it, its own file beside (`file`). kinds: what each must be
        opened as. Raises Problem."""
        if len(media) > self.limits.media:
            raise Problem(413, f"{len(media)} media; at most {self.limits.media} are taken of one request")
        made = []
        for number, medium in enumerate(media):
            name = f"media[{number}]"
            file = await self._file(kept, number, medium, name)
            size = (await asyncio.to_thread(file.stat)).st_size
            if size > self.limits.media_bytes:
                raise Problem(413, f"{name}: {size:,} bytes; at most {self.limits.media_bytes:,} are taken")
            began = time.perf_counter()
            out = kept.folder / f"{number}.exact"
            kind = kinds[number] if kinds else "any"
            about = await self.decoders.prepare(file, out, kind, budget.model_dump(), name)
            self.metrics.decoding.observe(time.perf_counter() - began)
            made.append(about | {"file": str(file)})
        return made

    async def _file(self, kept: Kept, number: int, medium: str | bytes | Path, name: str) -> Path:
        """The medium as a file that this request may open. What a client calls it is never part of a file's name."""
        if isinstance(medium, Path):
            return medium
        if isinstance(medium, str) and not medium.startswith("data:"):
            if "://" in medium[:40] or medium[:5].lower() == "file:":
                medium = await self.fetcher.fetch(medium, name)
            else:
                return self._under_root(medium, name)
        file = kept.folder / f"{number}.upload"
        content = await asyncio.to_thread(from_data_url, medium, name) if isinstance(medium, str) else medium
        await asyncio.to_thread(file.write_bytes, content)
        return file

    def _under_root(self, path: str, name: str) -> Path:
        if self.media_root is None:
            raise Problem(
                403, f"{name}: a path, and this server opens none; send the file itself as a data URL or a form's part"
            )
        try:
            file = (self.media_root / path).resolve()
            inside = file.is_relative_to(self.media_root) and file.is_file()
        except (OSError, ValueError):
            inside = False
        if not inside:  # the same words for what is outside and what is not there: no probing
            raise Problem(404, f"{name}: no such file under the media root")
        return file


def from_data_url(url: str, name: str) -> bytes:
    """The bytes of a data URL. Raises Problem."""
    head = _DATA_URL.match(url, 0, 300)
    if head is None or not head[3]:
        raise Problem(422, f"{name}: expected data:image/png;base64,… (or another kind), came {url[:40]!r}")
    try:
        return base64.b64decode(url[head.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem(422, f"{name}: its base64 is damaged ({error}); encode the file's bytes anew") from None


class Form(BaseModel):
    """What `read_body` found: fields as JSON would have them, and the files of a form."""

    fields: dict[str, Any]
    files: list[bytes]


async def read_body(request: Request, limits: Limits) -> bytes | Form:
    """The body: JSON as it came, or a form. Raises Problem."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
            return await _read_form(request, limits)
        if kind == "application/json":
            return await request.body()
    except ClientDisconnect:
        raise Problem(400, "the request ended before its body did") from None
    raise Problem(415, f"expected application/json or multipart/form-data, came {kind[:60] or 'no content type'!r}")


async def _read_form(request: Request, limits: Limits) -> Form:
    from starlette.exceptions import HTTPException
    from starlette.formparsers import MultiPartException

    try:
        async with request.form(max_files=limits.media, max_fields=_FIELDS, max_part_size=1 << 20) as form:
            fields, files = dict[str, Any](), list[bytes]()
            for key, value in form.multi_items():
                if isinstance(value, UploadFile):
                    if key != "media":
                        raise Problem(422, f"{key[:60]!r}: a file; expected files under the name 'media' only")
                    files.append(await value.read())
                elif key in _LISTS:
                    fields.setdefault(key, []).append(value)
                elif key in fields:
                    raise Problem(422, f"{key[:60]!r}: expected once, came twice")
                else:
                    fields[key] = value
            return Form(fields=fields, files=files)
    except (HTTPException, MultiPartException) as error:
        words = getattr(error, "detail", None) or getattr(error, "message", "")
        raise Problem(400, f"the form cannot be read: {words}") from None


def validated(kind: type[BaseModel], body: bytes | dict[str, Any], status: int = 422) -> Any:
    """The body as `kind`. status: of a fault in a field; what is no JSON at all is a 400. Raises Problem."""
    try:
        return kind.model_validate_json(body) if isinstance(body, bytes) else kind.model_validate(body)
    except ValidationError as error:
        faults = [
            {"field": ".".join(map(str, fault["loc"])) or "body", "problem": fault["msg"]}
            for fault in error.errors(include_url=False, include_context=False, include_input=False)[:20]
        ]
        first = faults[0]
        no_json = error.errors(include_url=False, include_context=False)[0]["type"] == "json_invalid"
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise Problem(
            400 if no_json else status,
            f"{first['field']}: {first['problem']}{more}",
            param=first["field"],
            errors=faults,
        ) from None


async def until_left(request: Request, work: Any) -> Any:
    """What `work` gives, or a reply that nobody reads where the client leaves first, at which `work` is cancelled."""

    async def leaving() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, watching = asyncio.ensure_future(work), asyncio.ensure_future(leaving())
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        return Response(status_code=499)
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)
