"""A corpus → a data set on a hub, through `huggingface_hub`, whose own login or `HF_TOKEN` it goes by."""

from __future__ import annotations

from pathlib import Path

from onethinker.corpus.export import export
from onethinker.sample import DataError

STAGED = ".hub"
"""Folder within the corpus where its files for the hub are made; it may be deleted once they are pushed."""
IGNORED = [".lock", ".*", ".*/**"]


def push(data: str | Path, repo: str, *, media_root: str | Path | None = None, private: bool = True) -> str:
    """Upload a corpus, or what `export --form parquet` or `webdataset` wrote of it, and return the address.

    A corpus is first written as Parquet with its media embedded: hubs take few files, and show such tables. Both the
    writing and the upload go on where they were ended. Raises DataError where the hub refuses, in its words.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    folder = Path(data)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give a corpus, or what `onethinker data export` wrote")
    if not (any(folder.glob("data/train-*.parquet")) or any(folder.glob("corpus-*.tar"))):
        folder = export(folder, folder / STAGED, "parquet", media_root=media_root, embed=True).folder
    api = HfApi()
    try:
        address = api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        api.upload_folder(repo_id=repo, folder_path=folder, repo_type="dataset", ignore_patterns=IGNORED)
    except (HfHubHTTPError, LocalTokenNotFoundError, ValueError) as error:
        said = " ".join(str(error).split())[:300]
        raise DataError(f"{repo}: the hub refuses ({said}); log in, or set HF_TOKEN") from error
    return str(address)
