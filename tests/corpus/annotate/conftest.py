"""A small corpus of questions in words, and a provider to ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from onethinker.corpus.annotate.run import Money, annotate
from onethinker.corpus.annotate.settings import load_settings
from onethinker.sample import Sample, save_samples
from tests.corpus.annotate.provider import Provider

OPTIONS = ("A. red", "B. blue", "C. green")
MONEY = Money(budget_usd=1.0, price_in=1.0, price_out=4.0)
"""A million times what a small run costs; the provider's prices."""


def question(number: int, truth: str = "A", **fields: Any) -> Sample:
    given = {"question": f"Which colour has thing {number}?", "options": OPTIONS, "source": "made"} | fields
    return Sample(f"q{number}", "multiple_choice", "text", truth=truth, **given)


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.close()


@pytest.fixture
def run(tmp_path: Path, provider: Provider) -> Callable[..., dict[str, Any]]:
    """`run(samples, money=…, **settings)`: annotate them into `tmp_path/out`."""

    def ask(samples: list[Sample], money: Money = MONEY, model: str = "", **changes: Any) -> dict[str, Any]:
        batch = changes.pop("batch", False)
        corpus = tmp_path / "corpus"
        save_samples(samples, corpus / "samples.jsonl")
        settings = load_settings(
            **{"candidates": 2, "max_tokens": 50, "timeout": 5.0, "tokens_per_picture": 200} | changes
        )
        return annotate(
            corpus, model or provider.url, tmp_path / "out", money, settings=settings, batch=batch, backoff=0.01
        )

    return ask
