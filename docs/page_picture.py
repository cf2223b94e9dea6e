"""Films the page of `onethinker serve` in Chromium into docs/images/page.webp: `python docs/page_picture.py`.

Two shipped models answer examples side by side, and a clip is watched. Needs playwright and a Chromium beside the extra
`serve`.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from onethinker.data.worlds import build_world
from onethinker.sample import load_samples

FILE = Path(__file__).parent / "images" / "page.webp"
WIDTH, HEIGHT, SHOWN = 1180, 860, 860
STEP, HOLD = 250, 1600
"""Milliseconds between two pictures of what moves, and of what is to be read."""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        samples = load_samples(build_world(Path(folder) / "w", 1, seed=4, validation=1, test=26, workers=1) / "test")
        clip = next(s for s in samples if s.modality == "video").paths(samples.root)[0]
        command = [sys.executable, "-m", "onethinker", "serve", "mini-rl", "--beside", "mini-sft", "--port", "0",
                   "--watch", str(clip)]  # fmt: skip
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
            try:
                assert server.stderr is not None
                address = next(found[0] for line in server.stderr if (found := re.search(r"http://127\S+:\d+", line)))
                frames = film(address)
            finally:
                server.terminate()
    first, *rest = [picture for picture, _ in frames]
    first.save(FILE, save_all=True, append_images=rest, duration=[ms for _, ms in frames], loop=0, quality=58, method=4)
    print(f"{FILE}: {len(frames)} pictures, {FILE.stat().st_size:,} bytes")


def film(address: str) -> list[tuple[Image.Image, int]]:
    """Pictures of the page, and the milliseconds for which each is shown."""
    made = list[tuple[Image.Image, int]]()
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(300_000)

        def shoot(ms: int = STEP) -> None:
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            picture = picture.resize((SHOWN, round(SHOWN * HEIGHT / WIDTH)), Image.Resampling.LANCZOS)
            if made and picture.tobytes() == made[-1][0].tobytes():
                made[-1] = picture, min(made[-1][1] + ms, HOLD)
            else:
                made.append((picture, ms))

        page.goto(address)
        page.wait_for_selector("#examples button")
        shoot(800)
        for title in ("Spatial grounding", "Tracking"):
            before = page.url
            page.click(f"#examples button:text-is('{title}')")
            _answered(page, before, shoot)
            for n in range(0, 1001, 200) if title == "Tracking" else ():
                for scrub in page.locator("[data-part=scrub]").all():
                    scrub.evaluate("(bar, n) => { bar.value = n; bar.dispatchEvent(new Event('input')); }", n)
                page.wait_for_timeout(300)
                shoot()
            shoot(HOLD)
        page.click("#nav-live")
        page.fill("#live-questions", "How many shapes are there?\nWhich shape is leftmost?")
        page.click("#start-watch")
        page.wait_for_selector(".event.answer >> nth=1")
        shoot(HOLD)
        browser.close()
    return made


def _answered(page: Any, before: str, shoot: Any) -> None:
    """Pictures of both answers as they are written, to their ends, at which the address is another."""
    end = time.monotonic() + 600
    while page.url == before and time.monotonic() < end:
        shoot()
        page.wait_for_timeout(100)
    page.wait_for_timeout(500)


if __name__ == "__main__":
    main()
