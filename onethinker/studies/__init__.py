"""Studies: whole questions asked of the system, above training and evaluation.

`algorithms`, `biased`, `tools`, `transfer` and `zeroshot` are the studies of `onethinker bench`: each trains many
models in `cells` (on Ray through `cluster`), reads `scores` from their evaluations, compares by the one rule of
`contrasts`, and writes `study.json`, which `pages` turn into Markdown with pictures; `bench` is what they share. `demo`
is a single run in timed `stages`, and so are `mini` and `mini_plus`, which make the weights that are shipped.
"""
