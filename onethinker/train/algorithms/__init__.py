"""Advantage estimators, one small NumPy file each; `onethinker.train.advantage.make` hands them out."""
