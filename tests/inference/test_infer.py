"""Which task a question is."""

from __future__ import annotations

import pytest

from onethinker.inference.infer import asked_words, infer_task
from onethinker.tasks import TASKS

CASES = [
    ("Track [10, 20, 30, 40] through the clip.", "video", "tracking", ""),
    ("Given the bounding box [1, 2, 3, 4] of the target object in the first frame, track this object in each frame.",
     "video", "tracking", ""),
    ("Track the red circle.", "video", "open_ended", ""),
    ("Please segment the red circle.", "image", "image_segmentation", "the red circle"),
    ("segment the red circle", "video", "video_segmentation", "the red circle"),
    ("When does the man sit down?", "video", "temporal_grounding", ""),
    ("When was this painted?", "image", "open_ended", ""),
    ("When and where does the man sit?", "video", "spatial_temporal_grounding", ""),
    ("Where is the red circle?", "image", "spatial_grounding", "the red circle"),
    ("Detect all red shapes.", "image", "detection", "red shapes"),
    ("Find every dog", "image", "detection", "dog"),
    ("Point to the dogs", "image", "pointing", "the dogs"),
    ("Where should I click to log in?", "image", "pointing", "log in"),
    ("Where is this?", "video", "open_ended", ""),
    ("Locate the dog on the left.", "image", "spatial_grounding", "the dog on the left"),
    ("How many shapes are there?", "video-image", "numerical", ""),
    ("Count the circles", "text", "numerical", ""),
    ("Describe the picture.", "image", "caption", ""),
    ("What does the text say?", "image", "ocr", ""),
    ("What does the red sign say?", "image", "ocr", ""),
    ("What does the man say?", "video", "open_ended", ""),
    ("Is the whenever sign red?", "video", "open_ended", ""),
    ("", "text", "open_ended", ""),
]  # fmt: skip


@pytest.mark.parametrize(("question", "modality", "task", "phrase"), CASES)
def test_the_words_decide(question, modality, task, phrase):
    inferred = infer_task(question, modality)
    assert (inferred.task, inferred.phrase) == (task, phrase)
    assert bool(inferred.why) == (task != "open_ended") and inferred.task in TASKS
    words = asked_words(inferred, question)
    assert words == (phrase if task in ("spatial_grounding", "detection", "pointing") else question)


def test_options_come_first():
    assert infer_task("How many are there?", "image", ["A. 1"]).task == "multiple_choice"


@pytest.mark.parametrize("question", ["track " + "[" * 5000, "where is " * 500, "segment" + " " * 5000])
def test_hostile_questions_take_no_time(question):
    infer_task(question, "video"), infer_task(question, "image")
