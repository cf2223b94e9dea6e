"""Whatever happens while a file or a folder is written, a reader finds the old one or the new one and nothing else."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from onethinker.util.files import replacing, replacing_folder, write_whole

Writer = Callable[[Path], AbstractContextManager[Path]]


def listed(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def test_text_and_bytes_and_the_folder_is_made(tmp_path: Path) -> None:
    write_whole(tmp_path / "a" / "b" / "text", "é\r\n")
    write_whole(tmp_path / "a" / "b" / "bytes", b"\xff\n")
    assert (tmp_path / "a" / "b" / "text").read_bytes() == b"\xc3\xa9\r\n"
    assert (tmp_path / "a" / "b" / "bytes").read_bytes() == b"\xff\n"
    assert listed(tmp_path) == ["a", "a/b", "a/b/bytes", "a/b/text"]


def test_the_longest_name_that_a_file_may_have(tmp_path: Path) -> None:
    for name in ("n" * 255, "é" * 127, "🙂" * 63):
        write_whole(tmp_path / name, "x")
        assert listed(tmp_path) == [name]
        (tmp_path / name).unlink()


def fill(aside: Path, words: str) -> None:
    """A file at that name, or a folder with one in it, as the name's writer wants it."""
    if aside.name.startswith(".folder"):
        (aside / "inner").mkdir(parents=True)
        aside = aside / "inner" / "file"
    aside.write_text(words)


@pytest.mark.parametrize(("name", "writer"), [("file", replacing), ("folder", replacing_folder)])
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_one_and_no_more(
    tmp_path: Path, name: str, writer: Writer, error: type[BaseException]
) -> None:
    target = tmp_path / name
    for words in ("old", "new"):
        with writer(target) as aside:
            fill(aside, words)
    before = listed(tmp_path)
    with pytest.raises(error), writer(target) as aside:
        fill(aside, "half")
        raise error
    assert listed(tmp_path) == before
    assert (target if name == "file" else target / "inner" / "file").read_text() == "new"


@pytest.mark.parametrize(("name", "writer"), [("file", replacing), ("folder", replacing_folder)])
def test_a_block_that_writes_nothing_fails(tmp_path: Path, name: str, writer: Writer) -> None:
    with pytest.raises(FileNotFoundError), writer(tmp_path / name):
        pass
    assert listed(tmp_path) == []


def test_until_the_block_ends_readers_see_the_old_one(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", "old")
    with replacing(tmp_path / "file") as aside:
        aside.write_text("new")
        assert (tmp_path / "file").read_text() == "old" and aside.suffix == ".part"
    assert (tmp_path / "file").read_text() == "new"


def test_what_a_killed_writer_left_of_a_folder_goes(tmp_path: Path) -> None:
    left = tmp_path / ".folder.part"
    (left / "stale").mkdir(parents=True)
    with replacing_folder(tmp_path / "folder") as aside:
        assert aside == left and not aside.exists()
        fill(aside, "x")
    assert listed(tmp_path) == ["folder", "folder/inner", "folder/inner/file"]


def test_a_writer_killed_between_the_renames_loses_nothing(tmp_path: Path) -> None:
    fill(tmp_path / ".folder.old", "old")  # moved aside, and the new one had not yet taken its place
    with pytest.raises(OSError, match="full"), replacing_folder(tmp_path / "folder"):
        assert (tmp_path / "folder" / "inner" / "file").read_text() == "old"
        raise OSError("the disk is full")
    assert listed(tmp_path) == ["folder", "folder/inner", "folder/inner/file"]
    with replacing_folder(tmp_path / "folder") as aside:
        fill(aside, "new")
    assert (tmp_path / "folder" / "inner" / "file").read_text() == "new" and listed(tmp_path)[0] == "folder"


def test_threads_may_write_one_file_at_once(tmp_path: Path) -> None:
    contents = [str(i) * 10_000 for i in range(8)]
    gate = threading.Barrier(len(contents))

    def write(content: str) -> None:
        gate.wait()
        for _ in range(20):
            write_whole(tmp_path / "file", content)

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "file").read_text() in contents and listed(tmp_path) == ["file"]


def test_it_is_on_the_disk_before_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[Path] = []
    really = os.fsync

    def fsync(handle: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{handle}").readlink())
        really(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(tmp_path / "file", "x")
    assert [p.suffix or p.name for p in flushed] == [".part", tmp_path.name]
    flushed.clear()
    with replacing_folder(tmp_path / "folder") as aside:
        fill(aside, "x")
    assert {p.name for p in flushed} == {"file", "inner", ".folder.part", tmp_path.name}
    flushed.clear()
    with replacing(tmp_path / "media") as aside:
        aside.write_text("x")
    assert flushed == []
