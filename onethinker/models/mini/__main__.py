"""`python -m onethinker.models.mini`: rebuild the shipped tokenizer from the world's text."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from onethinker.data.worlds.build import build_world, corpus_text
from onethinker.models.mini import HERE, train_tokenizer
from onethinker.sample import load_samples
from onethinker.tasks import get_task
from onethinker.tasks.prompts import load_prompts


def texts(folder: Path) -> Iterator[str]:
    """Prompts, questions and worked answers of small worlds of every difficulty, and the timestamps of clips."""
    prompts = load_prompts("short")
    for difficulty, count in ((0, 6000), (1, 2000), (2, 1000)):
        samples = load_samples(build_world(folder / str(difficulty), n=count, seed=7, difficulty=difficulty) / "train")
        yield from corpus_text(samples)
        yield from (get_task(sample.task).prompt(sample, prompts) for sample in samples)
    yield from (f"<{tenth / 10:.1f} seconds>" for tenth in range(200) for _ in range(10))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = train_tokenizer(texts(Path(folder)))
    tokenizer.save(str(HERE / "tokenizer.json"))
    print(f"{HERE / 'tokenizer.json'}: {tokenizer.get_vocab_size()} tokens")
