"""Studies: whole questions asked of the system, above training and evaluation.

`algorithms`, `transfer` and `zeroshot` are the studies of `onethinker bench`: each trains many models in `cells` (on
Ray through `cluster`), reads `scores` from their evaluations, compares by the one rule of `contrasts`, and writes
`study.json`, which `pages` turn into Markdown with pictures. `demo` and `mini` are single runs in timed `stages`.
"""
