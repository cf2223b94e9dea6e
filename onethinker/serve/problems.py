"""Errors over HTTP: RFC 9457 problem details, or OpenAI's form on its paths.

`detail` is one sentence: what was expected, what came, what to do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

PROBLEM_JSON = "application/problem+json"

_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class Problem(Exception):
    """A request that cannot be served. status: HTTP's. detail: the sentence. headers: of the reply. param: the field
    that it is about. errors: every fault found, where there are several."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        param: str = "",
        errors: list[dict[str, str]] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.param = status, detail, param
        self.headers, self.errors = dict(headers or {}), errors or []

    def body(self, openai: bool = False) -> bytes:
        """As JSON; openai: `{"error": {…}}`, which the `openai` package turns into its exceptions."""
        return json.dumps(self._openai() if openai else self._rfc9457()).encode()

    def _rfc9457(self) -> dict[str, Any]:
        about = {"type": "about:blank", "title": title(self.status), "status": self.status, "detail": self.detail}
        return about | ({"errors": self.errors} if self.errors else {})

    def _openai(self) -> dict[str, Any]:
        kind = _OPENAI_TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.detail, "type": kind, "param": self.param or None, "code": None}}


def title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def busy(detail: str, seconds: float = 1.0) -> Problem:
    """429: come back in so many seconds."""
    return Problem(429, detail, headers={"Retry-After": str(max(1, round(seconds)))})


def is_openai_path(path: str) -> bool:
    return path.startswith(("/v1/chat/", "/v1/models"))
