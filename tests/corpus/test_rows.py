"""Shards: what goes in comes out, whatever the batches; half a set is read as far as it goes or named."""

from __future__ import annotations

from pathlib import Path

import pytest

from onethinker.corpus import rows
from onethinker.corpus.rows import ShardWriter, count_rows, read_shards, schema, to_samples, to_table
from onethinker.sample import DataError, Sample, load_samples, save_samples

SAMPLES = [
    Sample(str(n), "multiple_choice", "image", f"Which {n}? ü", "A", ("A. red", "B. blue"), (f"m/{n}.png",), "s",
           {"b": {"deep": [None, 1.5]}, "a": n})
    for n in range(7)
] + [Sample("text", "math", "text", "1+1?", "2")]  # fmt: skip


def write(folder: Path, per_shard: int, per_batch: int) -> Path:
    with ShardWriter(folder, per_shard) as writer:
        for at in range(0, len(SAMPLES), per_batch):
            writer.write(to_table(SAMPLES[at : at + per_batch]))
    return folder


def test_samples_come_back(tmp_path: Path) -> None:
    folder = write(tmp_path / "c", 3, 2)
    assert sorted(f.name for f in folder.iterdir()) == [f"samples-0000{n}-of-00003.parquet" for n in range(3)]
    assert list(load_samples(folder)) == SAMPLES
    assert load_samples(folder).root == folder
    batches = list(read_shards(folder, 2))
    assert [len(b) for b in batches] == [2, 1, 2, 1, 2]
    assert [s for b in batches for s in to_samples(b)] == SAMPLES
    assert count_rows(folder) == len(SAMPLES)
    assert rows.SCHEMA == schema() == batches[0].schema


def test_the_bytes_do_not_hang_on_batches(tmp_path: Path) -> None:
    folders = [write(tmp_path / str(size), 5, size) for size in (1, 3, 8)]
    content = [[f.read_bytes() for f in sorted(folder.iterdir())] for folder in folders]
    assert content[0] == content[1] == content[2]


def test_a_set_that_ended_early_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    def stop() -> None:
        with ShardWriter(tmp_path, 3) as writer:
            writer.write(to_table(SAMPLES))
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        stop()
    assert sorted(f.name for f in tmp_path.iterdir()) == ["samples-00000.parquet", "samples-00001.parquet"]
    assert list(load_samples(tmp_path)) == SAMPLES[:6]
    with ShardWriter(tmp_path, 3, first=2) as writer:  # goes on
        writer.write(to_table(SAMPLES[6:]))
    assert list(load_samples(tmp_path)) == SAMPLES


def test_a_missing_shard_and_two_sets_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path, 3, 8)
    (folder / "samples-00001-of-00003.parquet").unlink()
    with pytest.raises(DataError, match="samples-00001-of-00003"):
        load_samples(folder)
    (folder / "samples-00000-of-00009.parquet").write_bytes(b"")
    with pytest.raises(DataError, match="two sets"):
        load_samples(folder)


def test_a_torn_shard_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path, 3, 8)
    torn = folder / "samples-00002-of-00003.parquet"
    torn.write_bytes(torn.read_bytes()[:-9])
    with pytest.raises(DataError, match=torn.name):
        list(read_shards(folder))


def test_other_data_is_read_too(tmp_path: Path) -> None:
    save_samples(SAMPLES, tmp_path / "samples.jsonl")
    assert [s for b in read_shards(tmp_path, 3) for s in to_samples(b)] == SAMPLES
    with pytest.raises(DataError, match="no such file"):
        next(read_shards(tmp_path / "nowhere"))


def test_text_that_no_file_can_hold_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="sample 'x'"):
        to_table([Sample("x", "ocr", "text", "\ud800", "t")])
