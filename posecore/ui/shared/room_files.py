"""People in the room as files that are made when somebody asks for them."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from posecore.errors import PosecoreError
from posecore.extras import installed
from posecore.lifting.files import EACH, save_room
from posecore.lifting.measures import room_measures
from posecore.lifting.room_poses import RoomPoses
from posecore.ui.shared.pictures.downloads import Download

_KINDS = {
    "bvh": ("BVH", "animation", "A skeleton that moves, for Blender and other animation programs; metres, y up."),
    "glb": ("GLB", "view_in_ar", "Everybody as moving figures, for any viewer of glTF and for Blender; metres, y up."),
    "trc": ("TRC", "biotech", "Places of the joints over time, for OpenSim; metres, y up."),
    "mot": ("MOT", "accessibility_new", "Joint angles over time in OpenSim's layout and names; degrees."),
    "c3d": ("C3D", "my_location", "Places of the joints over time, for motion laboratories; millimetres, y up."),
    "csv": ("Table (CSV)", "table", "One line per person, frame and joint: x, y, z in metres."),
    "json": ("Everything (JSON)", "data_object", "Places frame by frame, and what they rest on."),
}


def room_downloads(people: Sequence[RoomPoses], stem: str) -> list[Download]:
    """A file of each kind; a ZIP where a kind has a file for each of several people.

    Args:
        people: Everybody in the room; at least one.
        stem: Beginning of all file names.
    """
    kinds = [kind for kind in _KINDS if kind != "c3d" or installed("c3d")]
    return [*(_download(people, stem, kind) for kind in kinds), _measures(people, stem)]


def _download(people: Sequence[RoomPoses], stem: str, kind: str) -> Download:
    label, icon, words = _KINDS[kind]
    packs = kind in EACH and len(people) > 1
    if packs:
        label, words = f"{label} (ZIP)", f"{words} A file for each person."
    name = f"{stem}_3d.{kind}{'.zip' if packs else ''}"
    return Download(label, name, "application/octet-stream", icon, words, _maker(people, kind, stem))


def _measures(people: Sequence[RoomPoses], stem: str) -> Download:
    words = "Joint angles, speed, way and height of the hips: one line per person, frame and measure."
    make = _maker(people, "csv", stem, "3d.measures.csv")
    return Download("Measures (CSV)", f"{stem}_3dmeasures.csv", "text/csv", "straighten", words, make)


def _maker(people: Sequence[RoomPoses], kind: str, stem: str, ending: str = "") -> Callable[[], bytes]:
    def make() -> bytes:
        measures = room_measures(people[0].skeleton) if ending else ()
        with tempfile.TemporaryDirectory(prefix="posecore-") as folder:
            written, refused = save_room(people, Path(folder) / stem, [kind], measures)
            wanted = [path for path in written if path.name.endswith(ending)]
            if not wanted:
                raise PosecoreError(" ".join(refused))
            return wanted[0].read_bytes() if len(people) == 1 or kind not in EACH else _zipped(wanted)

    return make


def _zipped(files: Sequence[Path]) -> bytes:
    place = files[0].with_name("all.zip")
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.name)
    return place.read_bytes()
