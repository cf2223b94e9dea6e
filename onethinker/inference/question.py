"""One question, before its media are opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onethinker.inference.given import Given, Media
from onethinker.media import MediaError
from onethinker.sample import Sample
from onethinker.tasks import get_task

SEGMENTATION = "segmentation"
"""Stands for the task of pictures or of clips, whichever is given, as in the published data."""


@dataclass(frozen=True)
class Question:
    """media, fps: as `given` takes them. task: a name of `list_tasks()`, or SEGMENTATION; multiple choice where there
    are options, else open-ended. phrase: what is asked for in the fewest words, the label of what is found."""

    media: Media
    text: str
    task: str = ""
    options: Sequence[str] = ()
    fps: float | None = None
    phrase: str = ""

    def sample(self, media: Given, id: str) -> Sample:
        """The question as a sample without a truth. Raises TaskError, MediaError for media that the task does not take.

        A description without a question is asked for in the words of the published captions' data.
        """
        name, modality = self.task or ("multiple_choice" if self.options else "open_ended"), media.modality
        if name == SEGMENTATION:
            name = "video_segmentation" if modality == "video" else "image_segmentation"
        task = get_task(name)
        if media.files and modality not in task.modalities:
            takes = " or ".join(_KINDS[kind] for kind in task.modalities)
            raise MediaError(f"{name} takes {takes}; {', '.join(filter(None, media.names)) or 'what came'} is "
                             f"{_KINDS[modality]}")  # fmt: skip
        text = self.text
        if name == "caption" and not text:
            text = "Describe what happens in the clip." if modality == "video" else "Describe the picture."
        return Sample(
            id=id,
            task=name,
            modality=modality,
            question=text,
            truth="",
            options=tuple(self.options),
            media=tuple(str(file) for file in media.files),
            meta={"phrase": self.phrase} if self.phrase else {},
        )


_KINDS = {"image": "a picture", "video": "a clip", "video-image": "clips with pictures", "text": "no media"}
