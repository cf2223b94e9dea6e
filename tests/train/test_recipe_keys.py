"""Every key of a recipe that training has is read by the run that it is for: none is written down and then ignored."""

from __future__ import annotations

from typing import Any

import pytest

from onethinker.recipes.base import Recipe, Section, leaves
from onethinker.train.rl import run_rl
from onethinker.train.sft import run_sft

ONLY_WITH_A_SERVER = {
    "rl.server", "rl.handover", "rl.engine_options", "rl.importance_cap", "rl.judge.kind", "rl.judge.model",
    "rl.judge.in_group",
}  # fmt: skip
"""Read where a vLLM or a judge answers, see `test_mismatch` and `test_judge`."""
NOT_OF_THE_RUN = ("name", "watch", "data.", "evaluate.", "media.", "prompts", "parallel")
FOR = {"sft": "rl.", "rl": "sft."}


def watch(section: Section, prefix: str, read: set[str]) -> None:
    """Note in `read` which keys of this section are looked up from now on, those below it included."""
    fields = type(section).model_fields

    def look_up(self: Any, name: str) -> Any:
        if name in fields:
            read.add(prefix + name)
        return object.__getattribute__(self, name)

    for name in fields:
        if isinstance(part := getattr(section, name), Section):
            watch(part, f"{prefix}{name}.", read)
    object.__setattr__(section, "__class__", type("Watched", (type(section),), {"__getattribute__": look_up}))


@pytest.mark.parametrize(("kind", "run"), [("sft", run_sft), ("rl", run_rl)])
def test_every_key_is_read(kind, run, world, tiny, tmp_path):
    changes = (
        *("lora.rank=2", f"{kind}.optimizer.kind=muon", f"{kind}.optimizer.schedule=linear", "sft.optimizer.warmup=0"),
        *("sft.steps=null", "sft.epochs=0.02", "rl.steps=1", "rl.prompts=2", "rl.group=2", "rl.mask_truncated=true"),
        *("rl.filter_groups=true", "rl.accuracy_low=0", "tools.names=[zoom]"),
    )
    recipe = tiny(*changes)
    keys = {key for key, _ in leaves(recipe.model_dump()) if not key.startswith((*NOT_OF_THE_RUN, FOR[kind]))}
    recipe, read = Recipe.model_validate(recipe.model_dump()), set[str]()
    watch(recipe, "", read)
    run(recipe, world, tmp_path / "run")
    beside = ONLY_WITH_A_SERVER | ({"tools.turns"} if kind == "sft" else set())  # a worked answer has its own turns
    assert keys - read - beside == set()
