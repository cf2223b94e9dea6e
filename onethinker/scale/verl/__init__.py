"""Our tasks, rewards, data and estimators inside verl 0.9, which places, answers and updates; docs/verl.md.

`entry` is what verl loads by its entry point, `python -m onethinker.scale.verl` says whether it did. Without verl every
module but `dataset` and `trainer` can be imported.
"""
