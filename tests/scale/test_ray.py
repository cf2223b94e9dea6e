"""Work on a real Ray of two workers, one of which is killed midway: what comes out is what one process makes."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from onethinker.corpus import clean as cleaning
from onethinker.corpus import decontaminate as decontamination
from onethinker.corpus.difficulty import Asked, measure_difficulty
from onethinker.corpus.executor import map_batches
from onethinker.corpus.rows import ShardWriter, to_table
from onethinker.engines import make_engine
from onethinker.engines.base import EngineError, Sampling
from onethinker.engines.ray import RayEngine, _Part
from onethinker.engines.scripted import ScriptedEngine
from onethinker.evaluate.run import evaluate
from onethinker.media import MediaBudget, write_image
from onethinker.recipes import SHIPPED
from onethinker.recipes.answering import answering_engine
from onethinker.recipes.base import EvalConfig, override
from onethinker.sample import Sample, Samples, save_samples
from onethinker.scoring.saved import score_file
from onethinker.tasks.prompts import load_prompts
from onethinker.util.runs import RunError


@pytest.fixture(scope="module")
def two_workers(start_ray: Callable[[int], None]) -> None:
    """A Ray of two processors on this machine, for all tests of this file."""
    start_ray(2)


def deadly(work: Callable[..., Any], mark: Path, when: Callable[[Any], bool]) -> Callable[..., Any]:
    """`work`, but the first process that is given what `when` says is killed by it. Made within a function, so that Ray
    pickles it whole."""

    def dies_once(given: Any, *more: Any) -> Any:
        if when(given) and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return work(given, *more)

    return dies_once


def doubled(rows: pa.RecordBatch) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"n": [2 * n for n in rows.column("n").to_pylist() for _ in range(1 + n % 2)]})


# ---- stages ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_batches_keep_their_order_and_a_killed_worker_costs_an_attempt(two_workers: None, tmp_path: Path) -> None:
    taken = []

    def source() -> Iterator[pa.RecordBatch]:
        for n in range(12):
            taken.append(n)
            yield pa.RecordBatch.from_pydict({"n": [n, n + 100]})

    stage = deadly(doubled, tmp_path / "killed", lambda rows: rows.column("n")[0].as_py() == 5)
    made = map_batches(stage, source(), ray="local")
    first = next(made)
    assert len(taken) <= 2 + 3 * 2, "lazily"
    assert [b.to_pydict() for b in (first, *made)] == [b.to_pydict() for b in map(doubled, source())]
    assert (tmp_path / "killed").exists()


@pytest.mark.slow
def test_a_stage_that_always_kills_is_told_and_one_that_raises_raises(two_workers: None) -> None:
    batches = [pa.RecordBatch.from_pydict({"n": [n]}) for n in range(4)]

    def kills(rows: pa.RecordBatch) -> pa.RecordBatch:
        os.kill(os.getpid(), signal.SIGKILL)
        return rows

    def fails(rows: pa.RecordBatch) -> pa.RecordBatch:
        raise OSError("disk is full")

    with pytest.raises(RunError, match="died 3 times over one piece of work"):
        list(map_batches(kills, batches, ray="local"))
    with pytest.raises(OSError, match="disk is full"):
        list(map_batches(fails, batches, ray="local"))


def pictures(folder: Path) -> list[Sample]:
    draw = np.random.default_rng(0)
    made = []
    for number in range(40):
        pixels = draw.integers(0, 256, (48, 48, 3), dtype=np.uint8)
        for name in (f"{number}.png", f"copy-{number}.png")[: 1 + (number % 4 == 0)]:
            write_image(folder / name, pixels)
            made.append(Sample(name, "numerical", "image", "How many?", str(number), media=(name,), source="s"))
    return made


@pytest.mark.slow
def test_cleaned_to_the_same_bytes(two_workers: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = tmp_path / "corpus"
    with ShardWriter(corpus, rows_per_shard=16) as shards:
        shards.write(to_table(pictures(corpus)))
    found = cleaning.clean(corpus, tmp_path / "here", workers=1)
    inspect = cleaning.Inspect

    def twenty(rows: pa.RecordBatch) -> bool:
        return "20.png" in rows.column("id").to_pylist()

    monkeypatch.setattr(cleaning, "Inspect", lambda rows: deadly(inspect(rows), tmp_path / "killed", twenty))
    spread = cleaning.clean(corpus, tmp_path / "there", ray="local")
    assert (tmp_path / "killed").exists() and len(found.gone) == 10
    assert found.to_json() == spread.to_json()
    for name in ("samples-00000-of-00001.parquet", "report/clean.json", "report/clean.html"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


@pytest.mark.slow
def test_decontaminated_to_the_same_bytes(two_workers: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, benchmarks = tmp_path / "corpus", tmp_path / "data" / "onethinker-eval"
    with ShardWriter(corpus, rows_per_shard=16) as shards:
        shards.write(to_table(made := pictures(corpus)))
    benchmarks.mkdir(parents=True)
    shutil.copy(corpus / "20.png", benchmarks)
    asked = replace(made[0], id="asked", task="spatial_grounding", truth='{"boxes": [1, 2, 3, 4]}', media=("20.png",))
    save_samples([asked], benchmarks / "eval_refcoco_testA.json")
    found = decontamination.decontaminate(corpus, tmp_path / "here", [benchmarks.parent], workers=1)
    overlaps = decontamination.Overlaps

    def twenty(rows: pa.RecordBatch) -> bool:
        return "20.png" in rows.column("id").to_pylist()

    monkeypatch.setattr(decontamination, "Overlaps", lambda known: deadly(overlaps(known), tmp_path / "killed", twenty))
    spread = decontamination.decontaminate(corpus, tmp_path / "there", [benchmarks.parent], ray="local")
    assert (tmp_path / "killed").exists() and [id for _, id in found.gone] == ["20.png", "copy-20.png"]
    assert found.to_json() == spread.to_json()
    here, there = ({file.relative_to(tmp_path / name): file.read_bytes() for file in (tmp_path / name).rglob("*.*")
                    if file.is_file()} for name in ("here", "there"))  # fmt: skip
    assert here == there


@pytest.mark.slow
def test_scored_to_the_same_bytes(two_workers: None, tmp_path: Path) -> None:
    lines = [
        {"id": str(n), "task": "numerical", "modality": "text", "question": f"{n}?", "truth": str(n),
         "response": f"<think></think><answer>{n - n % 3}</answer>"}
        for n in range(4000)
    ]  # fmt: skip
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    score_file(tmp_path / "in.jsonl", tmp_path / "here.jsonl", workers=1)
    score_file(tmp_path / "in.jsonl", tmp_path / "there.jsonl", ray="local")
    assert (tmp_path / "here.jsonl").read_bytes() == (tmp_path / "there.jsonl").read_bytes()


# ---- engines --------------------------------------------------------------------------------------------------------


def test_requests_over_which_an_actor_died_are_asked_again_by_halves() -> None:
    assert _Part((4, 5, 6)).again() == [_Part((4,)), _Part((5, 6))]
    assert _Part((4,)).again() == [_Part((4,), 1)]
    assert _Part((4,), 2).again() == []


def test_a_server_is_not_spread() -> None:
    with pytest.raises(EngineError, match="leave --ray out"):
        answering_engine(override(SHIPPED["mini"], ["model.base=http://127.0.0.1:1/v1"]), ray="local")


def lasting(folder: Path) -> dict[str, Any]:
    """Each answer's row, without what a clock measured; each is there once. Numbers to twelve digits: answers are
    measured together as they come, and the last bit of an exponential hangs on how many there are."""
    lines = (folder / "results.jsonl").read_text().splitlines()
    rows = [json.loads(line, parse_float=lambda text: round(float(text), 12)) for line in lines]
    found = {row["content"]: {k: v for k, v in row.items() if k not in ("at", "seconds")} for row in rows}
    assert len(found) == len(rows)
    return found


@pytest.mark.slow
def test_a_model_in_two_actors_answers_as_one_and_each_question_once(
    two_workers: None, world: Samples, tmp_path: Path
) -> None:
    samples = replace(world, items=world.items[:24])
    load = partial(make_engine, "mini-rl", "local", device="cpu", dtype="float32", decode_batch_size=8)
    options: dict[str, Any] = {
        "config": EvalConfig(bootstrap=20, max_tokens=24), "prompts": load_prompts("short"), "data": "world"
    }  # fmt: skip
    here = evaluate(samples, load(), tmp_path / "here", **options)
    mark, asked = tmp_path / "killed", samples[12].id

    def loaded() -> Any:
        engine = load()
        engine.answer = deadly(engine.answer, mark, lambda requests: asked in {r.id for r in requests})
        return engine

    engine = RayEngine(loaded, "local", "cpu")
    try:
        there = evaluate(samples, engine, tmp_path / "there", **options)
    finally:
        engine.close()
    assert mark.exists()
    ours, theirs = lasting(tmp_path / "here"), lasting(tmp_path / "there")
    assert ours.keys() == theirs.keys()
    for name, row in ours.items():
        assert row == theirs[name]
    assert here["settings"] == there["settings"] and here["engine"] == there["engine"]
    assert there["mean"]["headline"]["value"] == pytest.approx(here["mean"]["headline"]["value"], abs=1e-12)


@pytest.mark.slow
def test_pass_rates_on_ray_and_a_question_that_kills_costs_itself(two_workers: None, tmp_path: Path) -> None:
    items = [Sample(f"q{n}", "multiple_choice", "text", f"{n}?", "A", ("A. red", "B. blue")) for n in range(10)]
    with ShardWriter(tmp_path / "corpus") as shards:
        shards.write(to_table(items))

    def script(request: Any, index: int) -> str:
        return f"<think></think><answer>{'A' if index < int(request.id[1:]) % 5 else 'B'}</answer>"

    def deadly_script(request: Any, index: int) -> str:
        if request.id == "q7":
            os.kill(os.getpid(), signal.SIGKILL)
        return script(request, index)

    def measured(engine: Any, out: str) -> Any:
        asked = Asked(engine, "m", load_prompts("short"), MediaBudget(), Sampling(n=4, temperature=1.0), {})
        return measure_difficulty(tmp_path / "corpus", tmp_path / out, asked)

    measured(ScriptedEngine(script), "here")
    for name, words in (("there", script), ("deadly", deadly_script)):
        engine = RayEngine(partial(ScriptedEngine, words), "local", "cpu")
        found = measured(engine, name)
        engine.close()
        if name == "there":
            files = [tmp_path / folder / "samples-00000-of-00001.parquet" for folder in ("here", "there")]
            assert files[0].read_bytes() == files[1].read_bytes()
    assert list(found.problems) == ["q7"] and "died 3 times" in found.problems["q7"]
    assert sum(map(len, found.rates.values())) == 9
