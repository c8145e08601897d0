"""Picture files of a set of labels: finding them, their size, and bringing them to another folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from PIL import Image

from posecore.data.annotations import AnnotatedImage
from posecore.data.checks import EntryError, a_side
from posecore.data.folders import files_in, is_picture_name
from posecore.errors import DataError, ImageError
from posecore.imaging import read_image
from posecore.picture_files import Picture, stored_size, upright_size

#: What happens to pictures when labels are written: linked, copied as they are, or saved anew as JPEG.
PictureMode = Literal["copy", "symlink", "reencode"]


def picture_size(path: Path) -> tuple[int, int]:
    """(width, height) of a picture as it is seen upright, from its header alone.

    Raises:
        EntryError: When it is missing, is not a picture or has a size that no network can use.
    """
    return upright_size(*stored_picture(path))


def size_said(width: Any, height: Any, path: Path, remark: Callable[[str], object]) -> tuple[int, int]:
    """(width, height) as labels say, else that of the picture itself.

    Args:
        width: What stands for the width.
        height: What stands for the height.
        path: The picture; looked at only where these cannot be right.
        remark: Called when they are there and cannot be right.

    Raises:
        EntryError: When neither the labels nor the picture tell.
    """
    if width is None and height is None:
        return picture_size(path)
    try:
        return a_side(width, "the width"), a_side(height, "the height")
    except EntryError as error:
        with suppress(EntryError):
            size = picture_size(path)
            remark("a picture whose width or height cannot be right; that of the file is taken")
            return size
        raise error


def stored_picture(path: Path) -> tuple[tuple[int, int], int]:
    """(width, height) of a picture as it is stored and its EXIF orientation; raises as :func:`picture_size`."""
    try:
        return stored_size(path)
    except FileNotFoundError as error:
        raise EntryError(f"there is no picture {path}") from error
    except ImageError as error:
        raise EntryError(f"{path.name}: {str(error).rstrip('.')}") from error
    except OSError as error:
        raise EntryError(f"{path.name} cannot be read: {error.strerror or error}") from error


def pictures_in(folder: Path) -> list[Path]:
    """All picture files in a folder and the folders below, sorted."""
    return [path for path in files_in(folder) if is_picture_name(path.name)]


def read_labelled(image: AnnotatedImage) -> Picture:
    """A labelled picture's pixels, for training and measuring.

    Raises:
        ImageError: When it is gone, cannot be read or has another size than its labels are for.
    """
    try:
        picture = read_image(image.path)
    except OSError as error:
        raise ImageError(f"{image.path} cannot be read: {error.strerror or error}.") from error
    size = picture.shape[1], picture.shape[0]
    if size != image.size:
        raise ImageError(
            f"The picture is {size[0]} × {size[1]} pixels, its labels are for {image.size[0]} × {image.size[1]}."
        )
    return picture


def save_jpeg(path: Path | BinaryIO, picture: Picture, quality: int) -> None:
    """Write a picture as JPEG with full colour resolution."""
    Image.fromarray(picture).save(path, "JPEG", quality=quality, subsampling=0)


def new_folder(folder: Path) -> Path:
    """Make ``folder``; raises ``DataError`` when it holds something, so that nothing is overwritten or mixed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise DataError(f"{folder} is not empty; choose a new or empty folder.")
    except OSError as error:
        raise DataError(f"{folder} cannot be made: {error.strerror}.") from error
    return folder


@dataclass
class PictureCarrier:
    """Brings pictures into folders under names that are free there.

    Attributes:
        mode: What to do, see :data:`PictureMode`.
        quality: JPEG quality 1 … 100 of ``reencode``.
        taken: Names in use, by folder, in lower case (some file systems do not tell case apart).
    """

    mode: PictureMode = "copy"
    quality: int = 90
    taken: dict[Path, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise DataError(f"JPEG quality {self.quality} is out of range; choose 1 to 100.")

    def bring(self, source: Path, folder: Path) -> Path:
        """Bring one picture into ``folder`` (made when missing) and return where it is now.

        Raises:
            DataError: When it cannot be read or written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / self.free_name(source, folder)
        try:
            if self.mode == "symlink":
                target.symlink_to(source.resolve())
            elif self.mode == "copy":
                shutil.copyfile(source, target)
            else:
                save_jpeg(target, read_image(source), self.quality)
        except ImageError as error:
            raise DataError(f"{source}: {error}") from error
        except OSError as error:
            raise DataError(f"{source} cannot be brought to {target}: {error.strerror or error}.") from error
        return target

    def free_name(self, source: Path, folder: Path) -> str:
        """A name for a picture that no other has in ``folder``, and none will be given again."""
        suffix = ".jpg" if self.mode == "reencode" else source.suffix
        taken = self.taken.setdefault(folder, set())
        name, number = f"{source.stem}{suffix}", 2
        # Labels of some formats are named after the stem, so that it must be unique too.
        while Path(name).stem.lower() in taken:
            name, number = f"{source.stem}-{number}{suffix}", number + 1
        taken.add(Path(name).stem.lower())
        return name
