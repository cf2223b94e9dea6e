"""The files behind a `SampleStream`: Parquet, a row group at a time, and tars in the layout of webdataset, by their
index; each on a disk or on any path that fsspec knows. What they hold is untrusted."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol

from onethinker.sample.record import MODALITIES, DataError, resolve_under
from onethinker.sample.shards import HUB_SHARDS, SHARDS, set_files
from onethinker.sample.task_names import own_names
from onethinker.util.files import replacing
from onethinker.util.lru import LRUCache
from onethinker.util.map_ahead import map_ahead

if TYPE_CHECKING:
    import pyarrow as pa

TAIL = 64 << 10
"""Bytes at the end of a Parquet file that are read first: most footers are within them."""
ROWS_BYTES = 256 << 20
"""Of rows in memory among which an order shuffles."""
TABLES_BYTES = 2 * ROWS_BYTES
"""Of rows that are kept in memory: those of several pools of prompts."""
DISK_BYTES = 20 << 30
"""Of media and tars from elsewhere that are kept on this machine's disk, half of it for each."""
MAX_ROW = 64 << 20
"""Bytes of a tar's JSON member."""
PATTERNS = (SHARDS, "*.parquet", HUB_SHARDS, "data/*.parquet", "*.tar")
Media = Callable[[Sequence[str]], None]
"""Sees to it that the media of these names are below the stream's root. Raises DataError."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that are read together: a row group of Parquet, or a tar. part: its number in the file. first: the number of
    its first row in the file. size: bytes in memory (Parquet), or on the disk (tars)."""

    file: str
    part: int
    first: int
    rows: int
    size: int


class Shards(Protocol):
    """where: for messages. digest: identifies the rows. room: bytes of groups among which an order shuffles. fetches:
    whether media come from elsewhere."""

    where: str
    groups: list[Group]
    digest: str
    room: int
    fetches: bool

    @property
    def disk(self) -> Disk | None:
        """Where media from elsewhere go."""
        ...

    def row(self, group: Group, row: int) -> tuple[Mapping[str, Any], Media]:
        """A row as it stands, and what places its media. Raises DataError."""
        ...

    def column(self, name: str) -> list[Any] | None:
        """A column of all rows, None where the files have none of that name, or other forms of rows."""
        ...


class Disk:
    """A folder of this process's own for files from elsewhere, up to a number of bytes: the longest unused go first."""

    def __init__(self, room: int = DISK_BYTES // 2) -> None:
        self.folder, self.room, self.held = Path(tempfile.mkdtemp(prefix="onethinker-")), room, 0
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self._lock = threading.Lock()
        self._sizes: OrderedDict[str, int] = OrderedDict()

    def place(self, name: str, write: Callable[[Path], object]) -> Path:
        """The file of this name, written if it is not there. Raises DataError for a name that leaves the folder."""
        path = resolve_under(self.folder, name)
        while not self._has(name):
            with replacing(path) as aside:
                write(aside)
            self._note(name, path)
        return path

    def _has(self, name: str) -> bool:
        with self._lock:
            if name in self._sizes:
                self._sizes.move_to_end(name)
            return name in self._sizes

    def _note(self, name: str, path: Path) -> None:
        """Count a file that was written, unless another thread dropped an earlier one of its name meanwhile, and this
        with it; then drop the oldest."""
        with self._lock:
            if not path.exists():
                return
            size = path.stat().st_size
            self.held += size - self._sizes.pop(name, 0)
            self._sizes[name] = size
            while self.held > self.room and len(self._sizes) > 1:
                oldest, freed = self._sizes.popitem(last=False)
                (self.folder / oldest).unlink(missing_ok=True)
                self.held -= freed


def open_shards(path: str, media_root: str | None) -> tuple[Shards, Path]:
    """The shards at a path, and the folder that their media paths are relative to: another one where media are fetched.
    Raises DataError."""
    import fsspec

    try:
        fs, base = fsspec.core.url_to_fs(path)
    except (ImportError, ValueError) as error:
        raise DataError(f"{path}: cannot be opened ({error}); install what fsspec names for it") from error
    try:
        files = _files(fs, path, base)
    except OSError as error:
        raise DataError(f"{path}: cannot be listed ({error})") from error
    local = "://" not in path
    if files[0].endswith(".tar"):
        disk = Disk()
        return TarShards(fs, files, disk, local=local), disk.folder
    parent = base if fs.isdir(base) else str(PurePosixPath(files[0]).parent)
    if local:
        return ParquetShards(fs, files), Path(media_root or parent)
    if media_root and "://" not in media_root:
        return ParquetShards(fs, files), Path(media_root)
    disk = Disk()
    media_fs, media_base = fsspec.core.url_to_fs(media_root) if media_root else (fs, parent)
    return ParquetShards(fs, files, partial(_fetch, disk, media_fs, media_base), disk), disk.folder


def _files(fs: Any, path: str, base: str) -> list[str]:
    """The shards in order. Raises DataError where there are none."""
    if "://" not in path and Path(path).is_dir() and (shards := set_files(Path(path))):
        return [str(file) for file in shards]
    if fs.isfile(base):
        return [base]
    for pattern in [f"{base.rstrip('/')}/{p}" for p in PATTERNS] if fs.isdir(base) else [base]:
        if found := sorted(fs.glob(pattern)):
            return [str(file) for file in found]
    raise DataError(f"{path}: no shards there; expected one of {', '.join(PATTERNS)}")


def _fetch(disk: Disk, fs: Any, base: str, names: Sequence[str]) -> None:
    for name in names:
        try:
            disk.place(name, partial(_copy, fs, f"{base.rstrip('/')}/{name}"))
        except DataError:
            raise
        except Exception as error:  # each file system has errors of its own
            raise DataError(f"{base}/{name}: cannot be fetched ({type(error).__name__}: {error})") from error


def _copy(fs: Any, path: str, aside: Path) -> None:
    fs.get_file(path, str(aside))


def _nothing(names: Sequence[str]) -> None:
    """Media that are there."""


class ParquetShards:
    """Parquet files: their ends are read at the start, row groups when they are needed. fetch: places media. disk:
    where media from elsewhere go."""

    room = ROWS_BYTES

    def __init__(self, fs: Any, files: Sequence[str], fetch: Media | None = None, disk: Disk | None = None) -> None:
        self.fs, self.where, self.fetches, self.disk = fs, files[0], fetch is not None, disk
        self._media = fetch or _nothing
        self._tables: LRUCache[pa.Table] = LRUCache(lambda table: table.nbytes, TABLES_BYTES)
        self._footers: dict[str, pa.parquet.FileMetaData] = {}
        self.groups: list[Group] = []
        digest = hashlib.sha256()
        for file, (footer, content) in zip(files, map_ahead(self._footer, files, threads=16), strict=True):
            digest.update(content)
            self._footers[file] = footer
            first = 0
            for part in range(footer.num_row_groups):
                found = footer.row_group(part)
                self.groups.append(Group(file, part, first, found.num_rows, found.total_byte_size))
                first += found.num_rows
        self.digest = digest.hexdigest()[:16]

    def _footer(self, file: str) -> tuple[Any, bytes]:
        """What a file's end says of it, and the bytes that say so: offsets, sizes, least and largest values."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with self.fs.open(file, "rb") as opened:
                size = opened.seek(0, io.SEEK_END)
                opened.seek(max(0, size - TAIL))
                tail = opened.read()
                length = int.from_bytes(tail[-8:-4], "little") + 8
                if TAIL < length <= size:
                    opened.seek(size - length)
                    tail = opened.read()
            footer = pq.read_metadata(pa.BufferReader(b"PAR1" + tail[-length:]))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DataError(f"{file}: not a whole Parquet file ({error}); fetch or build it again") from error
        return footer, tail[-length:]

    def row(self, group: Group, row: int) -> tuple[Mapping[str, Any], Media]:
        table = self._tables.get((group.file, group.part), lambda: self._read(group))
        try:
            return table.slice(row, 1).to_pylist()[0], self._media
        except (ValueError, OverflowError) as error:
            where = f"{group.file}, row {group.first + row + 1}"
            raise DataError(f"{where}: a value that Python cannot hold ({error}); write it as text") from error

    def _read(self, group: Group, columns: list[str] | None = None) -> pa.Table:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with self.fs.open(group.file, "rb") as opened:
                file = pq.ParquetFile(opened, metadata=self._footers[group.file])
                return file.read_row_group(group.part, columns).combine_chunks()
        except (pa.ArrowException, OSError) as error:
            raise DataError(
                f"{group.file}, row group {group.part}: cannot be read ({error}); fetch or build it again"
            ) from error

    def column(self, name: str) -> list[Any] | None:
        """Of files in our own form alone: others name tasks in words of their own."""
        if any(not {"task", "question", name} <= {*footer.schema.names} for footer in self._footers.values()):
            return None
        read = map_ahead(lambda group: self._read(group, [name]).column(name).to_pylist(), self.groups, threads=4)
        values = [value for some in read for value in some]
        return values if name == "meta" or _are_names(name, set(values)) else None


def _are_names(column: str, values: set[Any]) -> bool:
    """Whether a column holds only names as we write them."""
    return values <= {*(own_names() if column == "task" else MODALITIES)}


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
        self.groups: list[Group] = []
        digest = hashlib.sha256()
        for file, found in zip(files, map_ahead(self._walk, files, threads=4, ahead=8), strict=True):
            self._index[file] = found
            size = 0 if local else sum(size for row in found for _, _, size in row)
            digest.update(repr(found).encode())
            if found:
                self.groups.append(Group(file, 0, 0, len(found), size))
        self.digest = digest.hexdigest()[:16]

    def _walk(self, file: str) -> list[list[Member]]:
        """Each sample's members, its JSON first."""
        rows: list[list[Member]] = []
        last = None
        try:
            with tarfile.open(self._here(file), "r:") as tar:
                for member in tar:
                    key, _, ending = PurePosixPath(member.name).name.partition(".")
                    if not member.isfile():
                        continue
                    if (parent := str(PurePosixPath(member.name).parent), key) != last:
                        rows.append([])
                    last = parent, key
                    at = 0 if ending == "json" else len(rows[-1])
                    rows[-1].insert(at, (ending, member.offset_data, member.size))
                    tar.members = []  # type: ignore[attr-defined]  # which tarfile would keep, and their names with them
        except (tarfile.TarError, OSError) as error:
            raise DataError(f"{file}: not a whole tar ({error}); fetch or export it again") from error
        return [row for row in rows if row[0][0] == "json"]

    def _here(self, file: str) -> Path:
        """The tar as a file of this machine."""
        if self.local:
            return Path(file)
        name = hashlib.sha256(file.encode()).hexdigest()[:16]
        try:
            return self._tars.place(f"{name}.tar", partial(_copy, self.fs, file))
        except Exception as error:
            raise DataError(f"{file}: cannot be fetched ({type(error).__name__}: {error})") from error

    def row(self, group: Group, row: int) -> tuple[Mapping[str, Any], Media]:
        (_, offset, size), *others = self._index[group.file][row]
        where = f"{group.file}, row {row + 1}"
        if size > MAX_ROW:
            raise DataError(f"{where}: JSON of more than {MAX_ROW >> 20} MB")
        try:
            found = json.loads(self._bytes(group.file, offset, size))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: not JSON ({error})") from error
        if not isinstance(found, dict):
            raise DataError(f"{where}: expected an object with a sample's fields, found {type(found).__name__}")
        endings = found.pop("files", None)
        if not isinstance(endings, list):
            endings = [ending for ending, _, _ in others]
            found.setdefault("media", [f"{Path(group.file).stem}/{row}.{ending}" for ending in endings])
        return found, partial(self._place, group.file, {ending: at for ending, *at in others}, endings, where)

    def _place(
        self, file: str, members: Mapping[str, list[int]], endings: Sequence[str], where: str, names: Sequence[str]
    ) -> None:
        if len(names) != len(endings) or not members.keys() >= {*endings}:
            raise DataError(f"{where}: names {len(names)} media and holds {', '.join(members) or 'none'}")
        for name, ending in zip(names, endings, strict=True):
            self.disk.place(name, lambda aside, at=members[ending]: aside.write_bytes(self._bytes(file, *at)))  # type: ignore[misc]

    def _bytes(self, file: str, offset: int, size: int) -> bytes:
        with self._here(file).open("rb") as opened:
            opened.seek(offset)
            return opened.read(size)

    def column(self, name: str) -> list[Any] | None:
        return None
