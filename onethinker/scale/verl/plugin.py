"""What verl loads by the entry point `verl.plugins`: registers our estimators and trainers with verl.

verl logs a plugin that raises at debug and goes on without it, so nothing is raised here: a failure is printed, kept,
and raised by `check`, which the data set class calls when a job begins. Importing this without verl does no more.
"""

from __future__ import annotations

import sys

ESTIMATORS = "onethinker_"
"""What the names of our estimators and trainers begin with, since `grpo` and `sync` are verl's own."""

_registered: list[str] = []
_failures: list[str] = []


class PluginMissingError(RuntimeError):
    """verl does not know of ours in this process; says why and what to do."""


def register() -> None:
    """Register what can be registered, once in a process, and print what cannot."""
    if _registered or _failures:
        return
    for part in (_estimators, _trainers):
        try:
            _registered.extend(part())
        except Exception as error:
            _failures.append(f"{part.__name__.strip('_')}: {type(error).__name__}: {error}")
    if _failures:
        print(f"onethinker: the verl plugin did not load: {'; '.join(_failures)}", file=sys.stderr, flush=True)


def _estimators() -> list[str]:
    from verl.trainer.ppo.core_algos import register_adv_est

    from onethinker.scale.verl.estimators import estimator
    from onethinker.train.advantage import ALGORITHMS

    for name in ALGORITHMS:
        register_adv_est(ESTIMATORS + name)(estimator(name))
    return [ESTIMATORS + name for name in ALGORITHMS]


def _trainers() -> list[str]:
    from verl.trainer.ppo.v1.trainer_base import register_trainer

    from onethinker.scale.verl.trainer import TRAINERS

    for mode, kind in TRAINERS.items():
        register_trainer(ESTIMATORS + mode)(kind)
    return [ESTIMATORS + mode for mode in TRAINERS]


def check() -> list[str]:
    """The names that verl knows of ours in this process. Raises PluginMissingError."""
    if _failures:
        raise PluginMissingError(f"the verl plugin did not load: {'; '.join(_failures)}")
    if not _registered:
        raise PluginMissingError(
            "verl did not load the plugin: `onethinker` must be installed where verl is (its entry point is in the "
            "group verl.plugins), and VERL_USE_EXTERNAL_PLUGINS be unset, auto or hold `onethinker`"
        )
    return list(_registered)
