"""Checksums remembered from the first fetch of files that the catalogue has none for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import filelock

from posecore.errors import WeightsError
from posecore.parsing import parse_json
from posecore.storage import write_text, writing


class Pins:
    """Publisher's URL → SHA-256, in a JSON file that several processes may share.

    Args:
        path: The file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = path.with_name(f".{path.name}.lock")

    def read(self) -> dict[str, str]:
        """All pins; raises ``WeightsError`` when the file is damaged."""
        try:
            pins = parse_json(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise WeightsError(
                f"{self._path} cannot be read ({error}); delete it to accept the files that are published now."
            ) from error
        return {str(url): str(sha256) for url, sha256 in pins.items()} if isinstance(pins, dict) else {}

    def add(self, pins: Mapping[str, str]) -> None:
        """Remember checksums."""
        self._change(lambda known: known | dict(pins))

    def forget_beside(self, folder: str) -> None:
        """Forget every pin whose URL starts with ``folder``."""
        if self._path.exists():
            self._change(lambda known: {url: sha for url, sha in known.items() if not url.startswith(folder)})

    def _change(self, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
        with writing(self._path, WeightsError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(self._lock):
                known = self.read()
                changed = change(known)
                if changed != known:
                    write_text(self._path, json.dumps(changed, indent=1, sort_keys=True))
