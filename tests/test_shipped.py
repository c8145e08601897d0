"""The models that are part of posecore find people, with nothing but their own defaults."""

from __future__ import annotations

import numpy as np
import pytest

from posecore import load_model
from posecore.data.annotations import Person
from posecore.data.synthetic import render_scene
from posecore.evaluation import crop_region
from posecore.families import FAMILIES
from posecore.skeleton import COCO_17
from posecore.zoo import list_models

SHIPPED = [info.name for info in list_models() if info.origin == "shipped"]
#: Seeds of drawn scenes.
SCENES = (3, 11, 19, 42)


def test_every_family_that_finds_joints_has_one() -> None:
    assert {info.family for info in list_models() if info.name in SHIPPED} == {
        name for name, family in FAMILIES.items() if not family.finds_boxes
    }


@pytest.mark.parametrize("name", SHIPPED)
def test_people_are_found_where_they_are(name: str) -> None:
    """One person at a time: three quarters of the joints in sight lie within a fifth of the person's height."""
    model = load_model(name)
    near: list[float] = []
    for seed in SCENES:
        scene = render_scene(seed)
        for person in scene.people:
            x0, y0, x1, y1 = person.box.tolist()
            human = Person(person.keypoints, person.visibility.astype(np.uint8), (x0, y0, x1, y1), person.area)
            poses = model(scene.image, region=crop_region(human))
            assert len(poses), f"{name} finds nobody in scene {seed}"
            found = {joint: poses.keypoints[0, index] for index, joint in enumerate(poses.skeleton.keypoints)}
            for joint, truth, known in zip(COCO_17.keypoints, person.keypoints, person.visibility == 2, strict=True):
                if known:
                    distance = float(np.hypot(*(found[joint] - truth)))
                    near.append(float(distance < (person.box[3] - person.box[1]) / 5))
    assert np.mean(near) > 0.75
