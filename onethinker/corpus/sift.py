"""The cleaning within a build: which of the chosen candidates go, by `clean` and `decontaminate`, with their pages."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from onethinker.corpus.recipe import CorpusRecipe
from onethinker.util.files import write_whole

if TYPE_CHECKING:
    import pyarrow as pa

SHARED = "shared with a benchmark"


def sift(
    recipe: CorpusRecipe, batches: Callable[[], Iterator[pa.RecordBatch]], root: Path, out: Path, data_root: Path, *,
    signatures: Path, workers: int = 0, ray: str = "",
) -> dict[str, str]:  # fmt: skip
    """Id → why the candidate goes. batches: gives all of them, media below `root`. out: whose `report/` gets the pages.

    The benchmarks are those below `data_root`; without any there nothing is compared, which is said. signatures: a
    folder that keeps those of media, for a build that goes on.
    """
    gone: dict[str, str] = {}
    if recipe.clean:
        from onethinker.corpus import clean
        from onethinker.corpus.pairs import write_clean_page

        report = clean.look(batches(), root, signatures, clean.CleanConfig(), workers=workers, ray=ray)
        gone |= {each.id: each.reason for each in report.gone}
        write_whole(out / clean.REPORT, report.to_json())
        write_clean_page(report, root, out / "report/clean.html")
    if recipe.decontaminate:
        gone = _shared(batches, root, out, data_root, signatures, workers, ray) | gone
    return gone


def _shared(
    batches: Callable[[], Iterator[pa.RecordBatch]], root: Path, out: Path, data_root: Path, signatures: Path,
    workers: int, ray: str,
) -> dict[str, str]:  # fmt: skip
    from onethinker.corpus import decontaminate
    from onethinker.corpus.pairs import write_contamination_page

    asked, absent = decontaminate.questions_of([data_root])
    if not asked:
        print(f"no benchmark below {data_root}: nothing to decontaminate against", file=sys.stderr)
        return {}
    config = decontaminate.DecontaminateConfig()
    found = decontaminate.compare(batches(), root, asked, signatures, config, workers=workers, ray=ray)
    found.absent = absent
    write_whole(out / decontaminate.REPORT, found.to_json())
    write_contamination_page(found, (root, decontaminate.HERE), out / "report/contamination.html")
    return {id: SHARED for _, id in found.gone}
