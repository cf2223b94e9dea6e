"""Others' harnesses: our model and tasks inside lmms-eval, our results in VLMEvalKit's format.

lmms-eval finds the model by the entry point `lmms_eval.models`, which names `lmms_model_manifest`.
"""

from __future__ import annotations

from typing import Any


def lmms_model_manifest() -> Any:
    """What lmms-eval is to know of our model: `--model onethinker` and where its class is."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest("onethinker", chat_class_path="onethinker.harnesses.lmms_model.OneThinker")
