"""Masks of several answers to one question: what most of them hold, of media that are opened once."""

from __future__ import annotations

import numpy as np
import pytest

from onethinker.sample import Sample
from onethinker.segment import Segmenter, answers
from onethinker.segment.answers import masks_of
from onethinker.tasks.image_segmentation import Prompts


class Columns(Segmenter):
    """The box's columns, all the way through a clip."""

    step = 1.0

    def segment_image(self, image, box, positive, negative):
        width, height = image.size
        columns = np.arange(width) * 1000 / width
        return np.tile((columns >= box[0]) & (columns < box[2]), (height, 1))

    def start(self, frame, prompt, before, after):
        return Still(frame, prompt.in_pixels(frame.shape[1], frame.shape[0]))


class Still:
    def __init__(self, frame, prompt):
        columns = np.arange(frame.shape[1])
        self.mask = np.tile((columns >= prompt.box[0]) & (columns < prompt.box[2]), (frame.shape[0], 1))

    def follow(self, frame, reverse):
        return self.mask


@pytest.mark.parametrize(("task", "name"), [("image_segmentation", "square"), ("video_segmentation", "even")])
def test_of_several_answers_what_most_hold_from_media_opened_once(task, name, media, monkeypatch) -> None:
    opened = []
    for opener in ("open_image", "open_clip"):
        real = getattr(answers, opener)
        monkeypatch.setattr(answers, opener, lambda *args, real=real: opened.append(args) or real(*args))
    points = ((1.0, 1.0), (2.0, 2.0), (3.0, 3.0))
    values = [
        Prompts(box=(left, 0.0, right, 1000.0), positive=points, negative=points, time=0.1 * i)
        for i, (left, right) in enumerate([(0, 500), (250, 750), (250, 1000)])
    ]
    sample = Sample("a", task, "image" if name == "square" else "video", "the disc", "", (), (media[name].name,))
    lacking = Prompts(box=None, positive=points, negative=points)
    masks = masks_of(Columns(), sample, media[name], [*values, lacking, None], [0.0, 0.2])
    assert len(opened) == 1 and len(masks) == (1 if name == "square" else 2)
    for mask in masks:
        width = mask.shape[1]
        assert (
            mask.all(axis=0).tolist()
            == mask.any(axis=0).tolist()
            == [250 <= x * 1000 / width < 750 for x in range(width)]
        )
    assert masks_of(Columns(), sample, media[name], [lacking, None], [0.0]) == []
