"""The files behind a `SampleStream`, on a disk or on any path that fsspec knows: which they are, where media from
elsewhere go, and Parquet, of which a row group is read at a time (`stream_tars` has tars). What they hold is untrusted.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import tempfile
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from onethinker.sample.record import MODALITIES, DataError, resolve_under
from onethinker.sample.shards import HUB_SHARDS, SHARDS, chosen, set_files
from onethinker.sample.task_names import own_names
from onethinker.util.files import replacing
from onethinker.util.lru import LRUCache
from onethinker.util.map_ahead import map_ahead
from onethinker.util.runs import RunError, locked

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
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds before a file system that failed is asked again."""
OF_A_FILE = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
"""What a file system says of one file."""
T = TypeVar("T")
PREFIX = "onethinker-media-"
"""Of the names of those folders."""
YOUNG = 60.0
"""Seconds."""
PATTERNS = (SHARDS, "*.parquet", HUB_SHARDS, "data/*.parquet", "*.tar")
NOT_SHARDS = (".jsonl", ".json", ".tsv", ".csv", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".zip")
"""Endings of files of which no row can be found by its position."""
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


class Unreachable(RunError):
    """A file system fails: no row is at fault, and a run ends rather than going without them."""


def patiently(where: str, work: Callable[[], T], own: tuple[type[Exception], ...] = ()) -> T:
    """What `work` gives, which is done again for half a minute where a file system fails. own: errors that are the
    file's, as DataError is, and raised at once. Raises Unreachable."""
    at_once: tuple[type[Exception], ...] = (DataError, *own)
    for pause in (*PAUSES, None):
        try:
            return work()
        except at_once:
            raise
        except Exception as error:
            if pause is None:
                raise Unreachable(
                    f"{where}: cannot be had ({type(error).__name__}: {error}); once it can, the same command goes on"
                ) from error
            time.sleep(pause)
    raise AssertionError


class _Watched:
    """A file that keeps the error of a read, by which a file system's is told from that of a decoder."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.failed: Exception | None = None

    def read(self, *size: int) -> Any:
        try:
            return self.file.read(*size)
        except Exception as error:
            self.failed = error
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


@contextmanager
def told(where: str, what: str, fix: str = "") -> Iterator[None]:
    """Raises DataError for whatever a file system raises within; each has errors of its own."""
    try:
        yield
    except (DataError, Unreachable):
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise DataError(f"{where}: {what} ({said})" + (f"; {fix}" if fix else "")) from error


def sweep() -> None:
    """Remove the folders of processes that were killed: nobody holds them. A young one may not be held yet."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError, RunError):
            if time.time() - folder.stat().st_mtime > YOUNG:
                with locked(folder):
                    shutil.rmtree(folder)


class Disk:
    """A folder of this process's own for files from elsewhere, up to a number of bytes: the longest unused go first."""

    def __init__(self, room: int = DISK_BYTES // 2) -> None:
        sweep()
        self.folder, self.room, self.held = Path(tempfile.mkdtemp(prefix=PREFIX)), room, 0
        held = ExitStack()
        held.enter_context(locked(self.folder))
        weakref.finalize(self, _leave, self.folder, held)
        self._lock = threading.Lock()
        self._sizes: OrderedDict[Path, int] = OrderedDict()

    def place(self, name: str, write: Callable[[Path], object], size: int | None = None) -> Path:
        """The file of this name, written if it is not there. size: its bytes, where they are known.

        Raises DataError for a name that leaves the folder, and for one that a file of another size has.
        """
        path = resolve_under(self.folder, name)
        while (known := self._has(path)) is None:
            with replacing(path) as aside:
                write(aside)
            self._note(path)
        if size not in (None, known):
            raise DataError(f"two media of the set are called {name!r:.200} and differ; give each a name of its own")
        return path

    def _has(self, path: Path) -> int | None:
        with self._lock:
            if path in self._sizes:
                self._sizes.move_to_end(path)
            return self._sizes.get(path)

    def _note(self, path: Path) -> None:
        """Count a file that was written, unless another thread dropped an earlier one of its name meanwhile, and this
        with it; then drop the oldest."""
        with self._lock:
            if not path.exists():
                return
            size = path.stat().st_size
            self.held += size - self._sizes.pop(path, 0)
            self._sizes[path] = size
            while self.held > self.room and len(self._sizes) > 1:
                oldest, freed = self._sizes.popitem(last=False)
                oldest.unlink(missing_ok=True)
                self.held -= freed


def _leave(folder: Path, held: ExitStack) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    held.close()


def open_shards(path: str, media_root: str | None) -> tuple[Shards, Path]:
    """The shards at a path, and the folder that their media paths are relative to: another one where media are fetched.
    Raises DataError."""
    from onethinker.sample.stream_tars import TarShards

    fs, base = _opened(path)
    with told(path, "cannot be listed"):
        files = _files(fs, path, base)
        parent = base if fs.isdir(base) else _without_query(files[0]).rpartition("/")[0]
    local = not is_url(path)
    if _without_query(files[0]).endswith(".tar"):
        disk = Disk()
        return TarShards(fs, files, disk, local=local), disk.folder
    if local if not media_root else not is_url(media_root):
        return ParquetShards(fs, files), Path(media_root or parent)
    disk = Disk()
    media_fs, media_base = _opened(media_root) if media_root else (fs, parent)
    return ParquetShards(fs, files, partial(_fetch, disk, media_fs, media_base), disk), disk.folder


def is_url(path: str) -> bool:
    """Whether a path is one of another file system."""
    return "://" in path


def _without_query(file: str) -> str:
    """A file of a server without what it is asked with, such as a signature."""
    return file.partition("?")[0] if is_url(file) else file


def _opened(url: str) -> tuple[Any, str]:
    """The file system of a path, and the path within it. Raises DataError."""
    import fsspec

    with told(url, "cannot be opened"):
        try:
            fs, base = fsspec.core.url_to_fs(url)
        except ImportError as error:
            raise DataError(f"{url}: cannot be opened ({error}); install what fsspec names for it") from error
    return fs, base


def _files(fs: Any, path: str, base: str) -> list[str]:
    """The shards in order. Raises DataError where there are none."""
    if not is_url(path) and Path(path).is_dir() and (shards := set_files(Path(path))):
        return [str(file) for file in shards]
    if _without_query(path).endswith(NOT_SHARDS):
        raise DataError(f"{path}: expected Parquet or tar files that are not compressed; unpack or convert it")
    if not path.endswith("/") and fs.isfile(base):  # a server's folders are files to fsspec
        return [base]
    if not fs.isdir(base):
        found = sorted(map(str, fs.glob(base)))
    else:
        found = next(filter(None, (_matching(fs, base.rstrip("/"), path, pattern) for pattern in PATTERNS)), [])
    if not found:
        raise DataError(f"{path}: no shards there; expected one of {', '.join(PATTERNS)}")
    return found


def _matching(fs: Any, folder: str, path: str, pattern: str) -> list[str]:
    """The files to train on of those below a folder that have a pattern. Raises DataError."""
    files = {str(file).rpartition("/")[2]: str(file) for file in fs.glob(f"{folder}/{pattern}")}
    return [files[name] for name in chosen(list(files), pattern, path.rstrip("/"))]


def _fetch(disk: Disk, fs: Any, base: str, names: Sequence[str]) -> None:
    for name in names:
        file = f"{base.rstrip('/')}/{name}"
        with told(file, "cannot be fetched"):
            patiently(file, partial(disk.place, name, partial(copy_here, fs, file)), OF_A_FILE)


def copy_here(fs: Any, path: str, aside: Path) -> None:
    """Fetch a file."""
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

        def read(opened: Any) -> tuple[Any, bytes]:
            size = opened.seek(0, io.SEEK_END)
            opened.seek(max(0, size - TAIL))
            tail = opened.read()
            length = int.from_bytes(tail[-8:-4], "little") + 8
            if TAIL < length <= size:
                opened.seek(size - length)
                tail = opened.read()
            return pq.read_metadata(pa.BufferReader(b"PAR1" + tail[-length:])), tail[-length:]

        return self._through(file, f"{file}: not a whole Parquet file", read)

    def _through(self, file: str, problem: str, read: Callable[[Any], T]) -> T:
        """What `read` makes of the opened file. Raises DataError, which begins with the problem, for bytes of which it
        makes nothing."""

        def once() -> T:
            with self.fs.open(file, "rb") as opened:
                watched = _Watched(opened)
                try:
                    return read(watched)
                except Exception as error:
                    if watched.failed:
                        raise watched.failed from error
                    raise DataError(f"{problem} ({error}); fetch or build it again") from error

        return patiently(file, once)

    def row(self, group: Group, row: int) -> tuple[Mapping[str, Any], Media]:
        table = self._tables.get((group.file, group.part), lambda: self._read(group))
        try:
            return table.slice(row, 1).to_pylist()[0], self._media
        except (ValueError, OverflowError) as error:
            where = f"{group.file}, row {group.first + row + 1}"
            raise DataError(f"{where}: a value that Python cannot hold ({error}); write it as text") from error

    def _read(self, group: Group, columns: list[str] | None = None) -> pa.Table:
        import pyarrow.parquet as pq

        def read(opened: Any) -> pa.Table:
            file = pq.ParquetFile(opened, metadata=self._footers[group.file])
            return file.read_row_group(group.part, columns).combine_chunks()

        return self._through(group.file, f"{group.file}, row group {group.part}: cannot be read", read)

    def column(self, name: str) -> list[Any] | None:
        """Of files in our own form alone: others name tasks in words of their own."""
        columns = (footer.schema.to_arrow_schema().names for footer in self._footers.values())
        if any(not {"task", "question", name} <= {*names} for names in columns):
            return None
        read = map_ahead(lambda group: self._read(group, [name]).column(name).to_pylist(), self.groups, threads=4)
        values = [value for some in read for value in some]
        return values if name == "meta" or _are_names(name, values) else None


def _are_names(column: str, values: Sequence[Any]) -> bool:
    """Whether a column holds only names as we write them."""
    known = {*(own_names() if column == "task" else MODALITIES)}
    return all(type(value) is str and value in known for value in values)
