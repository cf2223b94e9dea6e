"""Shards as strangers make them: what is broken is told by its file and row, and nothing of it is lost in silence."""

from __future__ import annotations

import gc
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from onethinker.corpus.rows import to_table
from onethinker.media import write_image
from onethinker.sample import DataError, Sample, load_samples, stream_files
from onethinker.sample.stream import SampleStream, open_stream, open_training
from onethinker.sample.stream_files import Unreachable
from onethinker.train.sampler import Sampler

ROW = {"id": "a", "task": "ocr", "modality": "image", "question": "?", "truth": "x"}
JSON = json.dumps(ROW).encode()
Packed = Sequence[tuple[str, bytes | tuple[bytes, str]]]
"""Names of members with their bytes, or the type and target of a link."""


@pytest.fixture
def set_of(tmp_path: Path) -> Callable[..., Path]:
    """Writes six samples on two pictures as Parquet; `change` alters their rows."""
    pictures = [tmp_path / f"m/{number}.png" for number in range(2)]
    for number, picture in enumerate(pictures):
        write_image(picture, np.full((8, 8, 3), 90 * number, np.uint8))

    def make(name: str, change: Callable[[dict[str, Any]], dict[str, Any]] = dict) -> Path:
        samples = [Sample(f"q{n}", "ocr", "image", "?", str(n), media=(f"m/{n % 2}.png",)) for n in range(6)]
        rows = [change(row) for row in to_table(samples).to_pylist()]
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / name)
        return tmp_path / name

    return make


@pytest.fixture
def bucket() -> Iterator[Any]:
    fs = fsspec.filesystem("memory")
    yield fs
    for folder in fs.ls("/"):
        fs.rm(folder["name"], recursive=True)


def tar(path: Path, members: Packed) -> Path:
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as out:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, tuple):
                info.type, info.linkname = content
            else:
                info.size = len(content)
            out.addfile(info, None if isinstance(content, tuple) else io.BytesIO(content))
    return path


def problem(stream: SampleStream, row: int) -> str:
    with pytest.raises(DataError) as told:
        stream[row]
    return str(told.value)


# ---- which files ----------------------------------------------------------------------------------------------------


def test_a_folder_elsewhere_is_whole_and_of_the_split_to_train_on(set_of, bucket) -> None:
    shard = set_of("x.parquet").read_bytes()
    for name in (
        "half/data/train-00000-of-00002.parquet", "half2/samples-00001-of-00002.parquet",
        "half3/train-00000-of-00003.parquet", "flat/train-00000-of-00001.parquet", "flat/test-00000-of-00001.parquet",
        "held/data/test-00000-of-00001.parquet", "held/data/validation-00000-of-00001.parquet",
    ):  # fmt: skip
        bucket.pipe(f"/{name}", shard)
    for name, missing in (("half", "train-00001-of-00002"), ("half2", "samples-00000"), ("half3", "train-00001")):
        with pytest.raises(DataError, match=rf"memory://{name}: {missing}.*missing of"):
            open_stream(f"memory://{name}", buffer=2)
    assert len(open_stream("memory://flat", buffer=2)) == 6, "not the test split beside it"
    with pytest.raises(DataError, match=r"of the split test and validation, .*memory://held/data/test-\*"):
        open_stream("memory://held", buffer=2)
    assert len(open_stream("memory://held/data/test-*", buffer=2)) == 6


def test_hub_shards_with_a_fingerprint_are_known(set_of, tmp_path: Path) -> None:
    for number in range(2):
        set_of(f"hub/data/train-0000{number}-of-00002-a09b74b3ef9c3b56.parquet")
    assert len(load_samples(tmp_path / "hub", tmp_path).items) == 12
    assert isinstance(open_training(str(tmp_path / "hub"), str(tmp_path), 5), SampleStream)


def test_two_sets_in_a_folder_are_asked_about_whatever_their_size(set_of, tmp_path: Path) -> None:
    set_of("two/samples-00000.parquet")
    (tmp_path / "two/samples.jsonl").write_bytes(JSON)
    for buffer in (2, 100):
        with pytest.raises(DataError, match="name the one to read"):
            open_training(str(tmp_path / "two"), "", buffer)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere://x", "cannot be opened .*Protocol not known"),
        ("memory://none", "no shards there"),
        ("hf://datasets", "cannot be listed"),
        ("ftp://127.0.0.1:9/x", "cannot be opened .*refused"),
        ("memory://x.jsonl", "expected Parquet or tar"),
        ("x.tar.gz", "expected .* not compressed"),
    ],
)
def test_addresses_of_nothing_are_told(path: str, said: str) -> None:
    with pytest.raises(DataError, match=f"{path}: {said}"):
        open_training(path, "", 16)


def test_media_elsewhere_beside_rows_here(set_of, tmp_path: Path, bucket) -> None:
    folder = set_of("here/samples-00000.parquet").parent
    bucket.put(f"{tmp_path}/m/", "/media/m/", recursive=True)
    stream = open_training(str(folder), "memory://media", 100)
    assert stream[1].paths(stream.root)[0].read_bytes() == (tmp_path / "m/1.png").read_bytes()
    with pytest.raises(DataError, match="nowhere://x: cannot be opened"):
        open_training(str(folder), "nowhere://x", 100)


# ---- Parquet --------------------------------------------------------------------------------------------------------


def test_paths_in_the_media_folder_stay_as_a_loaded_set_has_them(set_of, tmp_path: Path) -> None:
    folder = set_of("abs/samples-00000.parquet", lambda row: row | {"media": [str(tmp_path / "m/0.png")]}).parent
    stream = open_stream(str(folder), str(tmp_path), buffer=2)
    assert stream[0] == load_samples(folder, tmp_path)[0] and stream[0].paths(tmp_path)[0].is_file()


def test_columns_of_other_forms_are_no_columns_of_ours(set_of, tmp_path: Path) -> None:
    """A field named `task` within another column, and a column of that name that holds lists."""
    inner = set_of("inner.parquet", lambda row: {"question": "?", "about": {"task": "ocr"}})
    lists = set_of("lists.parquet", lambda row: row | {"task": ["ocr"]})
    assert open_stream(str(inner), buffer=2).column("task") == [None] * 6
    assert open_stream(str(lists), buffer=2).column("task") == [None] * 6
    rated = set_of("rated.parquet", lambda row: row | {"meta": {"difficulty": {"pass_rate": 0.5}}})
    assert len(open_stream(str(rated), str(tmp_path), buffer=2).of_difficulty(0.4, 0.6)) == 6


# ---- tars -----------------------------------------------------------------------------------------------------------


def test_a_tar_that_breaks_off_anywhere_is_not_taken_for_a_shorter_one(tmp_path: Path) -> None:
    members = [(f"{n}.{ending}", content) for n in range(4) for ending, content in (("json", JSON), ("png", b"x"))]
    whole = tar(tmp_path / "whole.tar", members).read_bytes()
    assert len(open_stream(str(tmp_path / "whole.tar"), buffer=2)) == 4
    garbage = whole[:4096] + b"\x17" * 512 + whole[4608:]
    for broken in (whole[:4096], whole[:4200], whole[:4700], garbage):
        (tmp_path / "cut.tar").write_bytes(broken)
        with pytest.raises(DataError, match=r"cut\.tar: not a whole tar"):
            open_stream(str(tmp_path / "cut.tar"), buffer=2)
    (tmp_path / "two.tar").write_bytes(whole + whole)
    with pytest.raises(DataError, match=r"something follows the tar's end at byte 8,192"):
        open_stream(str(tmp_path / "two.tar"), buffer=2)


def test_a_tars_content_is_its_identity(tmp_path: Path) -> None:
    found = []
    for truth in ("x", "y"):
        row = json.dumps(ROW | {"truth": truth}).encode()
        path = tar(tmp_path / f"{truth}/a.tar", [("1.json", row)])
        found.append(open_stream(str(path), buffer=2).identity()["shards"])
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([("1.json", JSON), ("1.png", (tarfile.SYMTYPE, "/etc/passwd"))], "is a link"),
        ([("1.json", JSON), ("1.png", (tarfile.LNKTYPE, "0.png"))], "is a link"),
        ([("1.json", JSON), ("1.png", b"x"), ("1.json", JSON), ("1.png", b"y")], "twice"),
        ([("a.b.json", JSON), ("a.b.png", b"x")], "no KEY.json beside KEY.b.json"),
        ([("1.png", b"x")], "no KEY.json beside KEY.png"),
        ([("1.json", JSON[:-1] + b', "truth": "y"}')], "key 'truth' stands twice"),
        ([("1.json", json.dumps(ROW | {"question": "\ud800"}).encode())], "cannot be written again"),
        ([("1.json", json.dumps(ROW | {"files": [{}], "media": ["x"]}).encode())], "endings of its media"),
        ([("1.json", json.dumps(ROW | {"media": ["x", "y"]}).encode()), ("1.png", b"x")], "names 2 media and has 1"),
        ([("1.json", b"[" * 100_000)], "not JSON"),
    ],
)
def test_files_that_are_no_sample_cost_their_row(members: Packed, said: str, tmp_path: Path) -> None:
    hidden = ("._2.json", b"of a Mac")
    stream = open_stream(str(tar(tmp_path / "a.tar", [*members, ("2.json", JSON), hidden, ("2.png", b"y")])), buffer=2)
    assert len(stream) == 2
    assert "a.tar, row 1: " in problem(stream, 0) and said in problem(stream, 0)
    assert stream[1].paths(stream.root)[0].read_bytes() == b"y"


@pytest.mark.parametrize(
    "row",
    [
        {"problem": "?", "problem_type": "OCR", "data_type": "image", "solution": "<answer>a</answer>"},
        {"problem": "?", "problem_type": "OCR", "solution": "a", "path": "./folder/1.png"},
        {"problem": "?", "problem_type": "OCR", "solution": "a", "images": ["1.png"]},
        {"messages": [{"role": "user", "content": "<image>?"}, {"role": "assistant", "content": "a"}]},
        ROW | {"media": ["1.png"]},
        ROW | {"image": "1.png"},
    ],
)
def test_others_rows_in_any_form_have_the_media_beside_them(row: dict[str, Any], tmp_path: Path) -> None:
    """Whatever path a row names: rows of two tars may name the same."""
    for folder in "ab":
        tar(tmp_path / folder / "x.tar", [("1.json", json.dumps(row).encode()), ("1.png", folder.encode())])
    stream = open_stream(f"{tmp_path}/*/x.tar", buffer=2)
    samples = [stream[0], stream[1]]
    assert [sample.modality for sample in samples] == ["image"] * 2
    assert [sample.paths(stream.root)[0].read_bytes() for sample in samples] == [b"a", b"b"]


def test_two_media_of_one_name_in_our_own_tars_are_told(tmp_path: Path) -> None:
    row = json.dumps(ROW | {"media": ["m.png"], "files": ["0.png"]}).encode()
    for name, content in (("a", b"x"), ("b", b"other")):
        tar(tmp_path / f"{name}.tar", [("1.json", row), ("1.0.png", content)])
    stream = open_stream(str(tmp_path / "*.tar"), buffer=2)
    assert stream[0].media == ("m.png",)
    assert "two media of the set are called 'm.png' and differ" in problem(stream, 1)


@pytest.mark.parametrize(
    ("path", "said"), [("s3://b/x", "only training reads"), ("x.tar", "tars are for training alone")]
)
def test_what_only_training_reads_is_told_elsewhere(path: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        load_samples(path)


def test_folders_of_killed_processes_go_and_those_of_living_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    script = (
        "import os, signal; from onethinker.sample.stream_files import Disk; disk = Disk(); "
        "disk.place('x', lambda aside: aside.write_bytes(b'x')); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script], env=os.environ | {"TMPDIR": str(tmp_path)}, check=False)
    (left,) = tmp_path.iterdir()
    assert (left / "x").exists()
    monkeypatch.setattr(stream_files, "YOUNG", -60.0)
    first, second = stream_files.Disk(), stream_files.Disk()
    assert {*tmp_path.iterdir()} == {first.folder, second.folder}
    del first
    gc.collect()
    assert [*tmp_path.iterdir()] == [second.folder]


class Web(MemoryFileSystem):
    """As fsspec's file system of HTTP: paths are whole addresses."""

    protocol = "web"
    store: dict[str, Any] = {}  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path


def test_files_of_a_server_are_asked_with_signatures_and_have_media_beside_them(set_of, tmp_path: Path) -> None:
    fsspec.register_implementation("web", Web, clobber=True)
    packed = tar(tmp_path / "a.tar", [("1.json", JSON), ("1.png", b"x")])
    files = {
        "a.tar?sig=1&x=2": packed, "b.parquet?sig=1": set_of("b.parquet"), "m/0.png": tmp_path / "m/0.png"
    }  # fmt: skip
    for name, file in files.items():
        Web().pipe_file(f"web://host/set/{name}", file.read_bytes())
    packed_stream = open_stream("web://host/set/a.tar?sig=1&x=2", buffer=2)
    assert packed_stream[0].paths(packed_stream.root)[0].read_bytes() == b"x"
    stream = open_stream("web://host/set/b.parquet?sig=1", buffer=2)
    assert stream[0].paths(stream.root)[0].read_bytes() == (tmp_path / "m/0.png").read_bytes()


def test_a_set_of_no_sample_is_no_set_to_draw_from(set_of) -> None:
    broken = set_of("broken.parquet", lambda row: row | {"task": None, "modality": "smell"})
    with pytest.raises(DataError, match=r"none of 6 rows can be read; .*row 1: fields task are missing"):
        Sampler("task_balanced", open_stream(str(broken), buffer=2), 0)


def forget(stream: SampleStream) -> None:
    """As if all that was fetched had been dropped."""
    for disk in {stream.shards.disk, getattr(stream.shards, "_tars", stream.shards.disk)}:
        for path in disk._sizes:
            path.unlink()
        disk._sizes.clear()


@pytest.mark.parametrize("form", ["parquet", "tar"])
def test_a_file_system_that_fails_is_asked_again_and_its_rows_are_not_at_fault(
    form: str, set_of, tmp_path: Path, bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row group, a medium and a tar; what stays away ends the run, which goes on by the same command."""
    monkeypatch.setattr(stream_files, "PAUSES", (0.0, 0.0))
    bucket.pipe("/far/a.parquet", set_of("a.parquet").read_bytes())
    bucket.put(f"{tmp_path}/m/", "/far/m/", recursive=True)
    bucket.put(str(tar(tmp_path / "b.tar", [("1.json", JSON), ("1.png", b"x")])), "/far/b.tar")
    stream = open_stream(f"memory://far/{'a' if form == 'parquet' else 'b'}.{form}", buffer=2)
    failures = 2

    def failing(work: Callable[..., Any]) -> Callable[..., Any]:
        def worked(*args: Any, **kwargs: Any) -> Any:
            nonlocal failures
            if failures:
                failures -= 1
                raise ConnectionResetError("by peer")
            return work(*args, **kwargs)

        return worked

    for name in ("_open", "get_file"):
        monkeypatch.setattr(MemoryFileSystem, name, failing(getattr(MemoryFileSystem, name)))
    forget(stream)
    assert stream[0].paths(stream.root)[0].is_file() and not failures
    forget(stream)
    failures = 1000
    with pytest.raises(Unreachable, match=r"far/.*ConnectionResetError: by peer.*the same command goes on"):
        stream[0]
    with pytest.raises(Unreachable, match=r"far/.*ConnectionResetError"):
        open_stream("memory://far/a.parquet", buffer=2)


def test_a_reading_that_fails_within_a_row_group_is_no_broken_row_group(set_of, monkeypatch) -> None:
    monkeypatch.setattr(stream_files, "PAUSES", ())
    stream = open_stream(str(set_of("a.parquet")), buffer=2)
    monkeypatch.setattr(stream_files._Watched, "read", fails_as_a_disk)
    with pytest.raises(Unreachable, match=r"a.parquet: cannot be had .OSError: .* disk"):
        stream[0]


def fails_as_a_disk(watched: Any, *size: int) -> bytes:
    watched.failed = OSError(5, "disk")
    raise watched.failed
