"""What axe finds on every page, light and dark: the rules of WCAG 2.2, levels A and AA, contrast among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from posecore.data.library import Library
from posecore.labelling.desk import LabelDesk
from posecore.labelling.proposals import Proposal
from posecore.skeleton import COCO_17
from tests.app_support import ROOT, jpeg
from tests.browser.running_app import Server
from tests.browser.test_browser import SHOWN, settle
from tests.browser.test_label import somebody
from tests.browser.test_pages import PAGES

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
#: Rule → part of Streamlit's own markup that breaks it, which neither theme nor style can mend. The narrow menu has a
#: ``div`` for each group of pages between the list and its items; what is chosen of many has a small cross.
KNOWN = {
    "list": "[data-testid=stSidebarNavItems]",
    "listitem": "[data-testid=stSidebarNavItems]",
    "target-size": "[data-testid=stMultiSelect]",
}
LOOK = """async (known) => {
  const levels = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
  const found = await axe.run(document, { elementRef: true, resultTypes: ["violations"], runOnly: levels });
  return found.violations.flatMap(({ id, nodes }) => nodes
    .filter(({ element }) => !(known[id] && element.closest(known[id])))
    .map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary}`));
}"""
#: The element with the focus, in whatever shadow tree it is: what it is, and whether one sees that it has the focus.
FOCUS = """() => {
  let element = document.activeElement;
  while (element.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  if (!element.closest("[class^='posecore-']")) return null;
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  return [element.outerHTML.slice(0, 80), outlineStyle === "solid" && parseFloat(outlineWidth) >= 2];
}"""
THEMES = ("light", "dark")


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The shipped models, and a set with labels on one picture and a proposal on another."""
    home = tmp_path_factory.mktemp("labelled")
    paths = [home / f"{number}.jpg" for number in range(3)]
    for path in paths:
        path.write_bytes(jpeg(640, 480))
    stored = Library(home / "datasets").create("mine", paths, COCO_17)
    stored.set_people(1, [somebody(100, 100), somebody(400, 200)])
    LabelDesk(stored).propose(2, [Proposal(somebody(100, 100), 0.4)])
    running = Server(home)
    yield running
    running.stop()


@pytest.fixture(params=THEMES)
def themed(page: Any, request: pytest.FixtureRequest) -> Any:
    """An empty page whose visitor prefers light or dark."""
    if not AXE.exists():
        pytest.skip("axe is not installed; make frontend installs it")
    page.emulate_media(color_scheme=request.param)
    return page


def violations(page: Any) -> list[str]:
    """What axe finds that is not known."""
    settle(page)
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE.read_text("utf-8"))
    found: list[str] = page.evaluate(LOOK, KNOWN)
    return found


@pytest.mark.parametrize("path", PAGES)
def test_every_page(themed: Any, labelled: Server, path: str) -> None:
    themed.goto(labelled.url + path)
    themed.locator("h1").first.wait_for()
    settle(themed)
    assert violations(themed) == []


@pytest.mark.parametrize("path", ["", "label"])
def test_narrow_pages(themed: Any, labelled: Server, path: str) -> None:
    themed.set_viewport_size({"width": 390, "height": 844})
    themed.goto(labelled.url + path)
    themed.locator(".posecore-viewer .shown[src]").first.wait_for()
    assert violations(themed) == []


def test_all_that_the_label_editor_shows(themed: Any, labelled: Server) -> None:
    themed.goto(f"{labelled.url}label")
    frame = themed.locator(".posecore-labels .frame[data-picture]")
    frame.wait_for()
    for picture in (2, 1):
        themed.locator(f".posecore-strip button[data-key='{picture}']").click()
        themed.wait_for_selector(f".posecore-labels .frame[data-picture='{picture}']")
        assert violations(themed) == []
    frame.focus()
    # Every look that a joint can have, and the last of them chosen.
    for key in "]u]a]h]":
        themed.keyboard.press(key)
    assert violations(themed) == []
    for key in ("p", "?"):
        themed.keyboard.press(key)
        assert violations(themed) == []
    themed.keyboard.press("Escape")
    themed.keyboard.press("Escape")
    for _ in range(4):
        themed.keyboard.press("Control+z")
    themed.wait_for_selector(".posecore-labels .saved[data-saved=true]", state="attached")


def test_a_joint_that_is_explained(themed: Any, labelled: Server) -> None:
    themed.goto(f"{labelled.url}fields")
    themed.wait_for_selector(SHOWN)
    themed.get_by_text("Why is this joint here?").click()
    themed.locator(".marks .last").wait_for(state="attached")
    area = themed.locator(SHOWN).bounding_box()
    themed.mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2)
    assert violations(themed) == []


def test_faults_in_our_own_widgets_are_found_at_all(themed: Any, labelled: Server) -> None:
    themed.goto(f"{labelled.url}label")
    themed.locator(".posecore-labels .frame[data-picture]").wait_for()
    where = themed.locator(".posecore-labels .where")
    where.evaluate("({ style }) => Object.assign(style, { color: '#777', background: '#888' })")
    (found,) = violations(themed)
    assert found.startswith("color-contrast")


@pytest.mark.parametrize(("path", "least"), [("", 3), ("fields", 5), ("label", 12)])
def test_one_sees_what_has_the_focus(themed: Any, labelled: Server, path: str, least: int) -> None:
    themed.goto(labelled.url + path)
    themed.locator(".posecore-viewer .shown[src]").first.wait_for()
    settle(themed)
    seen = {}
    for _ in range(90):
        themed.keyboard.press("Tab")
        if found := themed.evaluate(FOCUS):
            seen[found[0]] = found[1]
    assert len(seen) >= least
    assert [element for element, visible in seen.items() if not visible] == []
