"""The page in a real Chromium: examples of one and of two models, rollouts, live video, errors, phone and dark.

The models are scripted, so that what the page shows is known; pictures of it stay in tmp_path.
"""

from __future__ import annotations

import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onethinker.engines.base import Request
from onethinker.inference.watch.sources import Source, SourceLost
from onethinker.sample import Samples
from onethinker.serve import page_routes
from onethinker.serve.app import make_app
from onethinker.serve.limits import Limits
from tests.serve.conftest import scripted_model
from tests.serve.runs_made import STEAL, row, write_run

pytestmark = pytest.mark.slow
MARKUP = "<img src=x onerror=\"document.title='broken'\">"


class Camera:
    """A red square that moves on grey, 64 × 48 at 20 a second; lost once, after two seconds."""

    def __init__(self) -> None:
        self.opened = 0

    def __call__(self) -> Iterator[np.ndarray]:
        self.opened += 1
        for n in range(100_000):
            if self.opened == 1 and n == 40:
                raise SourceLost("the cable was pulled")
            pixels = np.full((48, 64, 3), 200, np.uint8)
            pixels[16:32, 8 + n % 32 : 24 + n % 32] = (220, 30, 30)
            yield pixels
            time.sleep(0.05)


def oracle(samples: Samples, thinking: str, shift: int = 0) -> Any:
    """Answers a world's questions by their truths, boxes moved by `shift`."""
    truths = {sample.question.strip(): sample.truth for sample in samples}

    def answer(request: Request, index: int) -> str:
        truth = next((t for question, t in truths.items() if question in request.text), '{"boxes":[200,300,600,700]}')
        if shift and '"boxes":[' in truth:
            truth = re.sub(r'(?<="boxes":\[)(\d+)', lambda found: str(int(found[0]) + shift), truth)
        return f"<think>{thinking}</think><answer>{truth}</answer>"

    return replace(scripted_model(answer), knows_only_worlds=True)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two models, a folder of runs and a camera, on a port of this process."""
    import uvicorn

    with pytest.MonkeyPatch.context() as patch:
        examples = page_routes.Examples(True)
        patch.setattr(page_routes, "Examples", lambda wanted: examples)
        samples, root = examples.samples, tmp_path_factory.mktemp("runs")
        rewards = [1.45, 0.9, 0.4, 0.0]
        rollouts = [
            row(s, f"<think>{MARKUP} seen</think><answer>{s.truth}</answer>", index=i, reward=reward,
                status="ok" if reward else "malformed")
            for s in samples for i, reward in enumerate(rewards)
        ]  # fmt: skip
        write_run(root / "demo" / "rl", [rollouts, rollouts[:8]], samples, STEAL)
        for sample in samples:
            for medium in sample.media:
                made = root / "demo" / "world" / "train" / medium
                made.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(samples.root / medium, made)
        app = make_app(
            oracle(samples, "I see the shapes, one by one."), "mini-rl", limits=Limits(decoders=2), runs=root,
            beside={"mini-sft": oracle(samples, MARKUP, 60)}, sources=[Source("front door", Camera(), True)],
        )  # fmt: skip
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()  # whoever comes before the server does waits
            server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", lifespan="on"))
            thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
            thread.start()
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
            server.should_exit = True
            thread.join(30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright drives the browser")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as browsers:
        made = browsers.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield made
        made.close()


@pytest.fixture
def opened(browser: Any, served: str) -> Iterator[Any]:
    """`opened(hash, **options)`: a page; a fault of its script or of the policy fails the test."""
    faults, pages = list[str](), list[Any]()

    def make(place: str = "", **options: Any) -> Any:
        page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}} | options)
        page.set_default_timeout(120_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda told: faults.append(told.text) if "Content Security" in told.text else None)
        page.on(
            "response",
            lambda reply: faults.append(reply.url) if reply.status == 404 and "/v1/" not in reply.url else None,
        )
        page.goto(served + place)
        pages.append(page)
        return page

    yield make
    titles = [page.title() for page in pages]
    for page in pages:
        page.close()
    assert not faults and set(titles) == {"OneThinker"}


BOTH = ".panel:has(.links:not([hidden])) >> nth=1"
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}


def _is_narrow(page: Any) -> bool:
    return page.locator("html").evaluate("page => page.scrollWidth") <= 390


def _shows_the_picture(page: Any) -> None:
    """The live one, which is none for a moment whenever the next one comes."""
    page.wait_for_selector("#live-picture.small")
    widths = set()
    for _ in range(50):
        widths.add(page.locator("#live-picture").evaluate("shown => shown.naturalWidth"))
        if 64 in widths:
            return
        page.wait_for_timeout(100)
    raise AssertionError(widths)


def _clips_move_together(page: Any) -> None:
    """Both are at the second that one of them was moved to, once they are loaded."""
    for _ in range(50):
        scrub = page.locator("[data-part=scrub]").first
        scrub.evaluate("bar => { bar.value = 500; bar.dispatchEvent(new Event('input')); }")
        seconds = [clip.evaluate("clip => clip.currentTime") for clip in page.locator("[data-part=clip]").all()]
        if seconds[0] == seconds[1] > 0:
            return
        page.wait_for_timeout(100)
    raise AssertionError(seconds)


def _sees_the_answers(phone: Any) -> None:
    """Once a question is asked the answers are at the top of the screen, not below the form."""
    for _ in range(100):
        if phone.locator("#answers").evaluate("answers => Math.abs(answers.getBoundingClientRect().top)") < 50:
            return
        phone.wait_for_timeout(100)
    raise AssertionError("the answers are not in sight")


def test_two_models_side_by_side(opened: Any, tmp_path: Path) -> None:
    """Each example → two answers, drawn; a link to both; one model alone; an upload; a broken one as a sentence."""
    page = opened()
    page.wait_for_selector("#examples button")
    for number, title in enumerate(page.locator("#examples button").all_inner_texts()):
        before = page.url
        page.locator("#examples button").nth(number).click()
        page.wait_for_url(lambda url, before=before: url != before)  # when both are whole
        page.wait_for_selector(BOTH)
        page.wait_for_timeout(400)
        page.screenshot(path=tmp_path / f"{title}.png", full_page=True)
        assert page.locator(".panel [data-part=text]").all_inner_texts()[0], title
        if title == "Tracking":
            _clips_move_together(page)
    assert page.locator(".panel .who").all_inner_texts() == ["mini-rl", "mini-sft"]
    assert MARKUP in page.locator(".panel [data-part=thinking]").nth(1).inner_text()
    link = page.url
    phone = opened(link.split("/")[-1], **PHONE)
    phone.wait_for_selector(BOTH)
    phone.wait_for_timeout(400)
    phone.screenshot(path=tmp_path / "phone.png", full_page=True)
    assert _is_narrow(phone)
    phone.locator("#examples button").first.click()
    _sees_the_answers(phone)
    gone = opened("#result=gone")
    gone.wait_for_selector("#problem:not([hidden])")
    assert "no such result" in gone.inner_text("#problem")
    page.uncheck("#models input >> nth=1")
    page.select_option("#task", "auto")
    page.fill("#question", "Where is the red square?")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    page.set_input_files("#files", tmp_path / "broken.png")
    page.keyboard.press("Control+Enter")
    assert page.inner_text("#media .unshown") == "broken.png"
    page.wait_for_selector(".panel .problem:not([hidden])")
    page.screenshot(path=tmp_path / "error.png", full_page=True)
    assert "media[0]" in page.inner_text(".panel .problem") and page.locator(".panel").count() == 1


def test_rollouts(opened: Any, tmp_path: Path) -> None:
    """Groups with rewards, filtered; one opened and drawn with the truth; the report reads nothing of the page's."""
    page = opened("#runs")
    page.wait_for_selector(".chip")
    assert page.input_value("#run") == "demo/rl" and page.locator(".group").count() > 3
    page.wait_for_selector(".thumb[src]")
    page.locator(".chip").nth(1).click()
    page.wait_for_selector("#rollout .links:not([hidden])")
    page.wait_for_timeout(400)
    page.screenshot(path=tmp_path / "rollouts.png", full_page=True)
    assert "0.900" in page.inner_text("#facts") and MARKUP in page.inner_text("#rollout [data-part=thinking]")
    page.fill("#min-reward", "1.0")
    with page.expect_response(lambda reply: "min_reward=1" in reply.url):
        page.dispatch_event("#min-reward", "change")
    page.wait_for_selector(".chip")
    assert {float(chip) for chip in page.locator(".chip").all_inner_texts()} == {1.45}
    with page.expect_popup() as popup:
        page.click("#open-report")
    report = popup.value
    report.wait_for_selector("h1")
    assert report.inner_text("h1") == "Report" and report.title() == ""
    phone = opened("#runs=demo%2Frl", **PHONE)
    phone.wait_for_selector(".thumb[src]")
    phone.locator(".chip").first.click()
    phone.wait_for_selector("#rollout .links:not([hidden])")
    phone.screenshot(path=tmp_path / "rollouts-phone.png")
    assert _is_narrow(phone)


def test_live(opened: Any, tmp_path: Path) -> None:
    """Two questions on one camera that is lost for a moment; who comes later sees the same watch; it is stopped."""
    page = opened("#live")
    page.wait_for_selector("#source option", state="attached")
    page.fill("#live-questions", "Where is the red square?\nWhere is it?")
    page.fill("#every", "0.5")
    page.click("#start-watch")
    page.wait_for_selector(".event.answer >> nth=3")
    page.wait_for_selector(".event.lost")
    page.wait_for_selector(".event.back")
    page.wait_for_selector(".event.answer >> nth=7")
    _shows_the_picture(page)
    page.screenshot(path=tmp_path / "live.png")
    phone = opened("#live", **PHONE)
    phone.wait_for_selector(".event.answer >> nth=7")
    _shows_the_picture(phone)
    phone.wait_for_timeout(500)
    phone.screenshot(path=tmp_path / "live-phone.png")
    assert _is_narrow(phone)
    page.click("#end-watch")
    page.wait_for_selector(".event.ended")
    phone.wait_for_selector(".event.ended")
    assert page.is_visible("#start-watch")
    page.fill("#live-questions", "\n".join("abcdefghi"))
    page.click("#start-watch")
    page.wait_for_selector("#problem:not([hidden])")
    assert "at most 8" in page.inner_text("#problem")
