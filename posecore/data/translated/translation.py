"""Labels on their way into COCO's words, with where each of them stands in the files that they are from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from posecore.data.annotations import PoseDataset
from posecore.data.checks import EntryError, Problems, is_file
from posecore.data.coco.read import read_content
from posecore.data.folders import files_in
from posecore.data.naming import canonical
from posecore.data.resolving import PathResolver
from posecore.errors import DataError
from posecore.imaging import Region
from posecore.skeleton import Edge

#: x, y and COCO's visibility.
Keypoint = tuple[float, float, int]


@dataclass
class _Told(Problems):
    """Problems that name the files that labels are from in place of the entries that these became.

    Attributes:
        origins: File and place of the entries.
    """

    origins: dict[str, tuple[Path, str]] = field(default_factory=dict)

    def note(self, place: str, reason: str, ignored: int = 0) -> None:
        """As ``Problems.note``."""
        self.note_in(*self.origins.get(place, (self.file, place)), reason, ignored)

    def note_in(self, file: Path, place: str, reason: str, ignored: int = 0) -> None:
        """Note what is skipped of this file."""
        before = len(self.found)
        super().note(place, reason, ignored)
        if len(self.found) > before:
            self.found[-1] = replace(self.found[-1], file=file)


@dataclass
class _Category:
    """Who has the same keypoints: their names by how they compare, as spelled first, and lines between them."""

    number: int
    names: dict[str, str] = field(default_factory=dict)
    edges: Sequence[Edge] = ()


class Translation:
    """Labels of one set in COCO's words.

    Args:
        place: The file or folder that they are read from.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.problems = _Told(place)
        self._images: list[dict[str, Any]] = []
        self._labelled: set[str] = set()
        self._people: list[dict[str, Any]] = []
        self._categories: dict[str, _Category] = {}

    def files(self, wanted: Callable[[Path], bool]) -> Iterator[Path]:
        """Those files of the folder that are wanted, once they are asked for."""
        yield from filter(wanted, files_in(self.place))

    def read(self, files: Iterable[Path], tell: Callable[[Translation, Path], None], called: str = "the file") -> None:
        """Tell what files say; of several, one that cannot be read, or whose people cannot be told apart, is left out.

        Args:
            files: Those of a folder; a file that was given alone is the only one.
            tell: Adds what a file says.
            called: What a file is called where it is left out.

        Raises:
            DataError: When the file that was given alone cannot be read.
        """
        alone = self.place.is_file()
        for file in [self.place] if alone else files:
            try:
                tell(self, file)
            except DataError as error:
                if alone:
                    raise
                self.left_out(file, called, str(error))
            except EntryError as error:
                self.left_out(file, called, str(error))

    def name_keypoints(self, category: str, names: Iterable[str], edges: Sequence[Edge] = ()) -> None:
        """Say which keypoints those of a category have, in this order; others may be added by who has them."""
        of = self._category(category)
        for name in names:
            of.names.setdefault(canonical(name), name)
        of.edges = edges or of.edges

    def picture(
        self,
        file: Path,
        name: str,
        size: tuple[Any, Any] = (None, None),
        *,
        ignore: Iterable[Region] = (),
        split: str = "",
        labelled: bool = True,
    ) -> int:
        """Add a picture.

        Args:
            file: Where it is labelled.
            name: Its own, as it stands there; relative names are seen from the folder of that file.
            size: Width and height as they stand there; None where they do not.
            ignore: Regions in which nothing is learnt.
            split: The split that it says.
            labelled: False where nobody may have looked at it yet: nothing is learnt from it.

        Returns:
            Its number.
        """
        number = len(self._images) + 1
        self.problems.origins[f"images[{number - 1}]"] = file, name
        regions = [[x0, y0, x1 - x0, y1 - y0] for x0, y0, x1, y1 in ignore]
        seen = self._seen_from_here(file, name)
        if labelled:
            self._labelled.add(seen)
        entry = {"id": number, "file_name": seen, "ignore": regions}
        sides = {side: value for side, value in zip(("width", "height"), size, strict=True) if value is not None}
        more = ({"split": split} if split else {}) | ({} if labelled else {"is_labeled": False})
        self._images.append(entry | sides | more)
        return number

    def has_labels(self, file: Path, name: str) -> bool:
        """Whether the picture of that name, as seen from the folder of that file, was added with its labels."""
        return self._seen_from_here(file, name) in self._labelled

    def person(
        self, picture: int, place: str, category: str, keypoints: Mapping[str, Keypoint], box: Region | None = None
    ) -> None:
        """Add somebody in the picture of that number; keypoints that are not named are unlabelled."""
        self.name_keypoints(category, keypoints)
        file, name = self.problems.origins[f"images[{picture - 1}]"]
        where = f"{name}, {place}" if file == self.place else place
        self.problems.origins[f"annotations[{len(self._people)}]"] = file, where
        spelled = self._category(category).names
        self._people.append(
            {
                "id": len(self._people) + 1,
                "image_id": picture,
                "category_id": self._category(category).number,
                "keypoints": {spelled[canonical(name)]: list(values) for name, values in keypoints.items()},
                **({} if box is None else {"bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]]}),
            }
        )

    def left_out(self, file: Path, place: str, reason: str) -> None:
        """Note what could not be read."""
        self.problems.note_in(file, place, reason)

    def dataset(self, images: str | Path | None, *, pictures: bool) -> PoseDataset:
        """The set.

        Args:
            images: Folder of the pictures; looked for in the set when None.
            pictures: Leave out (and report) pictures whose file is missing. False looks for no file.

        Raises:
            DataError: When nobody has keypoints.
        """
        if not any(category.names for category in self._categories.values()):
            first = next(iter(self.problems.found), None)
            why = "" if first is None else f" {first.place}: {first.reason.rstrip('.')}."
            raise DataError(f"{self.place} has no keypoints that can be read.{why}")
        if pictures and images is not None and not Path(images).is_dir():
            raise DataError(f"There is no folder {images} with the pictures of {self.place}; name it.")
        content = {
            "images": self._images,
            "annotations": self._people,
            "categories": [
                {
                    "id": one.number,
                    "name": name,
                    "keypoints": list(one.names.values()),
                    "skeleton": [[a + 1, b + 1] for a, b in one.edges],
                }
                for name, one in self._categories.items()
            ],
        }
        if images is not None:
            resolver = PathResolver(Path(images))
        elif self.place.is_file():
            resolver = PathResolver.beside(self.place)
        else:
            resolver = PathResolver.beside(self.place / self.place.name, self.place)
        return read_content(content, self.problems, resolver, pictures=pictures)

    def _category(self, name: str) -> _Category:
        return self._categories.setdefault(name, _Category(len(self._categories) + 1))

    def _seen_from_here(self, file: Path, name: str) -> str:
        """The name as seen from the folder of the set: relative names are seen from the file that says them."""
        if self.place.is_file():
            return name
        path, folder = name.replace("\\", "/"), file.parent.relative_to(self.place).as_posix()
        elsewhere = path.startswith("/") or ":" in path.partition("/")[0]
        readings = ([] if elsewhere else [f"{folder}/{path}", path]) + [f"{folder}/{path.rpartition('/')[2]}"]
        return next((one for one in readings if is_file(self.place / one)), name if elsewhere else readings[0])
