"""One question, before its media are opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onethinker.inference.given import Given, Media
from onethinker.inference.infer import Inferred, asked_words, infer_task
from onethinker.media import MediaError
from onethinker.sample import Sample
from onethinker.tasks import get_task

SEGMENTATION = "segmentation"
"""Stands for the task of pictures or of clips, whichever is given, as in the published data."""
AUTO = "auto"
"""Stands for the task that the question's words make clear (`infer`)."""


@dataclass(frozen=True)
class Question:
    """media, fps: as `given` takes them. task: a name of `list_tasks()`, SEGMENTATION or AUTO; multiple choice where
    there are options, else open-ended. phrase: what is asked for in the fewest words, the label of what is found."""

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
        text, phrase, inferred = self.text, self.phrase, Inferred("")
        if name == AUTO:
            inferred = infer_task(text, modality, self.options)
            name, phrase, text = inferred.task, phrase or inferred.phrase, asked_words(inferred, text)
        if name == SEGMENTATION:
            name = "video_segmentation" if modality == "video" else "image_segmentation"
        task = get_task(name)
        if media.files and modality not in task.modalities:
            takes = " or ".join(_KINDS[kind] for kind in task.modalities)
            raise MediaError(f"{name} takes {takes}; {', '.join(filter(None, media.names)) or 'what came'} is "
                             f"{_KINDS[modality]}")  # fmt: skip
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
            meta={key: words for key, words in (("phrase", phrase), ("inferred", inferred.why)) if words},
        )


_KINDS = {"image": "a picture", "video": "a clip", "video-image": "clips with pictures", "text": "no media"}
