"""Official weights: fetched on first use, checked, converted, and kept as one safetensors file per model.

The cache is ``POSECORE_HOME/weights``: ``NAME.safetensors``, ``pins.json`` with remembered checksums, and hidden
folders for locks and for downloads in progress. The published files themselves are not kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import filelock

from posecore.errors import WeightsError
from posecore.families import family_of
from posecore.storage import writing
from posecore.zoo.catalog import CatalogEntry
from posecore.zoo.fetch import Progress, RemoteFile, download, sibling
from posecore.zoo.formats import FORMATS
from posecore.zoo.pins import Pins
from posecore.zoo.places import cache_folder
from posecore.zoo.tfjs import beside
from posecore.zoo.weights import Weights, load_weights, save_weights


def cached_path(entry: CatalogEntry) -> Path:
    """Where the converted file is kept; it need not exist."""
    return cache_folder() / f"{entry.name}.safetensors"


def load_official(entry: CatalogEntry, progress: Progress | None = None) -> Weights:
    """Weights from the cache, fetched first if need be; a damaged cached file is fetched again.

    Raises:
        WeightsError: When they cannot be fetched or do not fit.
    """
    path = fetch_official(entry, progress)
    try:
        return _load(path, entry)
    except WeightsError as damage:
        try:
            return _load(fetch_official(entry, progress, replace=path.stat().st_mtime_ns), entry)
        except (WeightsError, OSError) as error:
            raise WeightsError(
                f"{damage} It could not be replaced either: {error} `posecore weights remove {entry.name}` removes it."
            ) from error


def fetch_official(entry: CatalogEntry, progress: Progress | None = None, replace: int | None = None) -> Path:
    """Make sure that the converted file is in the cache; only one process at a time fetches a model.

    Args:
        entry: What to fetch.
        progress: Told how the download is going.
        replace: Fetch again if the file present still has this modification time (nanoseconds).

    Returns:
        Path of the converted file.

    Raises:
        WeightsError: When a file cannot be fetched, is not what was published, or does not fit the network.
    """
    path = cached_path(entry)
    if path.exists() and replace is None:
        return path
    with _locked(entry):
        # Another process may have finished the job while this one waited.
        if not path.exists() or path.stat().st_mtime_ns == replace:
            with _workspace(entry) as folder:
                _fetch_and_convert(entry, folder, path, progress)
    return path


def fetch_published(entry: CatalogEntry, folder: Path, progress: Progress | None = None) -> Path:
    """Fetch the files of an entry as they were published into an existing folder; returns the first one.

    Raises:
        WeightsError: When a file cannot be fetched or is not what was published.
    """
    return _download_all(entry, folder, Pins(cache_folder() / "pins.json").read(), progress)[0]


def remove_official(entry: CatalogEntry) -> int:
    """Remove the cached file and forget the pinned checksums; returns the bytes freed."""
    path = cached_path(entry)
    if not cache_folder().exists():
        return 0
    with _locked(entry), writing(path, WeightsError):
        size = path.stat().st_size if path.exists() else 0
        path.unlink(missing_ok=True)
        Pins(cache_folder() / "pins.json").forget_beside(sibling(entry.url, ""))
    return size


def _load(path: Path, entry: CatalogEntry) -> Weights:
    weights = load_weights(path)
    if weights.header.name != entry.name:
        raise WeightsError(f"{path} holds {weights.header.name}, not {entry.name}.")
    return weights


def _fetch_and_convert(entry: CatalogEntry, folder: Path, path: Path, progress: Progress | None) -> None:
    pins = Pins(cache_folder() / "pins.json")
    first, checksums = _download_all(entry, folder, pins.read(), progress)
    foreign = FORMATS[entry.format].read(first)
    state = family_of(entry.architecture).convert(entry.architecture, foreign)
    save_weights(
        path,
        state,
        name=entry.name,
        architecture=entry.architecture,
        skeleton=entry.skeleton,
        title=entry.title,
        description=entry.description,
        licence=entry.licence,
        source=entry.source,
        originals=checksums,
    )
    # Only files that turned out to be weights are worth remembering: not, say, a login page in their place.
    pins.add({url: sha for url, sha in checksums.items() if urlsplit(url).path.rpartition("/")[2] not in entry.files})


def _download_all(
    entry: CatalogEntry, folder: Path, pins: Mapping[str, str], progress: Progress | None
) -> tuple[Path, dict[str, str]]:
    """Fetch every file of an entry into ``folder``; returns the first one and URL → SHA-256 of all."""
    first = folder / urlsplit(entry.url).path.rpartition("/")[2]
    checksums: dict[str, str] = {}
    done, total = 0, entry.download_size

    def report(count: int) -> None:
        if progress is not None:
            progress.update(done + count, max(total, done + count))

    def get(url: str, target: Path, size: int | None) -> int:
        known = entry.files.get(target.name)
        remote = RemoteFile(url, known.size if known else size, known.sha256 if known else None)
        checksums[url] = _as_pinned(entry, url, download(remote, target, report), pins)
        return target.stat().st_size

    done = get(entry.url, first, None)
    companions = FORMATS[entry.format].companions(first)
    sizes = [size for size in companions.values() if size is not None]
    if len(sizes) == len(companions):
        total = done + sum(sizes)
    for name, size in companions.items():
        target = beside(first, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        done += get(sibling(entry.url, name), target, size)
    total = done
    report(0)
    return first, checksums


def _as_pinned(entry: CatalogEntry, url: str, sha256: str, pins: Mapping[str, str]) -> str:
    """``sha256`` itself, if it is the one remembered for ``url`` or there is none yet."""
    if pins.get(url, sha256) != sha256:
        raise WeightsError(
            f"{url} is not the file that was fetched the first time (checksum {sha256[:12]}… instead of "
            f"{pins[url][:12]}…). If you trust the new one, `posecore weights remove {entry.name}` accepts it."
        )
    return sha256


@contextmanager
def _locked(entry: CatalogEntry) -> Iterator[None]:
    """One process (and one thread) at a time may change this model's files."""
    lock = cache_folder() / ".locks" / f"{entry.name}.lock"
    with writing(cache_folder(), WeightsError):
        lock.parent.mkdir(parents=True, exist_ok=True)
        guard = filelock.FileLock(lock)
        guard.acquire()
    try:
        yield
    finally:
        guard.release()


@contextmanager
def _workspace(entry: CatalogEntry) -> Iterator[Path]:
    """An empty folder for downloads that vanishes afterwards; call under the entry's lock."""
    parent = cache_folder() / ".fetching"
    folder = parent / entry.name
    with writing(folder, WeightsError):
        # What a process that was killed left behind.
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            _remove_if_empty(parent)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return  # Another model is being fetched.
