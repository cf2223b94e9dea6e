"""Chains of thought for a corpus from any OpenAI-compatible endpoint, kept only where answer and thinking pass.

`run.annotate` is the way in. `settings` and `prompts/` hold what a user changes, `journal` what was paid for, `pace`,
`endpoint`, `ask` and `batch` how a model is asked, `checks` and `choose` what is kept, `table` and `page` what came
out.
"""
