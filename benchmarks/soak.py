"""Many visitors for long: ``python -m benchmarks.soak --visitors 20 --minutes 30``.

Each visitor is a browser context of its own that opens pages, moves sliders, gives pictures and videos, and closes its
tab now and then. One JSON line for every ``--every`` seconds: steps so far, what went wrong, how long a step took, and
the server's memory. Needs Playwright and a Chromium.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.app import CHROMIUM, memory_of, prepare, server, write_picture

PAGES = ("", "fields", "models", "video", "webcam", "datasets", "label", "train", "runs", "about")
#: Milliseconds that a page may take to answer.
PATIENCE = 120_000
#: Said by a page on which something went wrong that nobody foresaw.
TROUBLE = "Unexpected error"
#: One step in so many closes a visitor's tab and begins with a new one.
_STAY = 25


class Visitor:
    """Somebody who does one thing after another.

    Args:
        browser: Where the tab is opened.
        address: Of the app.
        files: Pictures to give.
        seed: Of what is done.
    """

    def __init__(self, browser: Any, address: str, files: list[Path], seed: int) -> None:
        self._browser, self._address, self._files = browser, address, files
        self._random = random.Random(seed)
        self._errors: list[str] = []
        self._open_tab()

    def step(self) -> str:
        """Do one thing and wait for the answer; returns what it was."""
        if self._random.randrange(_STAY) == 0:
            self._context.close()
            self._open_tab()
            return "come back"
        name, deed = self._random.choice(DEEDS)
        deed(self)
        self._settle()
        return name

    def trouble(self) -> list[str]:
        """What went wrong since the last look."""
        said = list(self._errors)
        self._errors.clear()
        if TROUBLE in self.page.inner_text("body"):
            said.append(f"{TROUBLE} on {self.page.url.partition('?')[0]}")
        return said

    def open_page(self) -> None:
        """Go to some page."""
        self.page.goto(self._address + self._random.choice(PAGES))

    def move_slider(self) -> None:
        """Move some slider of the page that is open."""
        sliders = self.page.get_by_role("slider").all()
        shown = [slider for slider in sliders if slider.is_visible() and slider.is_enabled()]
        if shown:
            slider = self._random.choice(shown)
            slider.focus()
            for _ in range(self._random.randint(1, 5)):
                slider.press(self._random.choice(("ArrowLeft", "ArrowRight")))

    def give_picture(self) -> None:
        """Upload a picture on the Explore page."""
        self.page.goto(f"{self._address}?source=Upload")
        field = self.page.locator("input[type=file]").first
        field.wait_for(state="attached")
        field.set_input_files(self._random.choice(self._files))

    def run_video(self) -> None:
        """Have a sample video worked on, and stay or go."""
        self.page.goto(f"{self._address}video?clip_stride=10&input_size=129")
        self.page.get_by_role("button", name="Find poses").click()

    def _open_tab(self) -> None:
        self._context = self._browser.new_context(viewport={"width": 1280, "height": 800})
        self.page = self._context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.page.on("pageerror", lambda error: self._errors.append(str(error)[:200]))
        self.open_page()
        self._settle()

    def _settle(self) -> None:
        self.page.locator("[data-testid=stMain]").wait_for()
        self.page.wait_for_timeout(150)
        self.page.wait_for_function("!document.querySelector('[data-testid=stStatusWidget]')")


DEEDS: tuple[tuple[str, Callable[[Visitor], None]], ...] = (
    ("open a page", Visitor.open_page),
    ("open a page", Visitor.open_page),
    ("move a slider", Visitor.move_slider),
    ("move a slider", Visitor.move_slider),
    ("move a slider", Visitor.move_slider),
    ("give a picture", Visitor.give_picture),
    ("run a video", Visitor.run_video),
)


def main() -> None:
    """Let them in, and say what comes of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--every", type=float, default=60.0, help="seconds between two lines")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if CHROMIUM is None:
        sys.exit("No Chromium here; .ci/chromium installs it.")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        prepare(Path(folder))
        files = [Path(folder) / f"{number}.jpg" for number in range(8)]
        for number, file in enumerate(files):
            write_picture(file, number)
        with server(Path(folder)) as (address, pid):
            soak(address, pid, files, asked)


def soak(address: str, pid: int, files: list[Path], asked: argparse.Namespace) -> None:
    """Let visitors take steps in turn until the time is over."""
    from playwright.sync_api import Error, sync_playwright

    begun = last = time.monotonic()
    steps, waits, errors = Counter[str](), list[float](), Counter[str]()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        visitors: list[Visitor] = []
        while time.monotonic() - begun < 60 * asked.minutes:
            if len(visitors) < asked.visitors:
                visitors.append(Visitor(browser, address, files, asked.seed + len(visitors)))
            for visitor in visitors:
                start = time.monotonic()
                try:
                    steps[visitor.step()] += 1
                    errors.update(visitor.trouble())
                except Error as error:
                    errors[str(error).splitlines()[0][:200]] += 1
                waits.append(time.monotonic() - start)
            if time.monotonic() - last >= asked.every:
                last = time.monotonic()
                report(last - begun, len(visitors), steps, errors, waits, pid)
                waits.clear()
        browser.close()


def report(
    seconds: float, visitors: int, steps: Counter[str], errors: Counter[str], waits: list[float], pid: int
) -> None:
    """One line of the curve."""
    line = {
        "minutes": round(seconds / 60, 1),
        "visitors": visitors,
        "steps": dict(steps),
        "errors": dict(errors),
        "median_s": round(statistics.median(waits), 2),
        "worst_s": round(max(waits), 1),
        "server_mb": memory_of(pid),
        "load": round(os.getloadavg()[0], 1),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
