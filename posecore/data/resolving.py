"""Which picture or folder of a set a name in its labels means.

Labels name pictures as they lay on the machine that wrote them: with leading folders that are not here, with
backslashes, encoded as an address, composed of other code points. A name is therefore matched with what there is in
the set, from its end; nothing outside the set is ever looked at, and a name that fits several pictures equally well is
refused rather than guessed.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import parse_qsl, unquote, unquote_plus

from posecore.data.checks import EntryError, is_file
from posecore.data.folders import ending_of, files_in, is_picture_name, set_root, split_of

#: Endings that are the same format.
_JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
#: Names that are tried to find out which of the usual folders a set's pictures are in.
_SAMPLE = 20
_SCHEME = re.compile(r"^(?:[A-Za-z][\w+.-]*://|[A-Za-z]:(?=[/\\]|[^/\\]))")

_UPLOAD = re.compile(r"[0-9a-f]{8}-(.+)")
#: Blanks that programs put into names unasked, macOS into those of screenshots.
_BLANKS = str.maketrans("\u00a0\u202f", "  ")

Parts = tuple[str, ...]


@dataclass(frozen=True, order=True)
class _Fit:
    """How well a picture fits a name; the better is the greater.

    Attributes:
        exact: It lies where the name says.
        folders: Its folders that the name says too, from the end.
        spelling: 2 for the same name, 1 for one that is read another way or differs in case or composition, 0 for
            another ending.
        hints: Its folders that hints name.
    """

    exact: bool
    folders: int = 0
    spelling: int = 2
    hints: int = 0


@dataclass(frozen=True)
class _Picture:
    """A picture of the set, its folders below the root folded, and the splits that they say."""

    path: Path
    name: str
    folders: Parts
    splits: frozenset[str]


@dataclass(frozen=True)
class _Found:
    path: Path
    fit: _Fit
    name: str


class PathResolver:
    """Finds what names mean in one set.

    Args:
        root: Folder of the whole set.
        bases: Folders that names may be relative to; the first that holds some of the names is taken.
        hints: Names of folders; of pictures that fit equally well, one in such a folder is meant.
    """

    def __init__(self, root: Path, bases: Iterable[Path] = (), hints: Iterable[str] = ()) -> None:
        self.root = root
        self._bases = [*bases] or [root]
        self._hints = {_folded(hint) for hint in hints}
        self._split = next((split for hint in self._hints if (split := split_of(hint))), None)

    @classmethod
    def beside(cls, labels: Path, root: Path | None = None) -> PathResolver:
        """For a file of labels whose pictures are somewhere near: in the set ``root``, by default as found out."""
        root = set_root(labels) if root is None else root.absolute()
        folder = labels.absolute().parent
        last = re.split(r"[_\-. ]", labels.stem)[-1]
        split = split_of(labels.stem)
        usual = {"train": ("train",), "val": ("val", "valid"), "test": ("test",)}.get(split or "", ())
        hints = dict.fromkeys((labels.stem, last, *usual))
        bases: list[Path] = []
        for place in dict.fromkeys((folder, root)):
            bases += [place / inner / hint for inner in ("images", "data", "") for hint in hints]
            bases += [place / inner for inner in ("images", "data", "")]
        bases.sort(key=lambda base: (base != folder, base == root))
        return cls(root, [base for base in bases if base.is_dir()], hints)

    def nominal(self, name: str) -> Path:
        """Where a picture would lie if it lay where its name says; no file is looked for."""
        readings = _readings(name)
        return self._bases[0].joinpath(*(readings[0] if readings else ("unnamed",)))

    def resolve_all(self, names: Sequence[Sequence[str]]) -> list[Path | EntryError]:
        """The picture that each entry means, or why there is none.

        Args:
            names: For each entry, the names that its picture may have; the first that fits one counts.
        """
        self._choose_base([entry[0] for entry in names[:_SAMPLE] if entry])
        results: list[_Found | EntryError] = []
        for entry in names:
            try:
                results.append(self._first(entry))
            except EntryError as error:
                results.append(error)
        users: dict[Path, set[tuple[_Fit, str]]] = defaultdict(set)
        for found in results:
            if isinstance(found, _Found):
                users[found.path].add((found.fit, found.name))
        return [found if isinstance(found, EntryError) else _undisputed(found, users[found.path]) for found in results]

    def folder(self, name: str, whole: bool = False) -> Path | None:
        """The folder that ``name`` means; leading folders that are not here are left off unless ``whole``."""
        return self._place(name, self._folders, Path.is_dir, whole)

    def listing(self, name: str) -> Path | None:
        """The text file that ``name`` means, as :meth:`folder`."""
        return self._place(name, self._lists, _is_list, False)

    # --- one name ----------------------------------------------------------------------------------------------------

    def _first(self, names: Sequence[str]) -> _Found:
        for name in names:
            if (found := self._find(name)) is not None:
                return found
        if not names:
            raise EntryError("the picture has no name")
        raise EntryError(f"the picture {_brief(names[0])} is missing in {self._bases[0]}")

    def _find(self, name: str) -> _Found | None:
        readings = _readings(name)
        for parts in readings:
            for base in dict.fromkeys((self._bases[0], self.root)):
                if is_file(path := base.joinpath(*parts)):
                    return _Found(path, _Fit(True, spelling=2 if parts == readings[0] else 1), name)
        for parts in readings:
            if found := self._nearest(parts):
                fit, paths = found
                if len(paths) > 1:
                    places = " or ".join(str(path.relative_to(self.root)) for path in paths[:2])
                    raise EntryError(
                        f"the picture {_brief(name)} could be any of {len(paths)}, {places}; say which by its folder"
                    )
                return _Found(paths[0], fit, name)
        return None

    def _nearest(self, parts: Parts) -> tuple[_Fit, list[Path]] | None:
        """The pictures that fit a name best, and how well."""
        fits = defaultdict(list)
        for picture in self._index.get(_stem_key(parts[-1]), ()):
            fit = self._fit(parts, picture)
            if fit is not None:
                fits[fit].append(picture.path)
        return (best := max(fits), fits[best]) if fits else None

    def _fit(self, parts: Parts, picture: _Picture) -> _Fit | None:
        spelling = _spelling(parts[-1], picture.name)
        if spelling is None:
            return None
        wanted, folders = folded_parts(parts[:-1]), picture.folders
        same = 0
        for one, other in zip(reversed(wanted), reversed(folders), strict=False):
            if one != other:
                break
            same += 1
        # A picture of another split than the name says is another picture.
        said = next(filter(None, map(split_of, reversed(wanted[: len(wanted) - same]))), self._split)
        if said and picture.splits and said not in picture.splits:
            return None
        return _Fit(False, same, spelling, sum(folder in self._hints for folder in folders))

    # --- what there is -----------------------------------------------------------------------------------------------

    def _choose_base(self, sample: Sequence[str]) -> None:
        readings = [parts for name in sample for parts in _readings(name)[:1]]
        chosen = next((b for b in self._bases if any(is_file(b.joinpath(*p)) for p in readings)), self._bases[0])
        self._bases.remove(chosen)
        self._bases.insert(0, chosen)

    def _place(self, name: str, known: dict[Parts, Path], fits: Callable[[Path], bool], whole: bool) -> Path | None:
        """The place that a name or the end of it means, seen from a base, else the only one whose path ends so."""
        for parts in _readings(name, last_may_be_empty=True):
            for start in range(1 if whole or not parts else len(parts)):
                if start and split_of(parts[start - 1]) and not any(split_of(part) for part in parts[start:]):
                    break
                if place := self._seen_from_bases(parts[start:], known, fits):
                    return place
                if not whole and (place := _only_one(folded_parts(parts[start:]), known)):
                    return place
        return None

    def _seen_from_bases(self, parts: Parts, known: dict[Parts, Path], fits: Callable[[Path], bool]) -> Path | None:
        for base in dict.fromkeys((*self._bases, self.root)):
            with suppress(OSError, ValueError):
                if fits(place := base.joinpath(*parts)):
                    return place
            if found := known.get((*folded_parts(base.parts), *folded_parts(parts))):
                return found
        return None

    @cached_property
    def _files(self) -> list[Path]:
        return files_in(self.root)

    @cached_property
    def _lists(self) -> dict[Parts, Path]:
        return {folded_parts(path.parts): path for path in self._files if path.suffix.lower() == ".txt"}

    @cached_property
    def _folders(self) -> dict[Parts, Path]:
        folders = {parent for path in self._files for parent in path.parents if parent.is_relative_to(self.root)}
        return {folded_parts(path.parts): path for path in sorted(folders)}

    @cached_property
    def _index(self) -> dict[str, list[_Picture]]:
        """Pictures by their name without ending."""
        index: dict[str, list[_Picture]] = defaultdict(list)
        folders: dict[Path, tuple[Parts, frozenset[str]]] = {}
        for path in self._files:
            if is_picture_name(path.name):
                if path.parent not in folders:
                    parts = folded_parts(path.parent.relative_to(self.root).parts)
                    folders[path.parent] = parts, frozenset(filter(None, map(split_of, parts)))
                index[_stem_key(path.name)].append(_Picture(path, path.name, *folders[path.parent]))
        return dict(index)


def _undisputed(found: _Found, users: set[tuple[_Fit, str]]) -> Path | EntryError:
    """The picture, unless another name has as good a claim to it or a better one."""
    rivals = [(fit, name) for fit, name in users if name != found.name and fit >= found.fit]
    if found.fit == _Fit(True) or not rivals:
        return found.path
    return EntryError(
        f"the picture {_brief(found.name)} is missing; {found.path.name} is what {_brief(rivals[0][1])} means"
    )


def _brief(name: str) -> str:
    """A name as a message can show it."""
    text = name.strip() if name.isprintable() else repr(name)
    return text if len(text) <= 100 else f"…{text[-99:]}"


def _readings(name: str, last_may_be_empty: bool = False) -> list[Parts]:
    """What the parts of a name may be: as it stands, decoded as part of an address, and without an address's query."""
    texts = [_unquoted(name)]
    if "%" in name:
        texts += [unquote(texts[0]), unquote(unquote(texts[0]))]
    if "?" in name:
        before, _, query = texts[0].partition("?")
        texts += [value for _, value in parse_qsl(query) if is_picture_name(value)] + [before, unquote(before)]
    if "#" in name and is_picture_name(before := texts[0].rpartition("#")[0]):
        texts += [before, unquote(before)]
    texts += [unquote_plus(text) for text in texts if "+" in text]
    texts += [html.unescape(text) for text in texts if "&" in text]
    texts += [before + "/" + last for text in texts for before, last in _without_upload_mark(text)]
    readings = [_parts(text) for text in dict.fromkeys(texts) if "\0" not in text]
    return [parts for parts in readings if parts or last_may_be_empty]


def _unquoted(name: str) -> str:
    """A name without blanks and quotation marks around it."""
    text = name.strip()
    return text[1:-1] if len(text) > 2 and text[0] == text[-1] and text[0] in "\"'" else text


def _without_upload_mark(text: str) -> Iterator[tuple[str, str]]:
    """Folders and name of a picture without what Label Studio puts before the names of files that are uploaded."""
    before, _, last = text.replace("\\", "/").rpartition("/")
    if found := _UPLOAD.fullmatch(last):
        yield before, found[1]


def _parts(text: str) -> Parts:
    """Folders and name; drives, schemes and ways upwards are left off."""
    parts: list[str] = []
    for part in (_SCHEME.sub("", text) if ":" in text else text).replace("\\", "/").split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return tuple(parts)


def _folded(text: str) -> str:
    """A name so that case and composition make no difference."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text.translate(_BLANKS)).casefold())


def folded_parts(parts: Iterable[str]) -> Parts:
    """Parts of a path so that case and composition make no difference."""
    return tuple(_folded(part) for part in parts)


def _only_one(wanted: Parts, known: Mapping[Parts, Path]) -> Path | None:
    """The only place whose path ends with the parts wanted."""
    found = [place for parts, place in known.items() if wanted and parts[-len(wanted) :] == wanted]
    return found[0] if len(found) == 1 else None


def _is_list(path: Path) -> bool:
    return path.suffix.lower() == ".txt" and path.is_file()


def _stem_key(name: str) -> str:
    return _folded(name[: -len(ending_of(name))] if is_picture_name(name) else name)


def _spelling(wanted: str, here: str) -> int | None:
    """See :class:`_Fit`; None when the endings are of different formats."""
    if wanted == here:
        return 2
    if _folded(wanted) == _folded(here):
        return 1
    return 0 if not is_picture_name(wanted) or {ending_of(wanted), ending_of(here)} <= set(_JPEG) else None
