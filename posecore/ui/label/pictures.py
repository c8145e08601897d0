"""Pictures of a set as the label editor shows them: large enough to place a joint, small enough to be quick."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from posecore.data.annotations import AnnotatedImage
from posecore.errors import ImageError
from posecore.imaging import read_image
from posecore.picture_files import read_picture
from posecore.ui.shared.background import BusyError, tasks
from posecore.ui.shared.models.caches import drawings_cache
from posecore.ui.shared.pictures.open_picture import THUMBNAIL_SIDE, shrink, to_jpeg

#: Longer side of what the editor gets; positions are always in the picture's own pixels.
EDITOR_SIDE = 2048


@dataclass(frozen=True)
class Shown:
    """A picture for the browser: its bytes, and a token that changes with them."""

    jpeg: bytes
    token: str


def editor_picture(image: AnnotatedImage) -> Shown:
    """The picture for the editor.

    Raises:
        ImageError: When the file is gone or damaged.
    """
    try:
        key = _key("editor", image.path)
        jpeg = drawings_cache().get(key, lambda: to_jpeg(shrink(read_image(image.path), EDITOR_SIDE)))
    except OSError as error:
        raise ImageError(f"{image.path.name} cannot be read: {error.strerror or error}.") from error
    return Shown(jpeg, hashlib.blake2b(repr(key).encode(), digest_size=8).hexdigest())


def prepare(image: AnnotatedImage) -> None:
    """Read a picture that will probably be asked for next, in the background; whoever opens it hears what is wrong."""
    with suppress(BusyError):
        tasks("next-picture", at_once=2, kept=0).start(str(image.path), lambda _: editor_picture(image))


def thumbnail(path: Path) -> bytes | None:
    """A small JPEG; None for a picture that cannot be read."""
    try:
        return drawings_cache().get(_key("thumbnail", path), lambda: _small(path))
    except (OSError, ImageError):
        return None


def _small(path: Path) -> bytes:
    # JPEG files are read at a fraction of their size, which takes a tenth of the time.
    return to_jpeg(shrink(read_picture(path, reduced=2 * THUMBNAIL_SIDE), THUMBNAIL_SIDE), 80)


def _key(use: str, path: Path) -> tuple[str, str, int]:
    return use, str(path), path.stat().st_mtime_ns
