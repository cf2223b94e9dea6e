"""Which questions each task asks of which kind of scene."""

from __future__ import annotations

from onethinker.data.worlds.questions import choice, language, places, quantity
from onethinker.data.worlds.questions.ask import Ask, Asker, Unanswerable, read_to
from onethinker.tasks import TASKS

FAMILIES: dict[str, tuple[str, ...]] = {task.name: task.scenes for task in TASKS.values() if task.scenes}
"""Task → the kinds of scene that its samples go through in turn."""

ASKERS: dict[tuple[str, str], tuple[Asker, ...]] = {
    ("multiple_choice", "still"): (choice.colour, choice.shape, choice.where, choice.further, choice.present),
    ("multiple_choice", "clip"): (*[choice.happens] * 2, *[choice.becomes] * 2, choice.colour),
    ("multiple_choice", "pair"): (choice.which_picture,),
    ("numerical", "still"): (quantity.count,),
    ("numerical", "clip"): (quantity.count, quantity.count_movers, quantity.count_visible),
    ("regression", "still"): (quantity.distance,),
    ("regression", "clip"): (quantity.distance, quantity.duration),
    ("math", "digits"): (quantity.digits,),
    ("math", "plot"): (quantity.plot,),
    ("ocr", "words"): (language.transcribe,),
    ("open_ended", "still"): (language.extreme,),
    ("open_ended", "clip"): (language.behaviour, language.behaviour, language.mover),
    ("caption", "still"): (language.caption,),
    ("caption", "clip"): (language.caption,),
    ("spatial_grounding", "still"): (places.locate,),
    ("temporal_grounding", "clip"): (places.when,),
    ("spatial_temporal_grounding", "clip"): (places.where_and_when,),
    ("tracking", "clip"): (places.track,),
    ("image_segmentation", "still"): (places.segment,),
    ("video_segmentation", "clip"): (places.segment,),
}

__all__ = ["ASKERS", "FAMILIES", "Ask", "Asker", "Unanswerable", "read_to"]
