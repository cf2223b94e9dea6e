"""Sets in shards that are read as they are needed: the same samples as loaded, in an order of seed and epoch alone."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from onethinker.corpus.export import export
from onethinker.corpus.rows import ShardWriter, to_table
from onethinker.media import open_image, write_image
from onethinker.sample import DataError, Sample, load_samples, save_samples
from onethinker.sample import stream_files as files
from onethinker.sample.stream import SampleStream, is_streamed, open_stream, open_training
from onethinker.train.batches import sft_batches
from onethinker.train.parallel import Processes
from onethinker.train.sampler import Sampler

TASKS = ("numerical", "ocr", "temporal_grounding")
ROWS = 96


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ninety-six samples on five pictures and a clip's name, in shards of 40 rows with row groups of 8."""
    folder = tmp_path_factory.mktemp("set")
    for number in range(5):
        write_image(folder / f"m/{number}.png", np.full((8, 8, 3), 40 * number, np.uint8))
    samples = [
        Sample(f"q{n}", TASKS[n % 3], "video" if n % 4 == 0 else "image", f"Which? {n}", str(n),
            media=(f"m/{n % 5}.png",),
            meta={"response": f"<answer>{n}</answer>", "difficulty": {"pass_rate": n / ROWS}})
        for n in range(ROWS)
    ]  # fmt: skip
    with ShardWriter(folder, rows_per_shard=40) as shards:
        shards.write(to_table(samples))
    for file in folder.glob("*.parquet"):  # row groups of 8 rows
        pq.write_table(pq.read_table(file), file, row_group_size=8)
    return folder


@pytest.fixture(scope="module")
def tars(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tars") / "tars"
    export(folder, out, "webdataset", shard_bytes=40_000)
    assert len(list(out.glob("*.tar"))) > 2
    return out


@pytest.fixture
def remote(folder: Path) -> str:
    """The set in a file system that is not this machine's."""
    fs = fsspec.filesystem("memory")
    fs.put(f"{folder}/", "/bucket/set/", recursive=True)
    yield "memory://bucket/set"
    fs.rm("/bucket", recursive=True)


def assert_same_samples(stream: SampleStream, folder: Path) -> None:
    loaded = load_samples(folder)
    assert len(stream) == len(loaded)
    for place in (0, 39, 40, 57, 95):
        found, expected = stream[place], loaded[place]
        assert found == expected
        for ours, theirs in zip(found.paths(stream.root), expected.paths(folder), strict=True):
            assert ours.read_bytes() == theirs.read_bytes()


def test_parquet_tars_and_another_file_system_hold_the_same_samples(folder: Path, tars: Path, remote: str) -> None:
    assert_same_samples(open_stream(str(folder), buffer=16), folder)
    assert_same_samples(open_stream(str(tars), buffer=16), folder)
    far = open_stream(remote, buffer=16)
    assert far.root != folder
    assert_same_samples(far, folder)
    assert open_image(far[3].paths(far.root)[0]).size == (8, 8)
    assert far.column("task") == [TASKS[n % 3] for n in range(ROWS)] == open_stream(str(tars), buffer=9).column("task")


def test_a_hubs_parquet_with_its_media_within_is_read_here_and_elsewhere(folder: Path, tmp_path: Path) -> None:
    """What `data push` uploads: loaded from a folder, streamed from it, and streamed from another file system, whose
    media are no files."""
    hub = tmp_path / "hub"
    export(folder, hub, "parquet", embed=True, shard_bytes=3000)
    (hub / "data" / "test-00000.parquet").write_bytes(b"another split")
    assert len(list((hub / "data").glob("train-*.parquet"))) > 2
    loaded, original = load_samples(hub), load_samples(folder)
    fs = fsspec.filesystem("memory")
    fs.put(f"{hub}/data/", "/hub/data/", recursive=True)
    here, far = open_stream(str(hub), buffer=16), open_stream("memory://hub", buffer=16)
    assert is_streamed(str(hub), ROWS - 1) and len(loaded) == len(here) == len(far) == ROWS
    for place in (0, 39, 95):
        for some in (loaded, here, far):
            found = some[place]
            assert (found.id, found.question, found.truth) == (
                original[place].id,
                original[place].question,
                original[place].truth,
            )
            for ours, theirs in zip(found.paths(some.root), original[place].paths(folder), strict=True):
                assert ours.read_bytes() == theirs.read_bytes()
    assert far.shards.disk and far.shards.disk.held > 0, "what is unpacked counts to what the folder may hold"
    next(hub.glob("data/train-00001.parquet")).unlink()
    with pytest.raises(DataError, match=r"train-00001\.parquet missing of"):
        load_samples(hub)
    fs.rm("/hub", recursive=True)


def test_tasks_of_others_parquet_with_pictures_within_are_known(folder: Path, tmp_path: Path) -> None:
    """Published rows with bytes: tasks are found by reading the rows, and nothing is unpacked for it."""
    picture = next(folder.rglob("*.png")).read_bytes()
    rows = [
        {"problem_id": n, "problem": "<image>Which?", "problem_type": "multiple choice", "options": ["A. a", "B. b"],
         "solution": "<answer>A</answer>", "images": [{"bytes": picture, "path": None}]}
        for n in range(3)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    stream = open_stream(str(tmp_path / "rows.parquet"), buffer=2)
    assert stream.column("task") == ["multiple_choice"] * 3 and not (tmp_path / "images").exists()
    assert open_image(stream[1].paths(stream.root)[0]).size == (8, 8)


def test_what_is_streamed_and_what_is_loaded(folder: Path, tars: Path, tmp_path: Path) -> None:
    assert is_streamed(str(folder), ROWS - 1) and not is_streamed(str(folder), ROWS)
    assert is_streamed(str(tars), 10_000) and is_streamed("s3://bucket/set", 10_000)
    save_samples(load_samples(folder)[:3], tmp_path / "samples.jsonl")
    assert not is_streamed(str(tmp_path), 1) and not is_streamed(str(tmp_path / "samples.jsonl"), 1)
    assert isinstance(open_training(str(folder), "", ROWS - 1, None), SampleStream)
    assert len(open_training(str(folder), "", ROWS - 1, 7)) == 7


# ---- order ----------------------------------------------------------------------------------------------------------


def test_an_order_is_every_sample_once_within_its_buffer(folder: Path) -> None:
    stream = open_stream(str(folder), buffer=24)
    orders = [stream.order((seed, epoch)).tolist() for seed, epoch in ((0, 0), (0, 1), (1, 0), (0, 0))]
    assert all(sorted(order) == list(range(ROWS)) for order in orders)
    assert orders[0] == orders[3] and orders[0] not in orders[1:3]
    group = {p: (stream._locate(p)[0].file, stream._locate(p)[0].part) for p in range(ROWS)}
    windows = [{group[p] for p in orders[0][at : at + 24]} for at in range(0, ROWS, 24)]
    assert all(len(window) == 3 for window in windows), "rows of three groups of 8 at a time"
    assert [group[p] for p in orders[0][:24]] != sorted(group[p] for p in orders[0][:24])


def test_a_set_within_the_buffer_is_in_the_order_of_a_loaded_one(folder: Path) -> None:
    stream = open_stream(str(folder), buffer=ROWS)
    ours, theirs = (list(sft_batches(ROWS, 7, 3, 40, 0, order)) for order in (stream.order, None))
    assert ours == theirs


def test_shares_do_not_overlap_and_a_run_goes_on_at_its_sample_with_other_workers(folder: Path) -> None:
    """Steps 0–5 by two processes, then 6–15 by three: over an epoch every sample once."""
    stream, seen = open_stream(str(folder), buffer=24), []
    for size, start, end in ((2, 0, 6), (3, 6, 16)):
        shares = [
            [process.shard(batch) for batch in sft_batches(ROWS, 6, 0, end, start, stream.order)]
            for process in (Processes(rank, size) for rank in range(size))
        ]
        for step in zip(*shares, strict=True):
            assert len(set(chain(*step))) == 6
            seen += sorted(chain(*step))
    assert sorted(seen) == list(range(ROWS))
    whole = [sorted(batch) for batch in sft_batches(ROWS, 6, 0, 16, 0, stream.order)]
    assert [seen[at : at + 6] for at in range(0, ROWS, 6)] == whole


@pytest.mark.parametrize("kind", ["uniform", "task_balanced", "modality_balanced", "curriculum"])
def test_a_sampler_draws_every_sample_once_an_epoch_and_goes_on(kind: str, folder: Path) -> None:
    stream = open_stream(str(folder), buffer=24)
    sampler = Sampler(kind, stream, seed=1)
    drawn = sampler.draw(60)
    assert len(set(drawn)) == 60 if kind in ("uniform", "curriculum") else 50
    again = Sampler(kind, open_stream(str(folder), buffer=24), seed=1)
    again.load_state_dict(sampler.state_dict())
    assert again.draw(30) == sampler.draw(30)
    if kind == "task_balanced":
        assert {stream[p].task for p in drawn[:3]} == set(TASKS)


def test_a_window_of_pass_rates_and_a_limit_choose_rows(folder: Path) -> None:
    stream = open_stream(str(folder), buffer=24, limit=60).of_difficulty(20 / ROWS, 50 / ROWS)
    assert [stream[p].id for p in range(len(stream))] == [f"q{n}" for n in range(20, 51)]
    assert sorted(stream.order((0, 0)).tolist()) == list(range(31))
    assert stream.identity() != open_stream(str(folder), buffer=24).identity()
    with pytest.raises(DataError, match="no sample has a pass rate from 1 to 1: 96 of 96"):
        open_stream(str(folder), buffer=24).of_difficulty(1, 1)


def test_identity_follows_rows_and_buffer(folder: Path, tmp_path: Path) -> None:
    one, same, other = (open_stream(str(folder), buffer=b).identity() for b in (24, 24, 25))
    assert one == same != other
    with ShardWriter(tmp_path) as shards:
        shards.write(to_table((*load_samples(folder).items[:-1], Sample("q99", "ocr", "text", "?", "x"))))
    assert open_stream(str(tmp_path), buffer=24).identity()["shards"] != one["shards"]


# ---- faults ---------------------------------------------------------------------------------------------------------


def test_a_row_that_is_no_sample_costs_itself(folder: Path, tmp_path: Path) -> None:
    rows = to_table(load_samples(folder).items[:6]).to_pylist()
    rows[2]["modality"] = "smell"
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "samples-00000.parquet")
    stream = open_stream(str(tmp_path), buffer=3)
    assert stream[1].id == "q1" and stream[3].id == "q3"
    with pytest.raises(DataError, match=r"samples-00000.parquet, row 3: .*smell"):
        stream[2]
    assert stream.column("modality")[2] is None and len(stream.head(9)) == 5
    assert len(Sampler("modality_balanced", stream, 0).draw(6)) == 6


def test_broken_shards_and_hostile_tars_are_named(folder: Path, tmp_path: Path, tars: Path) -> None:
    whole = next(folder.glob("samples-00001*")).read_bytes()
    (tmp_path / "samples-00000.parquet").write_bytes(whole[:-100])
    with pytest.raises(DataError, match=r"samples-00000.parquet: not a whole Parquet file"):
        open_stream(str(tmp_path), buffer=24)
    with pytest.raises(DataError, match="no shards there"):
        open_stream(str(tmp_path / "m"), buffer=24)

    def tar(name: str, row: object, *more: tuple[str, bytes]) -> SampleStream:
        with tarfile.open(tmp_path / name, "w") as out:
            for member, content in (("1.json", json.dumps(row).encode()), *more):
                (tmp_path / "x").write_bytes(content)
                out.add(tmp_path / "x", member)
        return open_stream(str(tmp_path / name), buffer=24)

    row = {"id": "a", "task": "ocr", "modality": "image", "question": "?", "truth": "x"}
    with pytest.raises(DataError, match="leaves"):
        tar("a.tar", row | {"media": ["../../x.png"], "files": ["0.png"]}, ("1.0.png", b"x"))[0]
    with pytest.raises(DataError, match=r"row 1: names 1 media and holds none"):
        tar("b.tar", row | {"media": ["x.png"], "files": ["0.png"]})[0]
    others = tar("c.tar", row, ("1.png", b"picture"))
    assert others[0].paths(others.root)[0].read_bytes() == b"picture"


def test_media_from_elsewhere_are_bounded_and_what_went_comes_again(
    remote: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "DISK_BYTES", 400)
    far = open_stream(remote, buffer=24)
    far.shards._media.args[0].room = 200  # type: ignore[attr-defined]
    far.prefetch(range(20))
    held = list(far.root.rglob("*.png"))
    assert sum(path.stat().st_size for path in held) <= 200 and 0 < len(held) < 5
    for place in range(5):
        assert far[place].paths(far.root)[0].is_file()
    with pytest.raises(DataError, match="cannot be fetched"):
        broken: Callable[..., None] = far.shards._media  # type: ignore[attr-defined]
        broken(["m/none.png"])
