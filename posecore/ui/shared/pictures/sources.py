"""Where pictures come from: samples that are always there, uploads of this session, the camera."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import matplotlib.cbook

from posecore.data.synthetic import SAMPLE_SEEDS, render_scene
from posecore.errors import ImageError
from posecore.imaging import Picture, read_image
from posecore.picture_files import IMAGE_SUFFIXES
from posecore.ui.shared.pictures.open_picture import Source
from posecore.ui.shared.visitor_files import visitor_folders
from posecore.ui.shared.visitors import require

FIRST_SAMPLE = "Three people in a street"
#: Uploads that one session may hold, by number and by bytes on disk.
MAX_UPLOADS = 500
MAX_UPLOAD_BYTES = 2_000_000_000
#: Pictures of a folder that can be chosen from.
MOST_IN_FOLDER = 5000


def samples() -> tuple[Source, ...]:
    """Pictures that need no upload and no network: rendered scenes, and a photograph."""
    photo = Source(
        "sample:grace_hopper",
        "grace_hopper.jpg",
        "Grace Hopper",
        _grace_hopper,
        "Rear Admiral Grace Hopper, 1984. Public domain; comes with Matplotlib.",
    )
    scenes = (
        Source(
            f"sample:scene-{seed}",
            f"{title.lower().replace(' ', '_')}.png",
            title,
            partial(_scene, seed),
            "Rendered by posecore; the people in it do not exist.",
        )
        for title, seed in SAMPLE_SEEDS.items()
    )
    return (*scenes, photo)


def first_sample() -> Source:
    """The picture that a visitor sees first."""
    everything = samples()
    return next((source for source in everything if source.label == FIRST_SAMPLE), everything[0])


def folder_sources(folder: Path) -> tuple[Source, ...]:
    """The pictures of a folder of this machine, by name.

    Raises:
        ImageError: When it is no folder, cannot be read, or holds no or too many pictures.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
        stamps = [(path, path.stat()) for path in files if path.is_file()]
    except OSError as error:
        raise ImageError(f"{folder} cannot be read as a folder: {error.strerror or error}.") from error
    if not stamps:
        raise ImageError(f"{folder} holds no picture: {', '.join(IMAGE_SUFFIXES)} are read.")
    if len(stamps) > MOST_IN_FOLDER:
        raise ImageError(
            f"{folder} holds {len(stamps):,} pictures and {MOST_IN_FOLDER:,} can be shown; “posecore image” takes any "
            "number."
        )
    return tuple(
        Source(f"file:{path}:{stat.st_mtime_ns}:{stat.st_size}", path.name, path.name, partial(read_image, path))
        for path, stat in stamps
    )


def _grace_hopper() -> Picture:
    return read_image(str(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))


def _scene(seed: int) -> Picture:
    return render_scene(seed).image


@dataclass(frozen=True)
class _Upload:
    name: str
    path: Path
    nbytes: int


class Uploads:
    """Pictures that one session was given, kept as files so that many of them cost no memory.

    The folder goes when the session does.
    """

    def __init__(self) -> None:
        self._folder = visitor_folders.new()
        self._files: dict[str, _Upload] = {}

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[Source]:
        """The pictures in the order in which they came."""
        for key, upload in self._files.items():
            yield Source(key, upload.name, upload.name, partial(_read_file, upload.path))

    @property
    def nbytes(self) -> int:
        """Bytes of all files."""
        return sum(upload.nbytes for upload in self._files.values())

    def add(self, name: str, data: bytes) -> str:
        """Keep a file and return its key; the same bytes are kept once.

        Raises:
            ImageError: When the session holds too much already.
            StorageError: When all visitors together hold too much.
            NotAllowedError: When visitors may not give files.
        """
        require("use", "Giving files")
        visitor_folders.check_room()
        key = f"upload:{hashlib.blake2b(data, digest_size=16).hexdigest()}"
        if key in self._files:
            return key
        if len(self) >= MAX_UPLOADS or self.nbytes + len(data) > MAX_UPLOAD_BYTES:
            raise ImageError(
                f"{name} was not added: this session holds {len(self)} pictures ({self.nbytes / 1e6:.0f} MB) and that "
                "is the limit. Remove some first."
            )
        path = self._folder.path / key.partition(":")[2]
        path.write_bytes(data)
        self._files[key] = _Upload(name, path, len(data))
        return key

    def remove(self, key: str) -> None:
        """Forget a picture; nothing happens when it is not there."""
        upload = self._files.pop(key, None)
        if upload is not None:
            upload.path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget all pictures."""
        for key in list(self._files):
            self.remove(key)


def _read_file(path: Path) -> Picture:
    return read_image(path.read_bytes())
