"""A server that answers as a test says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.engines.openai_stub import Stub


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """No key in the environment."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with closing(Stub()) as made:
        yield made
