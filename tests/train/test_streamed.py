"""Training on shards that are read as they are needed equals training on the same samples loaded."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pyarrow.parquet as pq
import pytest

from onethinker.corpus.export import export
from onethinker.corpus.rows import ShardWriter, to_table
from onethinker.sample import DataError, Samples, load_samples
from onethinker.sample.stream import open_stream
from onethinker.train.mirror import STATE, Mirror
from onethinker.train.rl import run_rl
from onethinker.train.sft import run_sft
from onethinker.util.runs import RunError
from tests.train.runs import digest, lasting

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shards(world: Samples) -> Path:
    """The world's samples as shards beside its media."""
    with ShardWriter(world.root / "shards", rows_per_shard=16) as writer:
        writer.write(to_table(world))
    for file in (world.root / "shards").glob("*.parquet"):
        pq.write_table(pq.read_table(file), file, row_group_size=4)
    return world.root / "shards"


@pytest.mark.parametrize("kind", ["sft", "rl"])
def test_a_set_within_the_buffer_trains_as_a_loaded_one(kind, world, shards, tiny, tmp_path) -> None:
    """From Parquet beside its media, and from tars in another file system."""
    run = {"sft": run_sft, "rl": run_rl}[kind]
    recipe = tiny("sft.steps=2", "rl.steps=1", "watch=[]")
    loaded = run(recipe, load_samples(shards, world.root), tmp_path / "loaded")
    export(shards, tmp_path / "tars", "webdataset", media_root=world.root, shard_bytes=100_000)
    fsspec.filesystem("memory").put(f"{tmp_path / 'tars'}/", "/stream-tars/", recursive=True)
    for name, path, root in (("parquet", str(shards), str(world.root)), ("tar", "memory://stream-tars", None)):
        streamed = run(recipe, open_stream(path, root, buffer=10_000), tmp_path / name)
        assert digest(streamed) == digest(loaded)
        assert lasting(tmp_path / name) == lasting(tmp_path / "loaded")


def test_a_cut_run_goes_on_at_its_sample(world, shards, tiny, tmp_path) -> None:
    recipe = tiny("sft.steps=3", "sft.save_every=1", "watch=[]")
    whole = run_sft(recipe, open_stream(str(shards), str(world.root), buffer=8), tmp_path / "whole")
    for stop in (1, None):
        cut = run_sft(
            recipe, open_stream(str(shards), str(world.root), buffer=8), tmp_path / "cut", stop_after=stop
        )  # fmt: skip
    assert digest(cut) == digest(whole)
    assert not (tmp_path / "cut" / "roster.jsonl").exists()


def test_rows_without_an_answer_or_media_cost_themselves(world, shards, tiny, tmp_path) -> None:
    table = to_table(world).to_pylist()
    table[3]["media"] = ["none.png"]
    table[5]["meta"] = "{}"
    (tmp_path / "set").mkdir()
    import pyarrow as pa

    pq.write_table(pa.Table.from_pylist(table), tmp_path / "set" / "samples-00000.parquet", row_group_size=4)
    stream = open_stream(str(tmp_path / "set"), str(world.root), buffer=8)
    recipe = tiny("sft.steps=2", f"sft.batch={len(world) // 2 + 1}", "watch=[]", "data.max_unreadable=0.2")
    run_sft(recipe, stream, tmp_path / "run")
    told = (tmp_path / "run" / "unreadable.jsonl").read_text()
    assert "row 4" in told and "row 6" in told and "no worked answer" in told
    assert [row["unreadable"] for row in lasting(tmp_path / "run")][-1] == 2
    table[0]["meta"] = "{}"
    pq.write_table(pa.Table.from_pylist(table), tmp_path / "set" / "samples-00000.parquet")
    with pytest.raises(DataError, match="has no worked answer"):
        run_sft(recipe, open_stream(str(tmp_path / "set"), buffer=8), tmp_path / "other")


def test_a_run_goes_on_from_its_copy_elsewhere(world, tiny, tmp_path) -> None:
    recipe = tiny("sft.steps=3", "sft.save_every=1", "sft.keep=1", "watch=[]")
    copied = recipe.model_copy(update={"checkpoints": "memory://copies/run"})
    whole = run_sft(recipe, world, tmp_path / "whole")
    run_sft(copied, world, tmp_path / "here", stop_after=2)
    assert [p.split("/")[-2] for p in fsspec.filesystem("memory").glob("/copies/run/checkpoints/*/trainer.pt")] == [
        "step-000002"
    ]
    there = run_sft(copied, world, tmp_path / "there")
    assert digest(there) == digest(whole)
    assert lasting(tmp_path / "there") == lasting(tmp_path / "whole")
    other = tiny("sft.steps=3", "sft.batch=2", "watch=[]", "checkpoints=memory://copies/run")
    with pytest.raises(RunError, match=r"copies/run holds a run with another config:\n  recipe.sft.batch: 4 → 2"):
        run_sft(other, world, tmp_path / "other")


def test_a_copy_that_ends_with_its_checkpoint_has_the_log_of_it(world, tiny, tmp_path, monkeypatch) -> None:
    """A machine that goes away between two files of a copy."""
    recipe = tiny("sft.steps=3", "sft.save_every=1", "watch=[]")
    copied = recipe.model_copy(update={"checkpoints": "memory://cut/run"})
    run_sft(recipe, world, tmp_path / "whole")
    put = Mirror._put

    def cut(mirror: Mirror, file: Path, target: str) -> None:
        put(mirror, file, target)
        if target.endswith(f"step-000002/{STATE}"):
            raise SystemExit

    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(Mirror, "_put", cut)
        run_sft(copied, world, tmp_path / "here")
    run_sft(copied, world, tmp_path / "there")
    assert lasting(tmp_path / "there") == lasting(tmp_path / "whole")
