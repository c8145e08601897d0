"""Pictures as the app handles them: read once, shown small, computed in full."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

import streamlit as st

from posecore.drawing.encoded import shrink as shrink
from posecore.drawing.encoded import to_jpeg as to_jpeg
from posecore.drawing.encoded import to_png as to_png
from posecore.imaging import Picture, picture_id
from posecore.ui.shared.models.caches import ByteCache, memory_limit

#: Longer side of what the browser gets to see. Networks always get the picture itself.
PREVIEW_SIDE = 1200
THUMBNAIL_SIDE = 120


@dataclass(frozen=True)
class Source:
    """A picture that can be opened.

    Attributes:
        key: Identity; equal keys mean equal pictures.
        name: File name, the stem of what is downloaded.
        label: Words for people.
        read: Reads the picture; raises ``ImageError`` when it cannot be used.
        note: A line about where it comes from.
    """

    key: str
    name: str
    label: str
    read: Callable[[], Picture]
    note: str = ""

    @property
    def stem(self) -> str:
        """File name without ending, safe as part of another file name."""
        return safe_stem(self.name, "picture")


def safe_stem(name: str, otherwise: str) -> str:
    """The file name ``name`` without ending, safe as part of another one; ``otherwise`` when nothing is left of it."""
    stem = PurePath(name.replace("\\", "/")).stem
    kept = "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in stem).strip(" .")
    return kept[:80] or otherwise


@dataclass(frozen=True, eq=False)
class Contents:
    """What is always at hand about a picture that could be read; shared by all who have the same picture.

    Attributes:
        identity: Hash of its pixels.
        size: (width, height) in pixels.
        preview: The picture itself, or a copy of it that is at most ``PREVIEW_SIDE`` long.
        thumbnail: A small JPEG.
    """

    identity: str
    size: tuple[int, int]
    preview: Picture
    thumbnail: bytes


@dataclass(frozen=True, eq=False)
class OpenPicture:
    """A picture that could be read: where one visitor has it from, and what is in it."""

    source: Source
    contents: Contents

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.contents.size

    @property
    def preview(self) -> Picture:
        """The picture as it is shown."""
        return self.contents.preview

    def pixels(self) -> Picture:
        """The whole picture, from memory where it still is."""
        if (self.preview.shape[1], self.preview.shape[0]) == self.size:
            return self.preview
        return _pixels_cache().get(self.source.key, self.source.read)


def open_picture(source: Source) -> OpenPicture:
    """Read a picture, or remember it; raises ``ImageError`` with a sentence for the person who gave it."""
    # Only what is in the picture is shared: another visitor may have the same picture under another name.
    return OpenPicture(source, _contents_cache().get(source.key, lambda: _read(source)))


def _read(source: Source) -> Contents:
    pixels = source.read()
    preview = shrink(pixels, PREVIEW_SIDE)
    if preview is not pixels:
        _pixels_cache().get(source.key, lambda: pixels)
    size = (pixels.shape[1], pixels.shape[0])
    return Contents(picture_id(pixels), size, preview, to_jpeg(shrink(preview, THUMBNAIL_SIDE), 80))


@st.cache_resource(show_spinner=False)
def _pixels_cache() -> ByteCache[Picture]:
    return ByteCache(memory_limit("pictures") * 2 // 3, lambda picture: picture.nbytes)


@st.cache_resource(show_spinner=False)
def _contents_cache() -> ByteCache[Contents]:
    return ByteCache(memory_limit("pictures") // 3, lambda contents: contents.preview.nbytes + len(contents.thumbnail))
