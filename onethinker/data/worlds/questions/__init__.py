"""Which questions each task asks of which kind of scene."""

from __future__ import annotations

from onethinker.data.worlds.questions import choice, language, places, quantity
from onethinker.data.worlds.questions.ask import read_to
from onethinker.tasks import TASKS
from onethinker.tasks.asking import Ask, Asker, Unanswerable

FAMILIES: dict[str, tuple[str, ...]] = {t.name: t.scenes for t in TASKS.values() if t.scenes and t.released}
"""Task → the kinds of scene that its samples go through in turn; a world has these unless others are named."""

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


def families() -> dict[str, tuple[str, ...]]:
    """As FAMILIES, of every task that a world may be asked for."""
    return {task.name: task.scenes for task in TASKS.values() if task.scenes}


def askers(task: str, family: str) -> tuple[Asker, ...]:
    """The makers of a task's questions about a kind of scene: its own, or those that stand here."""
    return TASKS[task].asks.get(family) or ASKERS[task, family]


__all__ = ["ASKERS", "FAMILIES", "Ask", "Asker", "Unanswerable", "askers", "families", "read_to"]
