"""The page of `mini-plus`: each task before and after, and how the reward on the new tasks rose."""

from __future__ import annotations

from onethinker.studies.pages import markdown as md
from onethinker.studies.pages.markdown import Page, Study
from onethinker.tasks import get_task

COLUMNS = {"before": "mini-sft", "sft": "mini-plus", "rl": "after RL on the new tasks"}

HEAD = """\
# mini-plus

`mini-sft`, taught the tasks that the release does not have: {tasks}.
{samples:,} worked answers of a world that asks the old and the new tasks, {steps} steps of SFT with {batch} samples
each at a quarter of the usual rate. Float32, 15 MB, loaded by name:

```bash
onethinker ask PICTURE "all red shapes" --model mini-plus --task detection
onethinker data world --out world --n 130 --tasks published,extra
onethinker eval mini-plus --data world/test
```

It knows the world of the mini models, of coloured shapes and letters, and nothing else. Made and measured by
`python -m onethinker.studies.mini_plus`, on held-out questions whose pictures and clips neither training showed.
"""


def page(study: Study) -> Page:
    """The page of a record that `studies.mini_plus` wrote."""
    sft = study["sft"]
    new = list(study["evaluations"]["sft-new"]["tasks"])
    named = ", ".join(get_task(task).title.lower() for task in new)
    parts = [HEAD.format(tasks=named, samples=study["samples"], steps=sft["steps"], batch=sft["batch"])]
    for kind, title in (("new", "The new tasks"), ("published", "The published tasks")):
        parts += [f"## {title}", _table(study, kind)]
    parts += ["95% bootstrap intervals over questions, of one training; greedy answers, in percent."]
    if rewards := study.get("rewards"):
        early, late = (sum(part) / len(part) for part in (rewards[:5], rewards[-5:]))
        parts += [
            "## RL on the new tasks",
            f"{len(rewards)} steps of EMA-GRPO from `mini-plus`, {study['rollouts']} answers each, by the `released` "
            f"reward: the mean of the first five steps is {early:.3f}, of the last five {late:.3f}. By step: "
            + ", ".join(f"{reward:.2f}" for reward in rewards)
            + ".",
        ]
    if commits := study.get("commits"):
        machines = md.plain("; ".join(study["machines"]))
        parts += [f"Made at commit `{'`, `'.join(commits)}` in {study['hours']:.1f} hours on {machines}."]
    return {"README.md": "\n\n".join(parts) + "\n"}


def _table(study: Study, kind: str) -> str:
    """Every metric of the new tasks, the headline of the published ones."""
    found = {
        name: study["evaluations"][f"{name}-{kind}"] for name in COLUMNS if f"{name}-{kind}" in study["evaluations"]
    }
    rows = []
    for task, entry in found["sft"]["tasks"].items():
        metrics = list(entry["metrics"]) if kind == "new" else [entry["headline"]]
        for metric in metrics:
            cells = [md.over_questions("headline", side["tasks"][task]["metrics"][metric]) for side in found.values()]
            rows.append([get_task(task).title, metric, f"{entry['n']:,}", *cells])
    means = [md.over_questions("headline", side["mean"]["headline"]) for side in found.values()]
    rows.append(["Mean over tasks", "", f"{found['sft']['n']:,}", *means])
    return md.table(["Task", "Metric", "n", *(COLUMNS[name] for name in found)], rows, words=2)
