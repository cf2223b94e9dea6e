"""What a corpus is made of: `onethinker_600k`, or a user's own YAML, by the one mechanism of all recipes."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from onethinker.recipes.base import RecipeError, from_yaml, override
from onethinker.recipes.sections import Section, Share, key, section
from onethinker.sample import MODALITIES
from onethinker.util.names import nearest

DEFAULT = "empty"
"""The recipe without sources that a YAML file starts from unless it names another under `base`."""


class SourceConfig(Section):
    """One of the data sets, or one's own data."""

    reader: str = key("", "a public data set, one of `onethinker data sources`")
    samples: str = key(
        "", "in place of a reader: a file or folder of samples, or a world, relative to --data-root or absolute"
    )
    at: str = key("", "folder of the data set below --data-root; the last part of the source's own name unless given")
    otherwise: tuple[str, ...] = key(
        (), "other ways to have it, READER:FOLDER, of which the first that is there is taken where `reader` is not"
    )
    split: str = key("", "split to take; the reader's training split, of a world `train`, unless given")
    name: str = key("", "what its samples give as their source; the last part of the source's own name unless given")
    group: str = key(
        "", "group that it is counted under, as in the paper's Figure 3; what stands before `/` in its name"
    )
    cap: NonNegativeInt | None = key(None, "samples at most, before `scale`; null takes all")
    tasks: tuple[str, ...] = key((), "take only samples of these tasks")
    modalities: tuple[str, ...] = key((), "take only samples of these modalities: image, video, video-image, text")
    licence: str = key("", "its licence, for the card; the reader's unless given")
    unavailable: str = key("", "why it cannot be read: it is then a shortfall with that reason")

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [name for name in ("reader", "samples", "unavailable") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(f"has {' and '.join(given) or 'none'} of reader, samples, unavailable; give one")
        if self.otherwise and not self.reader:
            raise ValueError("has `otherwise` without a reader; give one")
        if odd := [way for way in self.otherwise if not all(way.partition(":")[::2])]:
            raise ValueError(f"otherwise {odd[0]!r}; expected READER:FOLDER")
        if odd := [name for name in self.modalities if name not in MODALITIES]:
            raise ValueError(f"modality {odd[0]!r}; expected {', '.join(MODALITIES)}")
        return self


class FilterConfig(Section):
    """What a sample must be to be taken."""

    max_question: PositiveInt = key(16_000, "characters of a question with its options at most")
    max_truth: PositiveInt = key(16_000, "characters of a truth at most")
    max_media: PositiveInt = key(64, "media of a sample at most")


class DifficultyConfig(Section):
    """Which pass rates to take (`onethinker data difficulty` measures them)."""

    low: Share = key(0.0, "lowest pass rate")
    high: Share = key(1.0, "highest pass rate")
    unmeasured: Literal["keep", "drop"] = key("keep", "what becomes of samples that have none")


class CorpusRecipe(Section):
    """A corpus."""

    name: str = key("", "its name; the file's unless given")
    seed: NonNegativeInt = key(0, "which samples are taken where there are more than are wanted")
    scale: PositiveFloat = key(1.0, "every cap times this: 0.01 for a trial of a hundredth")
    total: PositiveInt | None = key(None, "samples in all, shared out by `tasks`; null takes as many as shares allow")
    tasks: dict[str, PositiveFloat] = key(
        {}, "task → its weight in the mix; tasks without one are left out if any is given"
    )
    images: Share | None = key(None, "pictures' share of all that is not text; null leaves it as it comes")
    spare: NonNegativeFloat = key(
        0.2, "how many more than its cap of a source are cleaned, to fill the place of what goes"
    )
    clean: bool = key(False, "leave out duplicates, broken media and truths that do not score on themselves")
    decontaminate: bool = key(False, "leave out what is shared with the benchmarks below --data-root")
    filters: FilterConfig = section(FilterConfig, "what a sample must be")
    difficulty: DifficultyConfig | None = key(None, "pass rates to take; null takes all")
    sources: dict[Annotated[str, Field(pattern=r"^[^.\s][^.]*$", max_length=100)], SourceConfig] = key(
        {}, "GROUP/NAME → a data set"
    )

    @model_validator(mode="after")
    def _known_names(self) -> Self:
        from onethinker.data.sources import SOURCES
        from onethinker.tasks import list_tasks

        for name, source in self.sources.items():
            readers = [source.reader, *(way.partition(":")[0] for way in source.otherwise)] if source.reader else []
            if odd := [reader for reader in readers if reader not in SOURCES]:
                raise ValueError(f"sources.{name}: no reader {odd[0]!r}; the nearest is {nearest(odd[0], SOURCES)!r}")
        asked = [*self.tasks, *(task for source in self.sources.values() for task in source.tasks)]
        if odd := [task for task in asked if task not in list_tasks()]:
            raise ValueError(f"no task {odd[0]!r}; the nearest is {nearest(odd[0], list_tasks())!r}")
        return self

    def cap_of(self, name: str) -> int | None:
        """The samples of a source at most, scaled."""
        cap = self.sources[name].cap
        return None if cap is None else round(cap * self.scale)


def name_of(key: str, source: SourceConfig) -> str:
    return source.name or key.rpartition("/")[2]


def group_of(key: str, source: SourceConfig) -> str:
    return source.group or key.rpartition("/")[0]


@cache
def shipped() -> dict[str, CorpusRecipe]:
    """Those in `recipes/`, by name, and the one without sources."""
    found = {DEFAULT: CorpusRecipe(name=DEFAULT)}
    for file in sorted(files("onethinker.corpus").joinpath("recipes").iterdir(), key=lambda file: file.name):
        found[Path(file.name).stem] = from_yaml(Path(str(file)), found, DEFAULT)
    return found


def load_corpus_recipe(name: str, assignments: list[str] | None = None) -> CorpusRecipe:
    """A shipped name or a YAML file, with `key=value` overrides applied. Raises RecipeError naming the nearest key."""
    if Path(name).suffix in (".yaml", ".yml"):
        if not Path(name).is_file():
            raise RecipeError(f"{name}: no such recipe file")
        recipe = from_yaml(Path(name), shipped(), DEFAULT)
    elif name in shipped() and name != DEFAULT:
        recipe = shipped()[name]
    else:
        near = nearest(name, [known for known in shipped() if known != DEFAULT])
        raise RecipeError(f"corpus recipe {name!r} is not shipped; the nearest is {near!r}, or give a .yaml file")
    recipe = override(recipe, assignments or [])
    if not recipe.sources:
        raise RecipeError(f"{name}: no sources; give some, such as sources: {{own: {{samples: PATH}}}}")
    return recipe
