"""Unpacking a zip that nobody has vouched for: everything is checked before the first byte is written."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from posecore.data.checks import EntryError, inside
from posecore.data.pictures import new_folder
from posecore.errors import DataError
from posecore.words import counted

_CHUNK = 1 << 20


@dataclass(frozen=True)
class ZipLimits:
    """What a zip may hold.

    Attributes:
        files: Most files.
        bytes: Most bytes, unpacked.
        ratio: Most bytes unpacked per byte of the zip; pictures hardly shrink, labels by a factor of ten or twenty.
        free_bytes: Unpacked sizes below this are not held against the ratio.
    """

    files: int = 500_000
    bytes: int = 50 * 1024**3
    ratio: float = 100.0
    free_bytes: int = 20 * 1024**2


def unpack_zip(archive: str | Path, folder: str | Path, limits: ZipLimits | None = None) -> Path:
    """Unpack into a new or empty folder, or leave nothing.

    Args:
        archive: The zip.
        folder: Where to; nothing is ever written outside.
        limits: What it may hold.

    Returns:
        ``folder``.

    Raises:
        DataError: When it is no zip, is damaged or encrypted, holds too much, or an entry is a link or leads out of
            the folder. The message names the entry.
    """
    source = Path(archive)
    root = new_folder(Path(folder))
    try:
        with zipfile.ZipFile(source) as opened:
            members = _checked(opened, source, limits or ZipLimits(), shutil.disk_usage(root).free)
            for name, member in members:
                _write(opened, member, root / name)
    except DataError:
        _empty(root)
        raise
    except FileNotFoundError as error:
        _empty(root)
        raise DataError(f"{source} does not exist.") from error
    except FileExistsError as error:
        _empty(root)
        raise DataError(f"{source} holds two entries of one name: {Path(error.filename).name}.") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        _empty(root)
        raise DataError(f"{source} cannot be unpacked: {error!s:.200}.") from error
    return root


def _empty(folder: Path) -> None:
    """Remove what was unpacked before something went wrong; the folder was empty before."""
    shutil.rmtree(folder, ignore_errors=True)


def _checked(opened: zipfile.ZipFile, source: Path, limits: ZipLimits, free: int) -> list[tuple[Path, zipfile.ZipInfo]]:
    """The files to write with their relative paths; raises ``DataError`` when the archive is not to be trusted."""
    members = []
    total = 0
    for member in opened.infolist():
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise DataError(f"{source} holds a link or special file, {member.filename!r:.80}; it was not unpacked.")
        if member.flag_bits & 1:
            raise DataError(f"{source} is encrypted; unpack it yourself and give the folder.")
        try:
            name = Path(inside(_name_of(member), "the entry"))
        except EntryError as error:
            raise DataError(f"{source} was not unpacked: {error}.") from error
        if member.is_dir() or name.parts[0] == "__MACOSX":
            continue
        total += member.file_size
        members.append((name, member))
    packed = max(source.stat().st_size, 1)
    if len(members) > limits.files:
        raise DataError(f"{source} holds {counted(len(members), 'file')}, more than the {limits.files} allowed.")
    if total > limits.bytes:
        raise DataError(
            f"{source} would unpack to {total / 1e6:.0f} MB, more than allowed ({limits.bytes / 1e6:.0f} MB)."
        )
    if total > free:
        raise DataError(
            f"{source} would unpack to {total / 1e6:.0f} MB and there is room for {free / 1e6:.0f}; free some space."
        )
    if total > limits.free_bytes and total > limits.ratio * packed:
        raise DataError(
            f"{source} would unpack to {total / packed:.0f} times its size, which data never does; it was not unpacked."
        )
    return members


def _name_of(member: zipfile.ZipInfo) -> str:
    """An entry's name; many programs write UTF-8 without saying so, which is then taken for code page 437."""
    if member.flag_bits & 0x800 or member.filename.isascii():
        return member.filename
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.filename


def _write(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """Write one file; the size that the archive declares, which was checked, is the most that is read."""
    target.parent.mkdir(parents=True, exist_ok=True)
    left = member.file_size
    with opened.open(member) as packed, target.open("xb") as out:
        while chunk := packed.read(min(_CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                raise DataError(f"{member.filename!r:.80} holds more than it declares.")
            out.write(chunk)
