"""Synthetic people: the ground truth must agree with the picture, and the same seed must draw the same picture."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from posecore.data.synthetic import (
    MOTIONS,
    PLACES,
    SAMPLE_SEEDS,
    ScenePlan,
    draw_scene,
    plan_scene,
    render_clip,
    render_scene,
    write_dataset,
)
from posecore.data.synthetic.poses import Posture
from posecore.data.synthetic.scenes import OCCLUDED, OUTSIDE, VISIBLE, Block
from posecore.errors import SettingsError
from posecore.skeleton import COCO_17

INDEX = {name: number for number, name in enumerate(COCO_17.keypoints)}


def one_person(yaw: float = 0.0, **changes: object) -> ScenePlan:
    """A person who stands upright in the middle of an empty studio, whole in the picture."""
    plan = plan_scene(3, people=1, place="studio", noise=0)
    figure = replace(plan.figures[0], posture=Posture(), x=0.0, z=-1.75 * plan.camera.focal / 300, yaw=yaw)
    return replace(plan, figures=(figure,), blocks=(), **changes)  # type: ignore[arg-type]


def test_same_seed_same_bytes() -> None:
    first, again, other = render_scene(11), render_scene(11), render_scene(12)
    assert first.image.tobytes() == again.image.tobytes()
    for a, b in zip(first.people, again.people, strict=True):
        np.testing.assert_array_equal(a.keypoints, b.keypoints)
        np.testing.assert_array_equal(a.visibility, b.visibility)
    assert first.image.tobytes() != other.image.tobytes()


@pytest.mark.parametrize("size", [(640, 480), (161, 243), (480, 640), (64, 64), (500, 120)])
def test_sizes(size: tuple[int, int]) -> None:
    scene = render_scene(5, size, 2)
    assert scene.image.shape == (size[1], size[0], 3)
    assert scene.image.dtype == np.uint8
    for person in scene.people:
        assert person.keypoints.shape == (17, 2)
        assert person.keypoints.dtype == np.float32
        assert person.visibility.shape == (17,)
        assert np.isfinite(person.keypoints).all()


@pytest.mark.parametrize("place", PLACES)
def test_places_differ_from_one_another_only_behind_the_people(place: str) -> None:
    scene = render_scene(21, (160, 120), 2, place=place)
    reference = render_scene(21, (160, 120), 2)
    np.testing.assert_array_equal(scene.people[0].keypoints, reference.people[0].keypoints)


def test_impossible_wishes_are_refused() -> None:
    with pytest.raises(SettingsError, match="too small"):
        render_scene(0, (8, 8))
    with pytest.raises(SettingsError, match="do not fit"):
        render_scene(0, people=99)
    with pytest.raises(SettingsError, match="moon"):
        render_scene(0, place="moon")
    with pytest.raises(SettingsError, match="no motion"):
        next(render_clip(0, motion="fly"))


def test_no_people() -> None:
    assert render_scene(2, (96, 96), 0).people == ()


@pytest.mark.parametrize("seed", range(4))
def test_visible_joints_lie_on_their_person(seed: int) -> None:
    plan = replace(plan_scene(seed, people=3), noise=0)
    scene = draw_scene(plan)
    assert len(scene.people) == 3
    for number, person in enumerate(scene.people):
        without = draw_scene(replace(plan, figures=plan.figures[:number] + plan.figures[number + 1 :])).image
        changed = np.abs(scene.image.astype(int) - without).max(-1) > 2
        for x, y in np.rint(person.keypoints[person.visibility == VISIBLE]).astype(int):
            assert changed[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].any()


@pytest.mark.parametrize("seed", range(20, 28))
def test_boxes_areas_and_visibility_agree(seed: int) -> None:
    scene = render_scene(seed, (320, 240))
    for person in scene.people:
        x0, y0, x1, y1 = person.box
        assert -0.5 <= x0 < x1 <= 319.5
        assert -0.5 <= y0 < y1 <= 239.5
        assert 0 < person.area <= (x1 - x0) * (y1 - y0)
        seen = person.keypoints[person.visibility == VISIBLE]
        assert (seen >= np.array([x0, y0]) - 1).all()
        assert (seen <= np.array([x1, y1]) + 1).all()
        inside = ((person.keypoints >= -0.5) & (person.keypoints < (319.5, 239.5))).all(-1)
        np.testing.assert_array_equal(inside, person.visibility != OUTSIDE)


def test_left_is_on_the_right_of_a_person_who_faces_us() -> None:
    front, back = (draw_scene(one_person(yaw)).people[0] for yaw in (0, 180))
    for left, right in COCO_17.flip_pairs:
        assert front.keypoints[left, 0] > front.keypoints[right, 0]
        assert back.keypoints[left, 0] < back.keypoints[right, 0]


def test_faces_are_seen_from_the_front_only() -> None:
    front, back = (draw_scene(one_person(yaw)).people[0] for yaw in (0, 180))
    face = [INDEX["nose"], INDEX["left_eye"], INDEX["right_eye"]]
    assert (front.visibility[face] == VISIBLE).all()
    assert (back.visibility[face] == OCCLUDED).all()
    body = [INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("shoulder", "hip", "knee", "ankle")]
    assert (front.visibility[body] == VISIBLE).all()
    assert (back.visibility[body] == VISIBLE).all()


def test_the_far_side_hides_behind_the_near_one() -> None:
    # Facing the right side of the picture, a person shows its right side.
    person = draw_scene(one_person(90)).people[0]
    for joint in ("ear", "shoulder", "hip"):
        assert person.visibility[INDEX[f"right_{joint}"]] == VISIBLE
        assert person.visibility[INDEX[f"left_{joint}"]] == OCCLUDED


def test_things_in_front_hide_joints() -> None:
    plan = one_person()
    block = Block(0.0, 0.0, plan.figures[0].z + 0.6, 1.2, 0.7, 0.2, 0.0, (0.2, 0.2, 0.2))
    free, hidden = draw_scene(plan).people[0], draw_scene(replace(plan, blocks=(block,))).people[0]
    np.testing.assert_array_equal(free.keypoints, hidden.keypoints)
    legs = [INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("knee", "ankle")]
    assert (hidden.visibility[legs] == OCCLUDED).all()
    assert hidden.visibility[INDEX["nose"]] == VISIBLE
    assert hidden.area < free.area
    assert hidden.box[3] < free.box[3]


def test_other_people_hide_joints() -> None:
    plan = one_person()
    behind = plan.figures[0]
    nearer = replace(behind, z=behind.z + 0.7)
    both = draw_scene(replace(plan, figures=(behind, nearer)))
    torso = [INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("shoulder", "hip")]
    assert (both.people[0].visibility[torso] == OCCLUDED).all()
    assert (both.people[1].visibility[torso] == VISIBLE).all()


def test_joints_beyond_the_edge_are_outside() -> None:
    plan = one_person()
    figure = replace(plan.figures[0], x=0.5 * plan.camera.size[0] * -plan.figures[0].z / plan.camera.focal)
    person = draw_scene(replace(plan, figures=(figure,))).people[0]
    assert person.visibility[INDEX["left_shoulder"]] == OUTSIDE
    assert person.visibility[INDEX["right_shoulder"]] == VISIBLE
    assert person.box[2] == pytest.approx(639.5)


def test_keypoints_mark_pixel_centres() -> None:
    """The middle of the eyes of a person who faces us in the middle of the picture is its middle column."""
    person = draw_scene(one_person()).people[0]
    eyes = person.keypoints[[INDEX["left_eye"], INDEX["right_eye"]]]
    assert eyes[:, 0].mean() == pytest.approx(639 / 2, abs=1e-3)
    assert (person.box[0] + person.box[2]) / 2 == pytest.approx(639 / 2, abs=0.76)


@pytest.mark.parametrize("motion", MOTIONS)
def test_clips_move_smoothly(motion: str) -> None:
    frames = list(render_clip(4, (160, 120), frames=14, fps=24, people=1, motion=motion))
    track = np.array([scene.people[0].keypoints for scene in frames])
    height = np.median([scene.people[0].box[3] - scene.people[0].box[1] for scene in frames])
    step = np.linalg.norm(np.diff(track, axis=0), axis=-1)
    assert step.max() < 0.16 * height
    # No joint jumps: the speed itself changes little from frame to frame.
    assert np.linalg.norm(np.diff(track, 2, axis=0), axis=-1).max() < 0.08 * height
    assert step.max() > 0.01 * height


def test_clips_keep_people_and_place() -> None:
    first, second = render_clip(9, (160, 120), frames=2, people=2, motion="wave")
    assert len(first.people) == len(second.people) == 2
    unchanged = (np.abs(first.image.astype(int) - second.image) < 3).all(-1)
    assert unchanged.mean() > 0.9


def test_sample_scenes_show_whole_people() -> None:
    for title, seed in SAMPLE_SEEDS.items():
        people = plan_scene(seed).figures
        assert title.split()[0] == ("No", "One", "Two", "Three", "Four")[len(people)]


def test_dataset_is_coco(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    path = write_dataset(tmp_path / "set", 3, seed=40, size=(120, 90), people=2, progress=lambda *at: told.append(at))
    assert told == [(1, 3), (2, 3), (3, 3)]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(path))
    assert coco.cats[1]["keypoints"] == list(COCO_17.keypoints)
    assert coco.cats[1]["skeleton"][0] == [COCO_17.edges[0][0] + 1, COCO_17.edges[0][1] + 1]
    assert len(coco.imgs) == 3
    for image in coco.imgs.values():
        with Image.open(path.parent / "images" / image["file_name"]) as picture:
            assert picture.size == (120, 90)
    for annotation in coco.anns.values():
        triples = np.array(annotation["keypoints"]).reshape(17, 3)
        assert annotation["num_keypoints"] == np.count_nonzero(triples[:, 2])
        assert not triples[triples[:, 2] == OUTSIDE].any()
        assert min(annotation["bbox"][:2]) >= 0
        assert annotation["iscrowd"] == 0
    scene = render_scene(40, (120, 90), 2)
    first = np.array(coco.anns[1]["keypoints"]).reshape(17, 3)
    inside = first[:, 2] > 0
    np.testing.assert_allclose(first[inside, :2], scene.people[0].keypoints[inside], atol=0.006)


def test_interrupted_dataset_leaves_no_json(tmp_path: Path) -> None:
    def stop(done: int, count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path, 2, size=(64, 64), people=1, progress=stop)
    assert not list(tmp_path.glob("*.json"))
    path = write_dataset(tmp_path, 1, size=(64, 64), people=1)
    assert json.loads(path.read_text())["images"][0]["width"] == 64
    assert [item.name for item in tmp_path.iterdir() if item.is_file()] == ["annotations.json"]
