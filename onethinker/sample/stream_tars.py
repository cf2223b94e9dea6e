"""Tars in the layout of webdataset behind a `SampleStream`: `KEY.json` and the media of the sample beside it, by an
index that is made once. What they hold is untrusted: only the bytes of members are read, by their place in the file."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from onethinker.sample.files import json_row
from onethinker.sample.media_fields import with_media
from onethinker.sample.record import DataError
from onethinker.sample.stream_files import DISK_BYTES, Disk, Group, Media, copy_here, patiently, told
from onethinker.util.map_ahead import map_ahead

MAX_ROW = 64 << 20
"""Bytes of a JSON member."""
LINK = -1
"""In place of the offset of a member that has no bytes of its own."""
Member = tuple[str, int, int]
"""Ending, offset and size of a file within a tar."""


class TarShards:
    """Tars of `KEY.json` and `KEY.0.png`, …: our own (`data export --form webdataset`), whose `files` name the endings
    of the media, and others', whose media are all that is not JSON.

    A tar is walked through once from header to header, when its rows are counted. One from elsewhere is fetched for
    that, and again when it is needed and has been dropped.
    """

    room = DISK_BYTES // 2

    def __init__(self, fs: Any, files: Sequence[str], disk: Disk, *, local: bool) -> None:
        self.fs, self.where, self.disk, self.local = fs, files[0], disk, local
        self.fetches = not local
        self._tars = disk if local else Disk()
        self._index: dict[str, list[list[Member]]] = {}
        self._numbers = {file: number for number, file in enumerate(files)}
        self.groups: list[Group] = []
        digest = hashlib.sha256()
        walked = map_ahead(self._walk, files, threads=4, ahead=8)
        for file, (found, content) in zip(files, walked, strict=True):
            self._index[file] = found
            size = 0 if local else sum(size for row in found for _, _, size in row)
            digest.update(repr(found).encode() + content)
            if found:
                self.groups.append(Group(file, 0, 0, len(found), size))
        self.digest = digest.hexdigest()[:16]

    def _walk(self, file: str) -> tuple[list[list[Member]], bytes]:
        """Each sample's members, its JSON first, and a hash of all JSON."""
        rows: list[list[Member]] = []
        content = hashlib.sha256()
        last = None
        here = self._here(file)
        with (
            told(file, "not a whole tar", "fetch or export it again"),
            here.open("rb") as opened,
            tarfile.open(fileobj=opened, mode="r:") as tar,
        ):
            for member in tar:
                tar.members = []  # type: ignore[attr-defined]  # which tarfile would keep, and their names with them
                path = PurePosixPath(member.name)
                key, _, ending = path.name.partition(".")
                if member.isdir() or not key:  # hidden files are of whoever packed it
                    continue
                if (str(path.parent), key) != last:
                    rows.append([])
                last = str(path.parent), key
                at = 0 if ending == "json" else len(rows[-1])
                rows[-1].insert(at, (ending, member.offset_data if member.isfile() else LINK, member.size))
                if ending == "json" and member.isfile() and member.size <= MAX_ROW:
                    opened.seek(member.offset_data)
                    content.update(opened.read(member.size))
            _check_end(opened, tar.offset, file)
        return rows, content.digest()

    def _here(self, file: str) -> Path:
        """The tar as a file of this machine."""
        if self.local:
            return Path(file)
        name = hashlib.sha256(file.encode()).hexdigest()[:16]
        return patiently(file, partial(self._tars.place, f"{name}.tar", partial(copy_here, self.fs, file)))

    def row(self, group: Group, row: int) -> tuple[Mapping[str, Any], Media]:
        members = self._index[group.file][row]
        where = f"{group.file}, row {row + 1}"
        _check_members(members, where)
        (_, offset, size), *others = members
        try:
            found = json_row(patiently(where, lambda: self._bytes(group.file, offset, size)), where)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: not JSON ({error})") from error
        if isinstance(found, DataError):
            raise found
        if not isinstance(found, dict):
            raise DataError(f"{where}: expected an object with a sample's fields, found {type(found).__name__}")
        endings = found.pop("files", None)
        if not isinstance(endings, list):
            endings = [ending for ending, _, _ in others]
            folder = f"{self._numbers[group.file]}-{Path(group.file).stem}"
            found = with_media(found, [f"{folder}/{row}.{ending}" for ending in endings], where)
        elif not all(isinstance(ending, str) for ending in endings):
            raise DataError(f"{where}: field 'files' is {endings!r:.80}; expected the endings of its media")
        return found, partial(self._place, group.file, {ending: at for ending, *at in others}, endings, where)

    def _place(
        self, file: str, members: Mapping[str, list[int]], endings: Sequence[str], where: str, names: Sequence[str]
    ) -> None:
        if len(names) != len(endings) or not members.keys() >= {*endings}:
            raise DataError(f"{where}: names {len(names)} media and holds {', '.join(members) or 'none'}")
        for name, ending in zip(names, endings, strict=True):
            offset, size = members[ending]
            patiently(where, partial(self.disk.place, name, partial(self._copy, file, offset, size), size))

    def _copy(self, file: str, offset: int, size: int, aside: Path) -> None:
        aside.write_bytes(self._bytes(file, offset, size))

    def _bytes(self, file: str, offset: int, size: int) -> bytes:
        with self._here(file).open("rb") as opened:
            opened.seek(offset)
            return opened.read(size)

    def column(self, name: str) -> list[Any] | None:
        return None


def _check_end(opened: BinaryIO, at: int, file: str) -> None:
    """Raises DataError for a tar that goes on with something else than zeros from `at`, where its members end, or ends
    without them: `tarfile` takes whatever is no header for the end."""
    opened.seek(at)
    blocks = iter(lambda: opened.read(1 << 20), b"")
    first = next(blocks, b"")
    if len(first) < tarfile.BLOCKSIZE or first[: tarfile.BLOCKSIZE].strip(b"\0"):
        raise DataError(f"{file}: not a whole tar (it breaks off at byte {at:,}); fetch or export it again")
    if first.strip(b"\0") or any(block.strip(b"\0") for block in blocks):
        raise DataError(f"{file}: something follows the tar's end at byte {at:,}; keep tars in files of their own")


def _check_members(members: Sequence[Member], where: str) -> None:
    """Raises DataError for files of one key that are no sample."""
    (first, _, size), *_ = members
    endings = [ending for ending, _, _ in members]
    told = ", ".join(f"KEY.{ending}" for ending in endings[:4])
    if first != "json":
        raise DataError(f"{where}: no KEY.json beside {told}; a key ends at the first dot of a file's name")
    if len({*endings}) < len(endings):
        raise DataError(f"{where}: files of one name twice ({told}); give each sample a key of its own")
    if any(offset == LINK for _, offset, _ in members):
        raise DataError(f"{where}: one of {told} is a link or no file; pack the files themselves")
    if size > MAX_ROW:
        raise DataError(f"{where}: JSON of more than {MAX_ROW >> 20} MB")
