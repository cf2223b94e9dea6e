"""Box and points → masks: `make_segmenter("grabcut")` needs no weights, `"sam2"` or `"sam2:<id or folder>"` does."""

from __future__ import annotations

from onethinker.segment.base import Segmenter, SegmenterError

__all__ = ["Segmenter", "SegmenterError", "known_segmenter", "make_segmenter"]

SAM2_CHECKPOINT = "facebook/sam2.1-hiera-large"


def make_segmenter(name: str = "grabcut", device: str = "auto") -> Segmenter:
    """A segmenter by name. device: `auto`, or where SAM2 runs, such as `cpu` or `cuda:1`; GrabCut is always on the CPU.

    Raises SegmenterError for an unknown name; SAM2's checkpoint is opened when it is first needed.
    """
    known_segmenter(name)
    if name == "grabcut":
        from onethinker.segment.grabcut import GrabCut

        return GrabCut()
    from onethinker.segment.sam2 import Sam2

    return Sam2(name.removeprefix("sam2").removeprefix(":") or SAM2_CHECKPOINT, device)


def known_segmenter(name: str) -> None:
    """Raises SegmenterError for a name that `make_segmenter` does not know."""
    if name != "grabcut" and name.partition(":")[0] != "sam2":
        raise SegmenterError(f"segmenter {name!r} is unknown; expected grabcut, sam2 or sam2:<checkpoint id or folder>")
