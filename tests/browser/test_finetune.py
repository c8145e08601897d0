"""From drawn pictures to a model of one's own, in a browser: the queue, reloads, and a server that is restarted."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from posecore.runs import Registry, Run
from posecore.training import jobs
from tests.app_support import install_model
from tests.browser.running_app import Server
from tests.run_support import written_run

pytestmark = pytest.mark.timeout(1800)

#: Milliseconds that a few epochs of a small network may take on a busy machine.
PATIENCE = 600_000


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with one small model and nothing else, for the servers of this test and for the test itself."""
    home = tmp_path / "home"
    monkeypatch.setenv("POSECORE_HOME", str(home))
    install_model(home)
    return home


def only_run() -> Run:
    """The one run there is."""
    (run,) = Registry().all()
    return run


def points(page: Any) -> int:
    """Points that the curves on the page have."""
    return int(
        page.evaluate(
            "[...document.querySelectorAll('.js-plotly-plot')].flatMap(c => c.data || [])"
            ".reduce((sum, trace) => sum + (trace.x ? trace.x.length : 0), 0)"
        )
    )


@pytest.mark.slow
def test_from_drawn_pictures_to_a_model_of_ones_own(own_home: Path, page: Any) -> None:
    server = Server(own_home)
    page.set_default_timeout(120_000)
    try:
        page.goto(f"{server.url}train")
        page.get_by_role("button", name="Draw 60 pictures").click()
        page.get_by_text("60 labelled pictures").wait_for()
        # A link sets the recipe: small, so that this takes no longer than it must.
        page.goto(f"{server.url}train?recipe_part=Heads&recipe_epochs=4&recipe_input_side=129")
        page.get_by_role("button", name="Start training").click()
        page.get_by_role("button", name="Cancel").first.wait_for()
        run = only_run()
        assert run.config["schedule"]["epochs"] == 4
        assert run.config["training"]["input_sides"] == [129]
        assert run.config["model"]["freeze"]

        # The curves move while the run goes on, also after a reload.
        page.wait_for_function("document.querySelectorAll('.js-plotly-plot').length > 0", timeout=PATIENCE)
        page.reload()
        page.get_by_text(re.compile("epoch [1-4] of 4")).wait_for(timeout=PATIENCE)
        page.wait_for_function("document.querySelectorAll('.js-plotly-plot').length > 0")
        assert points(page) > 0

        # The run does not need the server, nor the server the browser.
        address = page.url
        page.goto("about:blank")
        server.stop()
        server = Server(own_home)
        page.goto(server.url + address.split("/", 3)[3])
        page.get_by_role("link", name="Result").wait_for(timeout=PATIENCE)
        assert only_run().state == "finished"

        page.get_by_role("link", name="Result").click()
        page.get_by_text("Average precision (AP)").wait_for(timeout=PATIENCE)
        page.get_by_role("button", name="Use the model").click()
        page.get_by_text("Explore", exact=True).last.click()
        page.wait_for_selector(".frame[data-shown]")
        assert page.get_by_role("combobox", name=re.compile("Model")).input_value() == run.name
    finally:
        page.goto("about:blank")
        server.stop()


def test_a_dialog_stays_open_while_the_queue_is_looked_at(own_home: Path, page: Any) -> None:
    written_run("mine", "running")
    run = Registry().get("mine")
    assert run is not None
    lock = run.lock
    assert lock.acquire()
    server = Server(own_home)
    try:
        page.goto(f"{server.url}train")
        page.get_by_role("button", name="Cancel").click()
        sure = page.get_by_role("button", name="Cancel the run")
        sure.wait_for()
        # Longer than two looks at the queue.
        page.wait_for_timeout(5000)
        assert sure.is_visible()
        sure.click()
        page.get_by_text("cancelling").first.wait_for()
        assert jobs.view("mine").state == "cancelling"
    finally:
        page.goto("about:blank")
        server.stop()
        lock.release()


def test_nothing_moves_when_an_epoch_is_added_to_the_curves(own_home: Path, page: Any) -> None:
    written_run("mine", "running")
    run = Registry().get("mine")
    assert run is not None
    lock = run.lock
    assert lock.acquire()
    server = Server(own_home)
    try:
        page.goto(f"{server.url}train")
        page.wait_for_selector(".js-plotly-plot .scatterlayer")
        page.wait_for_timeout(1500)
        page.evaluate(
            """() => {
              window.heights = new Set();
              const look = () => {
                window.heights.add(document.querySelector('[data-testid=stMain]').scrollHeight);
                requestAnimationFrame(look);
              };
              look();
            }"""
        )
        before = points(page)
        Registry().record("mine", 4, {"train/loss": 1.0, "validation/loss": 1.5, "steps": 40.0})
        deadline = time.monotonic() + 30
        while points(page) == before:
            assert time.monotonic() < deadline, "the new epoch did not appear"
            page.wait_for_timeout(300)
        page.wait_for_timeout(500)
        assert len(page.evaluate("[...window.heights]")) == 1
    finally:
        page.goto("about:blank")
        server.stop()
        lock.release()
