"""Files of people in the room as the app gives them."""

from __future__ import annotations

import io
import zipfile

from posecore.extras import installed
from posecore.lifting.files import FORMATS
from posecore.lifting.room import make_room
from posecore.ui.shared.room_files import room_downloads
from tests.motion_support import seen, walker


def test_one_person_has_a_file_of_each_kind() -> None:
    people = make_room([seen(walker()[:20], track=4)]).people
    files = {one.file_name: one.make() for one in room_downloads(people, "clip")}
    kinds = {name for name in FORMATS if name != "c3d" or installed("c3d")}
    assert set(files) == {f"clip_3d.{kind}" for kind in kinds} | {"clip_3dmeasures.csv"}
    assert files["clip_3d.bvh"].startswith(b"HIERARCHY")
    assert files["clip_3d.trc"].startswith(b"PathFileType")
    assert files["clip_3d.csv"].startswith(b"frame,time,track_id,keypoint,x,y,z,score")
    assert b"angle:left_hip-left_knee-left_ankle" in files["clip_3dmeasures.csv"]


def test_several_people_have_a_zip_where_each_has_a_file() -> None:
    people = make_room([seen(walker()[:20], track=number) for number in (1, 7)]).people
    files = {one.file_name: one.make() for one in room_downloads(people, "clip")}
    with zipfile.ZipFile(io.BytesIO(files["clip_3d.bvh.zip"])) as archive:
        assert archive.namelist() == ["clip.person1.bvh", "clip.person7.bvh"]
    assert files["clip_3d.csv"].count(b"\n") == 1 + 2 * 20 * 17
    names = [one.file_name.rpartition("_")[2] for one in room_downloads(people, "clip")]
    assert len(set(names)) == len(names)
