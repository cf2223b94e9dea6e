"""Tar files in the layout of webdataset: of each sample `KEY.json` and its media as `KEY.0.png`, `KEY.1.mp4`, …

webdataset groups the files of one key, which is what stands before the first dot of the name, so that keys are made of
digits (webdataset/tariterators.py); `datasets.load_dataset("webdataset", …)` reads the same files.
"""

from __future__ import annotations

import io
import json
import tarfile
from functools import partial
from pathlib import Path

from onethinker.corpus.export.base import Exported, Job, write_shards
from onethinker.sample import Sample, to_native


def write(job: Job) -> Exported:
    rows, left_out = write_shards(job, partial(_File, job), "corpus-{:06d}.tar".format)
    return Exported(job.out, rows, left_out, f'webdataset.WebDataset(sorted(glob("{job.out}/corpus-*.tar")))')


class _File:
    def __init__(self, job: Job, file: Path) -> None:
        self.job, self.rows = job, 0
        self.out = tarfile.TarFile(file, "w", format=tarfile.USTAR_FORMAT)

    def add(self, sample: Sample) -> int:
        media = self.job.load(sample)
        key = f"{sample.digest()}{self.rows:06d}"
        endings = [f"{at}{Path(name).suffix.lower() or '.bin'}" for at, name in enumerate(sample.media)]
        row = to_native(sample) | {"files": endings}
        self._put(f"{key}.json", json.dumps(row, ensure_ascii=False).encode())
        for ending, content in zip(endings, media, strict=True):
            self._put(f"{key}.{ending}", content)
        self.rows += 1
        return sum(map(len, media)) + 1024 * (1 + len(media))

    def _put(self, name: str, content: bytes) -> None:
        """A member without owner and time, so that the same samples give the same bytes."""
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(content), 0o644
        self.out.addfile(info, io.BytesIO(content))

    def close(self) -> None:
        self.out.close()
