"""Who answers: `make_engine` finds the engine for a model's name and loads only that one's libraries."""

from __future__ import annotations

import importlib
from typing import Any

from onethinker.engines.base import Engine, EngineError

_LOADED_BY_NAME = {
    "openai": ("onethinker.engines.openai", "OpenAIEngine"),
    "scripted": ("onethinker.engines.scripted", "ScriptedEngine"),
    "vllm": ("onethinker.engines.vllm_inprocess", "VllmInProcess"),
}
ENGINES = ("local", *_LOADED_BY_NAME)


def make_engine(model: str, engine: str | None = None, **options: Any) -> Engine:
    """The engine that answers as `model`: a shipped name, a folder, a hub id, or a server's `http://…/v1`.

    engine: one of ENGINES, guessed from the model where None. options: the engine's own; for `local` those of
    `models.load.load` and `decode_batch_size`, for `openai` those that `engines.openai` names. Raises EngineError for a
    name that is not an engine.
    """
    name = engine or ("openai" if model.startswith(("http://", "https://")) else "local")
    if name == "local":
        return _local(model, **options)
    if name not in _LOADED_BY_NAME:
        raise EngineError(f"--engine {name}: no such engine; expected one of {', '.join(ENGINES)}")
    module, kind = _LOADED_BY_NAME[name]
    return getattr(importlib.import_module(module), kind).load(model, **options)


def _local(model: str, decode_batch_size: int = 128, **options: Any) -> Engine:
    from onethinker.engines.encode import Encoder
    from onethinker.engines.local import LocalEngine
    from onethinker.models.forward import usable_dtype
    from onethinker.models.load import load, pick_device
    from onethinker.models.threads import set_threads

    options["dtype"] = usable_dtype(pick_device(options.get("device", "auto")), options.get("dtype", "float32"))
    weights, processor = load(model, **options)
    set_threads(weights)
    return LocalEngine(weights, Encoder(processor), decode_batch_size=decode_batch_size)
