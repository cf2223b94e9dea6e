"""Which fields of a row name its media. A field that looks like media is read or refused by name, never passed over.

`path`, then `additional_path` (published), or `media` (native) give media in order; `images` and `videos` (chat, and
the release's RL file) by kind, in the order of the question's marks. Where a row has neither, a field that plainly
means the same is read: `image`, `image_path`, `video`, `video_path` and their like.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from onethinker.media import PICTURE_SUFFIXES, VIDEO_SUFFIXES
from onethinker.sample.marks import MARK
from onethinker.sample.pictures import is_embedded
from onethinker.sample.record import DataError, Modality

_IMAGES = re.compile(r"(image|img|picture|photo)s?(_?(path|file)s?)?", re.IGNORECASE)
_VIDEOS = re.compile(r"(video|clip)s?(_?(path|file)s?)?", re.IGNORECASE)
_UNREAD = re.compile(
    r"(frame|audio|media)s?(_?(path|file)s?)?|(image|img|video|audio|media)s?_?urls?|file_?names?", re.IGNORECASE
)
"""Names of media whose kind or form is not plain."""
_SUFFIXES = VIDEO_SUFFIXES | PICTURE_SUFFIXES
_OTHERWISE = {
    *("additional_path", "problem", "problem_id", "problem_type", "data_type", "options", "solution", "answer"),
    *("data_source", "problem_reserved_text", "segmentation_output", "response", "messages", "system"),
    *("id", "task", "modality", "question", "truth", "source", "meta"),
}
"""Fields that are read as something else."""
_PLAIN = {ordered: _OTHERWISE | {ordered} for ordered in ("path", "media")}
_MEDIUM = {"path", "bytes", "url"}
"""Keys of which an object that is a medium has one."""
_NO_MEDIUM = frozenset((int, float, bool, type(None)))
Names = tuple[str, ...]


def media_of(row: Mapping[str, Any], where: str, ordered: str, marked: str) -> tuple[Names, Modality | None, set[str]]:
    """A row's media, their modality (None where a `data_type` says it), and the fields that have been read.

    ordered: `path` or `media`. marked: the text whose marks order media that are given by kind. Raises DataError.
    """
    named = names(row, ordered, where)
    extra = names(row, "additional_path", where) if "additional_path" in row else ()
    others: list[str] = []
    empty: set[str] = set()
    known = _PLAIN[ordered]
    if not row.keys() <= known:  # most rows have no other fields
        for key, value in row.items():
            if key in known:
                continue
            if _looks(key, value):
                others.append(key)
            elif _is_read(key) and value in ([], (), "", b"", [None]):
                empty.add(key)
    if named or not others:
        media = named + extra
        copies = _check_same(row, others, media, where) if others else set()
        return media, None if "data_type" in row else _modality_by_suffix(media), empty | copies
    images, videos = (_of_kind(row, others, kind, where) for kind in ("image", "video"))
    unread = [key for key in others if not _is_read(key)]
    seen = images or videos or row.get("data_type") == "text"
    for key in unread:
        if _kind(key) or not seen:
            raise _refused(row, key, where)
    media = _in_order(images, videos, MARK.findall(marked))
    media += tuple(name for name in extra if name not in media)
    modality: Modality = "video-image" if images and videos else "video" if videos else "image" if images else "text"
    return media, modality if images or videos else _modality_by_suffix(extra), empty | {*others} - {*unread}


def with_media(row: Mapping[str, Any], media: Sequence[str], where: str) -> dict[str, Any]:
    """The row with these media in the place of those that it names, as many, or of none. Raises DataError."""
    if not media:
        return dict(row)
    ordered = "path" if {"problem", "messages"} & row.keys() else "media"
    named, _, read = media_of({key: v for key, v in row.items() if v is not None}, where, ordered, "")
    if named and len(named) != len(media):
        raise DataError(f"{where}: names {len(named)} media and has {len(media)} beside it, such as {media[0]}")
    return {key: v for key, v in row.items() if key not in {*read, "additional_path"}} | {ordered: list(media)}


def unpacked(row: Mapping[str, Any], save: Callable[[Any], str]) -> Mapping[str, Any]:
    """The row with the paths of the media that it holds itself. save: writes one and gives its path.

    A row that names its media by path keeps what it holds beside them as data.
    """
    if row.get("path") or row.get("media"):
        return row

    def each(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [each(item) for item in value]
        return save(value) if is_embedded(value) else value

    def part_of(part: Any) -> Any:
        if not isinstance(part, Mapping) or part.get("type", "text") == "text":
            return part
        urls = {k: {**v, "url": each(v["url"])} for k, v in part.items() if isinstance(v, Mapping) and "url" in v}
        return {key: each(value) for key, value in part.items()} | urls

    def message_of(message: Any) -> Any:
        content = message.get("content") if isinstance(message, Mapping) else None
        return {**message, "content": list(map(part_of, content))} if isinstance(content, list | tuple) else message

    changed = {key: each(value) for key, value in row.items() if _is_read(key)}
    if isinstance(messages := row.get("messages"), list | tuple):
        changed["messages"] = list(map(message_of, messages))
    return {**row, **changed}


def names(row: Mapping[str, Any], key: str, where: str) -> Names:
    """Paths of media: one, a list, or nothing; each as text or, as `datasets` writes it, `{path, bytes: null}`."""
    value = row.get(key)
    if type(value) is str and ":" not in value:  # neither an address nor a medium's bytes
        return (value,) if value else ()
    if value is None or value in (b"", [None]):
        return ()
    items = value if isinstance(value, list | tuple) else [value]
    if any(map(is_embedded, items)):
        raise DataError(f"{where}: field {key!r} holds a medium itself ({value!r:.60}); load_samples unpacks it")
    found = [_path(item) for item in items]
    if not all(isinstance(name, str) and name for name in found):
        raise DataError(f"{where}: field {key!r} is {value!r:.80}; expected a path or a list of paths")
    for name in found:
        if "://" in name:
            raise DataError(f"{where}: field {key!r} is {name!r:.80}, an address; fetch the file and give its path")
    return tuple(found)


def _path(value: Any) -> Any:
    """The path of a medium whose bytes are not here."""
    return (
        value["path"] if isinstance(value, Mapping) and value.keys() <= {"path", "bytes"} and "path" in value else value
    )


@lru_cache(maxsize=1024)
def _kind(key: str) -> str:
    """What the name says: `image`, `video`, `unread` or nothing."""
    kinds = {"image": _IMAGES, "video": _VIDEOS, "unread": _UNREAD}
    return next((kind for kind, name in kinds.items() if name.fullmatch(key)), "")


def _is_read(key: str) -> bool:
    """Whether the name plainly says a kind of media."""
    return _kind(key) in ("image", "video")


def _looks(key: str, value: Any) -> bool:
    """Whether a field looks like media by its name and form, or by what it holds alone."""
    first = value[0] if type(value) is list and value else value
    if type(first) in _NO_MEDIUM or (type(first) is dict and _MEDIUM.isdisjoint(first)):
        return False
    if type(value) is str:
        return bool(value) and (bool(_kind(key)) or is_embedded(value) or _has_suffix(value))
    items = value if isinstance(value, list | tuple) else [value]
    if not items or not all(map(_may_be_medium, items)):
        return False
    if _kind(key):
        return True
    return all((is_embedded(item) and not isinstance(item, bytes)) or _has_suffix(_path(item)) for item in items)


def _may_be_medium(item: Any) -> bool:
    """Whether the value has a medium's form; an object such as `{width, height}` only tells of one."""
    if isinstance(item, Mapping):
        return bool(item.keys() & _MEDIUM)
    return isinstance(item, str | bytes | list | tuple) and bool(item)


def _has_suffix(name: Any) -> bool:
    return isinstance(name, str) and len(name) < 300 and not name.count(" ") > 3 and _suffix(name) in _SUFFIXES


def _suffix(name: str) -> str:
    return f".{name.rpartition('.')[2]}".lower()


def _check_same(row: Mapping[str, Any], others: Sequence[str], named: Names, where: str) -> set[str]:
    """The fields that hold copies of the media, which are not kept.

    Raises DataError for a field that names others, which would not be seen.
    """
    known, read = {form for name in named for form in (name, _base(name), PurePosixPath(name).stem)}, set()
    for key in others:
        value = row[key]
        items = value if isinstance(value, list | tuple) else [value]
        paths = [item.get("path") if isinstance(item, Mapping) else item for item in items]
        if all(isinstance(path, str) and (path in known or _base(path) in known) for path in paths):
            read |= {key} if any(map(is_embedded, items)) else set()
        elif _kind(key) and not all(map(is_embedded, items)):
            raise DataError(
                f"{where}: field {key!r} is {value!r:.80} beside {', '.join(named)!r:.80}; expected all of a "
                "row's media in one field, so that none is passed over"
            )
    return read


def _base(name: str) -> str:
    return PurePosixPath(name).name


def _of_kind(row: Mapping[str, Any], others: Sequence[str], kind: str, where: str) -> Names:
    """The media that the fields of one kind give. Raises DataError where two differ."""
    given = {key: names(row, key, where) for key in others if _kind(key) == kind}
    if len(set(given.values())) > 1:
        raise DataError(f"{where}: fields {' and '.join(map(repr, given))} name different media; give one of them")
    return next(iter(given.values()), ())


def _refused(row: Mapping[str, Any], key: str, where: str) -> DataError:
    return DataError(
        f"{where}: field {key!r} ({row[key]!r:.80}) looks like media, which would not be seen; "
        "name it 'images' or 'videos', or leave it out"
    )


def _in_order(images: Names, videos: Names, marks: Sequence[str]) -> Names:
    """The media as the marks have them; videos first where the marks are not theirs."""
    if marks.count("image") != len(images) or marks.count("video") != len(videos):
        return (*videos, *images)
    queues = {"image": iter(images), "video": iter(videos)}
    return tuple(next(queues[mark]) for mark in marks)


def _modality_by_suffix(media: Names) -> Modality:
    if not media:
        return "text"
    videos = sum([_suffix(name) in VIDEO_SUFFIXES for name in media])
    return "image" if not videos else "video" if videos == len(media) else "video-image"
