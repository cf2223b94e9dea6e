"""Media that stand within a data file, as bytes or base64: written beside it once, under the hash of their bytes.

They come as `datasets` writes an `Image()` or `Video()` column, `{bytes, path}`, as bare bytes, or as a `data:` URL in
a chat. What they hold is untrusted: a picture's size is read from its header before anything is written.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from onethinker.media import VIDEO_SUFFIXES
from onethinker.sample.record import DataError
from onethinker.util.files import replacing

FOLDER = "images"
"""Below the media root, where VLMEvalKit puts its own."""
_SUFFIXES = {"JPEG": "jpg", "JPEG2000": "jp2", "TIFF": "tif", "HEIF": "heic"}


def is_embedded(value: Any) -> bool:
    """Whether the value holds a medium's bytes."""
    if isinstance(value, str):
        return value[:5].lower() == "data:"
    return isinstance(value, bytes) or (isinstance(value, Mapping) and isinstance(value.get("bytes"), bytes))


def unpack(value: Any, root: Path, stem: str, where: str) -> str:
    """Write an embedded medium to `root/images/stem/HASH.SUFFIX`, unless it is there; the path below the root. Raises
    DataError as `embedded_file`, and where it cannot be written."""
    path, data = embedded_file(value, stem, where)
    _write(root / path, data)
    return path


def embedded_file(value: Any, stem: str, where: str) -> tuple[str, bytes]:
    """The path of an embedded medium, or of a picture in base64, below a media root, `images/stem/HASH.SUFFIX`, and its
    bytes.

    Raises DataError for bytes that are no picture of bounded size; of a clip the `path` beside it must say that it is.
    """
    from onethinker.media import MediaError

    name, data, form = "", value, "picture"
    if isinstance(value, Mapping):
        name, data = str(value.get("path") or ""), value["bytes"]
    try:
        if isinstance(value, str):
            form = "base64 of a picture"
            data = base64.b64decode("".join(value[value.find(",") + 1 :].split()), validate=True)
        suffix = PurePosixPath(name).suffix.lower()
        if suffix not in VIDEO_SUFFIXES:
            suffix = f".{_picture_suffix(data)}"
    except (ValueError, MediaError) as error:
        raise DataError(f"{where}: its image is no {form} that can be read ({error})") from error
    return f"{FOLDER}/{stem}/{hashlib.blake2b(data, digest_size=12).hexdigest()}{suffix}", data


def _picture_suffix(data: bytes) -> str:
    """Of the picture's format. Raises MediaError."""
    from onethinker.media.embedded import picture_format

    kind = picture_format(data, Path("picture"))
    return _SUFFIXES.get(kind, kind.lower())


def _write(path: Path, data: bytes) -> None:
    if path.is_file():
        return
    try:
        with replacing(path) as aside:
            aside.write_bytes(data)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error}): media within a data file are unpacked beside it; "
            "link the file into a folder that you may write"
        ) from error
