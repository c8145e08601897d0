"""The browser's side: every module is found where another one looks for it, and nothing else is."""

from __future__ import annotations

import posixpath
import re
from collections import OrderedDict

import pytest
import streamlit as st

from posecore.shipped import browser_modules
from posecore.ui.shared.widgets import sent_pictures
from posecore.ui.shared.widgets.frontend import module_address, module_routes
from tests.routes_support import fetch

#: Addresses in import statements.
IMPORTED = re.compile(r'^(?:import|export)\b[^;]*?\bfrom "([^"]+)";', re.MULTILINE)


@pytest.mark.parametrize("name", sorted(browser_modules()))
def test_a_module_and_all_that_it_imports_are_there(name: str) -> None:
    address = f"/{module_address(name)}"
    status, headers, content = fetch(module_routes(), address)
    assert status == 200
    assert headers["content-type"].startswith("text/javascript")
    assert "immutable" in headers["cache-control"]
    for other in IMPORTED.findall(content.decode()):
        assert other.startswith("."), other
        there = posixpath.normpath(posixpath.join(posixpath.dirname(address), other))
        assert fetch(module_routes(), there)[0] == 200, other


def test_imports_are_found_at_all() -> None:
    text = browser_modules()["labels/labels.js"].read_text("utf-8")
    assert {"./editor.js", "../shared/streamlit.js"} <= set(IMPORTED.findall(text))


def test_nothing_but_modules_is_given_out() -> None:
    for name in ("labels/labels.html", "labels", "", "../label/editor.py", "..%2Flabel%2Feditor.py", "no/such.js"):
        assert fetch(module_routes(), f"/{module_address(name)}")[0] == 404, name


def test_modules_of_another_version_are_not_mixed_in() -> None:
    place, _, name = module_address("labels/labels.js").split("/", 2)
    status, headers, _ = fetch(module_routes(), f"/{place}/0123456789abcdef/{name}")
    assert status == 404
    assert "cache-control" not in headers


def test_modules_are_found_where_the_app_is_put(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "get_option", {"server.baseUrlPath": "/some/where/"}.get)
    routes = module_routes()
    assert fetch(routes, f"/some/where/{module_address('labels/labels.js')}")[0] == 200
    assert fetch(routes, f"/{module_address('labels/labels.js')}")[0] == 404


def test_a_picture_is_given_to_whoever_was_sent_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sent_pictures, "_BYTES", 100)
    monkeypatch.setattr(sent_pictures, "_FEW", 2)
    monkeypatch.setattr(sent_pictures, "_sent", OrderedDict())
    addresses = [sent_pictures.picture_address(bytes([number]) * 60) for number in range(3)]
    assert sent_pictures.picture_address(bytes([2]) * 60) == addresses[2]
    answers = [fetch(sent_pictures.picture_routes(), f"/{address}") for address in addresses]
    assert [status for status, _, _ in answers] == [404, 200, 200]
    assert answers[2][2] == bytes([2]) * 60
    assert "private" in answers[2][1]["cache-control"]
    assert fetch(sent_pictures.picture_routes(), "/pictures/guess.jpg")[0] == 404
