"""What a user decides about annotation: thresholds, rules, sampling, sizes. Files under `prompts/` hold the
defaults."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
)

from onethinker.media import MediaBudget
from onethinker.recipes.sections import Section, Share
from onethinker.util.names import nearest
from onethinker.util.yaml_text import read_yaml

FILES = Path(__file__).parent / "prompts"
PROMPTS, SETTINGS = FILES / "prompts.yaml", FILES / "settings.yaml"
"""The shipped files: what a model is told, and everything else. Copy them and change the copies."""

Clips = Literal["frames", "video", "sequence"]


class SettingsError(ValueError):
    """A file of settings or prices that cannot be used; the message names the file, the key and the fix."""


class Rules(Section):
    """Numbers and words of the checks of thinking (`checks.CHECKS`). skip: names of checks that are not made."""

    skip: tuple[str, ...] = ()
    min_words: NonNegativeInt = 8
    max_words: PositiveInt = 1500
    scripts: tuple[str, ...] = ("LATIN",)
    foreign_share: Share = 0.05
    repeated_share: Share = 0.3
    repeated_words: PositiveInt = 6
    leaks: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    agreement: Share = 0.5

    @field_validator("leaks", "refusals", "claims")
    @classmethod
    def _are_patterns(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        import re

        for pattern in patterns:
            try:
                re.compile(pattern, re.IGNORECASE)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression ({error})") from error
        return patterns


class Settings(Section):
    """The keys of a settings file; `prompts/settings.yaml` says what each means."""

    candidates: PositiveInt = 4
    stop_when_kept: bool = False
    temperature: NonNegativeFloat = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_tokens: PositiveInt = 4096
    seed: int = 0
    clips: Clips = "frames"
    media: MediaBudget = MediaBudget(image_pixels=1024 * 32 * 32, frame_pixels=256 * 32 * 32, fps=2.0, max_frames=32)
    tokens_per_picture: PositiveInt = 16_384
    concurrency: PositiveInt = 16
    requests_per_minute: PositiveFloat | None = None
    tokens_per_minute: PositiveFloat | None = None
    timeout: PositiveFloat = 600.0
    attempts: PositiveInt = 3
    patience: PositiveFloat = 600.0
    thresholds: Mapping[str, Share]
    rules: Rules = Rules()

    @field_validator("thresholds")
    @classmethod
    def _are_tasks(cls, thresholds: Mapping[str, float]) -> Mapping[str, float]:
        from onethinker.tasks import TASKS

        for name in thresholds:
            if name not in TASKS:
                raise ValueError(f"no task {name!r}; the nearest is {nearest(name, TASKS)!r}")
        return thresholds

    def threshold(self, task: str) -> float:
        """The least accuracy of a kept answer, 0–1. A task without one (a plugin's) wants a full answer."""
        return self.thresholds.get(task, 1.0)


def load_settings(file: str | Path = "", **changes: Any) -> Settings:
    """The shipped settings, with the keys of a YAML file of one's own, with `changes` that are not None.

    Sections (`thresholds`, `rules`, `media`) change the shipped ones key by key. Raises SettingsError.
    """
    tree = dict(_shipped())
    if file:
        tree = _merged(tree, _read(Path(file)))
    tree = _merged(tree, {key: value for key, value in changes.items() if value is not None})
    where = str(file or SETTINGS)
    if unknown := sorted(tree.keys() - Settings.model_fields.keys()):
        raise SettingsError(
            f"{where}: no key {unknown[0]!r}; the nearest is {nearest(unknown[0], Settings.model_fields)!r}"
        )
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        lines = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}, got {e['input']!r:.80}" for e in error.errors())
        raise SettingsError(f"{where}: {'; '.join(lines)}") from error


@cache
def _shipped() -> dict[str, Any]:
    return _read(SETTINGS)


def _read(file: Path) -> dict[str, Any]:
    try:
        tree = read_yaml(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: cannot be read as YAML ({error}); the shipped one is {SETTINGS}") from error
    if not isinstance(tree, dict):
        raise SettingsError(f"{file}: expected `key: value` lines, found {type(tree).__name__}")
    return {str(key): value for key, value in tree.items()}


def _merged(base: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(base)
    for key, value in own.items():
        there = made.get(key)
        made[key] = {**there, **value} if isinstance(there, dict) and isinstance(value, dict) else value
    return made


def settings_like(checkpoint: str) -> dict[str, Any]:
    """The keys `media`, `max_tokens` and `prompts` as a checkpoint or recipe is asked. Raises RecipeError."""
    from onethinker.recipes.answering import recipe_like

    recipe = recipe_like(checkpoint)
    asked = recipe.evaluate
    return {"media": asked.budget.model_dump(), "max_tokens": asked.max_tokens, "prompts": recipe.prompts}
