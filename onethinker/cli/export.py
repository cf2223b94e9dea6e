"""`onethinker export …`: our questions and results in the forms that others' programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onethinker.cli.options import As, DataOption, MediaRoot, ModelOption, Prompts, Set
from onethinker.util.terminal import counted

export_app = typer.Typer(help="Questions and results in others' formats.", no_args_is_help=True)


@export_app.command("lmms-eval")
def lmms_eval(
    data: Annotated[str, typer.Argument(help="A file or folder of samples.")],
    out: Annotated[Path, typer.Option(help="The folder for lmms-eval's --include_path.")],
    media_root: Annotated[str, typer.Option(help="Folder that media paths are relative to.")] = "",
    limit: Annotated[int | None, typer.Option(help="Take only the first N samples.", min=1)] = None,
    as_: As = "qwen3_vl_8b",
    prompts: Prompts = "",
    max_tokens: Annotated[int | None, typer.Option(help="Of an answer; the model's own unless given.", min=1)] = None,
    segmenter: Annotated[str, typer.Option(help="Points to masks: grabcut, sam2[:checkpoint], none.")] = "grabcut",
) -> None:
    """Task files for lmms-eval, where `--model onethinker` is ours once both are installed in one environment."""
    from onethinker.data.doubts import tell
    from onethinker.harnesses.lmms_tasks import GROUP, write_tasks
    from onethinker.recipes.answering import recipe_like
    from onethinker.sample import load_samples
    from onethinker.tasks.prompts import load_prompts

    recipe = recipe_like(as_)
    samples = load_samples(data, media_root or None, limit, strict=False)
    tell(samples)
    folder = write_tasks(
        samples, out, load_prompts(prompts or recipe.prompts), max_tokens or recipe.evaluate.max_tokens, segmenter
    )
    print(f"lmms-eval … --include_path {folder} --tasks {GROUP}")


@export_app.command()
def vlmevalkit(
    results: Annotated[Path, typer.Argument(help="A folder that `onethinker eval` wrote.")],
    out: Annotated[Path, typer.Option(help="An .xlsx, .tsv or .json, or a folder for MODEL_DATASET.xlsx.")],
    tsv: Annotated[Path | None, typer.Option(help="VLMEvalKit's own file of the questions.")] = None,
) -> None:
    """Greedy answers as a prediction file of VLMEvalKit, for its own evaluation to score."""
    from onethinker.harnesses.vlmevalkit import export_predictions

    file, rows, missing = export_predictions(results, out, tsv)
    print(f"{file}: {counted(rows, 'row')}, {counted(missing, 'question')} without an answer")


@export_app.command()
def verl(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe or a YAML file.")],
    out: Annotated[Path, typer.Option(help="Folder to write, on a disk that every machine of the cluster sees.")],
    model: ModelOption = "",
    data: DataOption = "",
    media_root: MediaRoot = "",
    nodes: Annotated[int, typer.Option(help="Machines.", min=1)] = 1,
    gpus: Annotated[int, typer.Option(help="GPUs of each machine.", min=1)] = 8,
    tensor_parallel: Annotated[int, typer.Option(help="GPUs that hold one copy of the model that answers.", min=1)] = 1,
    mode: Annotated[str, typer.Option(help="verl's trainer: sync, colocate_async or separate_async.")] = "sync",
    embed: Annotated[bool, typer.Option("--embed", help="Pictures within the Parquet files, not linked.")] = False,
    set_: Set = None,
) -> None:
    """A recipe's RL as a job of verl: data, config and launch script, ready for `ray job submit`.

    verl must be installed with onethinker in an environment of its own; docs/verl.md.
    """
    from onethinker.models.shipped import find_model
    from onethinker.recipes import load_recipe
    from onethinker.recipes.answering import FLAGS, flag_overrides
    from onethinker.scale.verl.job import Cluster, write_job

    flags = {"model": model and find_model(model), "data": data, "media_root": media_root}
    given = flag_overrides(flags, FLAGS | {"model": "model.base", "data": "data.train"})
    made = load_recipe(recipe, [*given, *(set_ or [])])
    job = write_job(made, out, cluster=Cluster(nodes, gpus, tensor_parallel), mode=mode, embed=embed)
    for reason, count in job.data.left_out.items():
        print(f"left out: {count:,}, {reason}")
    for line in job.not_taken:
        print(f"not taken: {line}")
    print(f"{job.data.rows:,} samples → {job.folder}\nray job submit --working-dir {job.folder} -- bash launch.sh")
