"""Captions: a description, scored as an open-ended answer is."""

from __future__ import annotations

from onethinker.tasks.base import SEEN, make_templates
from onethinker.tasks.open_ended import OpenEnded


class Caption(OpenEnded):
    name = "caption"
    title = "Caption"
    modalities = SEEN
    example = "A woman throws a red ball for her dog."
    published = "caption"
    statistics = "open_ended"  # published captions arrive as open-ended
    example_truth = "A man pours coffee into a blue mug."
    templates = make_templates("caption: {question}", "The answer is a description in plain sentences.", "DESCRIPTION")
