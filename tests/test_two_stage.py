"""Models of two stages: people are found, then each is looked at closely."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from posecore.cli import app
from posecore.cli.settings import model_controls
from posecore.errors import SettingsError, SkeletonError, UnknownModelError, WeightsError
from posecore.evaluation.predictions import protocol_settings
from posecore.families import FAMILIES
from posecore.families.movenet import MOVENET
from posecore.families.posenet import POSENET
from posecore.families.trace import Trace
from posecore.fields import Fields
from posecore.imaging import full_region, square_around_box
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.settings import controls
from posecore.skeleton import COCO_17, LSP_14, Skeleton
from posecore.two_stage import TwoStageModel, stages_of
from posecore.two_stage.settings import NOT_OF_FINDER, finder_name
from posecore.two_stage.views import View, square_around, views_of
from posecore.video import CropSettings, crop_settings
from posecore.video.finding import Finder
from posecore.zoo import fetch_model, load_model, model_info, remove_model, resolve_name, verify_model
from tests.pose_support import poses_from

SIZE = (320, 240)
PICTURE = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
SHIPPED = "posenet-mobilenet_v1-075.posecore+movenet-lightning.posecore"


def plain_model(family: Any, architecture: str, skeleton: Skeleton = COCO_17) -> PoseModel:
    torch.manual_seed(0)
    return PoseModel(
        f"{architecture}.random",
        family,
        architecture,
        family.build(architecture, skeleton),
        "0" * 16,
        skeleton=skeleton,
        device="cpu",
    )


FINDER = plain_model(POSENET, "posenet-mobilenet_v1-050")
CLOSER = plain_model(MOVENET, "movenet-lightning")


def _remembering(run: Any) -> Any:
    """A network that runs once for every size of input: what it says is not looked at."""
    known: dict[Any, Any] = {}

    def remembered(pixels: Any, values: Any) -> Any:
        if pixels.shape[1:] not in known:
            known[pixels.shape[1:]] = run(pixels[:1], values)
        outputs, way = known[pixels.shape[1:]]
        return {name: np.repeat(value, len(pixels), 0) for name, value in outputs.items()}, way

    return remembered


class Knowing:
    """Makes both models of a joined one say where ``people`` ``(P, K, 2)`` really are, as far as they are in view.

    ``finder`` is how exactly the first one knows it.
    """

    def __init__(self, model: TwoStageModel, people: np.ndarray, finder: float = 0.0) -> None:
        self.model, self.people, self.runs = model, people, {"finder": 0, "closer": 0}
        self.noise = np.random.default_rng(0).normal(0, 1, people.shape) * finder
        self._patched = (model.finder, model.closer)

    def __enter__(self) -> Knowing:
        for name, one in zip(self.runs, self._patched, strict=True):
            one.fields = self._counted(name, type(one).fields.__get__(one))  # type: ignore[method-assign]
            one.runner.run = _remembering(one.runner.run)  # type: ignore[method-assign]
        self.model.finder._decode = self._found  # type: ignore[method-assign,assignment]
        self.model.closer._decode = self._seen  # type: ignore[method-assign,assignment]
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._patched:
            del one.fields, one._decode, one.runner.run

    def _counted(self, name: str, run: Any) -> Any:
        def fields(image: Any, region: Any = None, **rest: Any) -> Any:
            self.runs[name] += len(image) if isinstance(image, list) else 1
            return run(image, region, **rest)

        return fields

    def _poses(self, keypoints: np.ndarray, who: list[int], fields: Fields) -> Poses:
        """Those of ``keypoints`` who are asked for; the first of all is the surest."""
        scores = np.full((len(who), keypoints.shape[1]), 0.9) - 0.05 * np.array(who, float)[:, None]
        return poses_from(keypoints[who], scores, scores.mean(1), self.model.skeleton, fields.transform.image_size)

    def _found(self, fields: Fields, decode: Any, trace: bool) -> tuple[Poses, None]:
        everybody = list(range(len(self.people)))
        return self._poses(self.people + self.noise, everybody, fields).filter(decode.pose_threshold), None

    def _seen(self, fields: Fields, decode: Any, trace: bool) -> tuple[Poses, Trace]:
        """Of those who are wholly in view, the one nearest to its middle."""
        x0, y0, x1, y1 = fields.provenance.region or full_region(fields.transform.image_size)
        places = self.people + 0.5
        inside = ((places >= (x0, y0)) & (places <= (x1, y1))).all((1, 2))
        middle = (places.min(1) + places.max(1)) / 2 - ((x0 + x1) / 2, (y0 + y1) / 2)
        away = np.where(inside, np.linalg.norm(middle, axis=1), np.inf)
        best = [int(away.argmin())] if inside.any() else []
        return self._poses(self.people, best, fields), Trace(((),) * len(best))


def crowd(count: int, seed: int) -> np.ndarray:
    """People ``(P, K, 2)`` side by side, each of another size."""
    random = np.random.default_rng(seed)
    width = SIZE[0] / count
    people = random.uniform(0, 1, (count, 17, 2)) * [0.8 * width, 1] * random.uniform(0.5, 1, (count, 1, 1))
    people[..., 1] *= min(0.9 * SIZE[1], 3 * width)
    return people + [0, 10] + width * np.stack([np.arange(count), np.zeros(count)], 1)[:, None]


@pytest.mark.parametrize(("count", "seed"), [(1, 0), (2, 1), (3, 2), (6, 3)])
def test_exact_models_make_an_exact_one(count: int, seed: int) -> None:
    model = TwoStageModel(FINDER, CLOSER)
    people = crowd(count, seed)
    with Knowing(model, people):
        poses = model(PICTURE, input_size=64, finder_input_size=65)
    assert len(poses) == count
    order = np.argsort(poses.keypoints[:, :, 0].mean(1))
    expected = people[np.argsort(people[:, :, 0].mean(1))]
    np.testing.assert_allclose(poses.keypoints[order], expected, atol=1e-3)


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_the_second_stage_mends_a_rough_finder(seed: int) -> None:
    model = TwoStageModel(FINDER, CLOSER)
    people = crowd(2, seed)
    size = (people.max(1) - people.min(1)).max()
    with Knowing(model, people, finder=0.02 * size):
        poses = model(PICTURE, input_size=64, finder_input_size=65)
    found = {tuple(np.round(one.mean(0), 1)) for one in poses.keypoints}
    assert found == {tuple(np.round(one.astype(np.float32).mean(0), 1)) for one in people}


def test_views_of_all_pictures_go_through_the_second_network_together(monkeypatch: pytest.MonkeyPatch) -> None:
    model = TwoStageModel(FINDER, CLOSER)
    sizes = []

    def counted(run: Any) -> Any:
        def running(pixels: Any, values: Any) -> Any:
            sizes.append(len(pixels))
            return run(pixels, values)

        return running

    with Knowing(model, crowd(3, 1)) as known:
        monkeypatch.setattr(CLOSER.runner, "run", counted(CLOSER.runner.run))
        several = model.fields([PICTURE, PICTURE], input_size=64, finder_input_size=65)
        monkeypatch.undo()
    assert known.runs == {"finder": 2, "closer": 6}
    assert sizes == [6]
    assert [len(fields.close_ups) for fields in several] == [3, 3]


def test_thresholds_of_the_second_stage_run_no_network() -> None:
    model = TwoStageModel(FINDER, CLOSER)
    with Knowing(model, crowd(3, 2)) as known:
        fields = model.fields(PICTURE, input_size=64, finder_input_size=65)
        before = dict(known.runs)
        counts = [len(model.decode(fields, pose_threshold=value)) for value in (0.0, 0.83, 0.88, 0.95)]
        assert counts == [3, 2, 1, 0]
        assert known.runs == before


def test_the_finders_thresholds_decide_who_is_looked_at() -> None:
    model = TwoStageModel(FINDER, CLOSER)
    with Knowing(model, crowd(3, 2)):
        counts = [
            len(model.fields(PICTURE, input_size=64, finder_input_size=65, finder_pose_threshold=value).close_ups)
            for value in (0.0, 0.83, 0.95)
        ]
    assert counts == [3, 2, 0]


def test_nobody_found_is_nobody() -> None:
    model = TwoStageModel(FINDER, CLOSER)
    with Knowing(model, crowd(2, 3)):
        poses, trace = model.decode(
            model.fields(PICTURE, finder_pose_threshold=1.0, input_size=64, finder_input_size=65), trace=True
        )
    assert len(poses) == 0
    assert poses.skeleton == COCO_17
    assert trace.people == ()


def test_one_person_found_twice_is_one_and_the_trace_says_so() -> None:
    model = TwoStageModel(FINDER, CLOSER)
    person = crowd(1, 4)
    # The second of the finder's people is half as large, as one of whom it missed the limbs.
    halves = np.concatenate([person, person.mean(1, keepdims=True) + (person - person.mean(1, keepdims=True)) / 2])
    with Knowing(model, person):
        model.finder._decode = lambda fields, decode, trace: (  # type: ignore[method-assign,assignment]
            Poses(halves, np.full((2, 17), 0.5), np.array([0.6, 0.5]), COCO_17, SIZE),
            None,
        )
        fields = model.fields(PICTURE, input_size=64, finder_input_size=65, crop_expand=4.0)
        poses, trace = model.decode(fields, trace=True)
        both = model.decode(fields, same_person=0.0)
    assert len(fields.close_ups) == 2
    assert len(poses) == 1
    assert len(both) == 2
    assert [(one.outcome, one.setting, one.pose) for one in trace.people] == [
        ("taken", None, 0),
        ("is person 1 again", "same_person", None),
    ]
    assert [one.found_score for one in trace.people] == pytest.approx([0.6, 0.5])


def test_real_networks_tell_the_way_of_every_joint() -> None:
    model = TwoStageModel(FINDER, CLOSER)
    view = [View((0.0, 0.0, 160.0, 160.0)), View((100.0, 20.0, 300.0, 220.0), 0.4)]
    (fields,) = model.look_at([PICTURE], [view], input_size=64)
    poses, trace = model.decode(fields, pose_threshold=0.0, keypoint_threshold=0.0, same_person=0.0, trace=True)
    assert len(poses) == len(trace.poses) == len(trace.people) == 2
    for person, joints in enumerate(trace.poses):
        np.testing.assert_allclose([j.path[-1] for j in joints], poses.keypoints[person], atol=1e-3)
    assert poses.scores.tolist() == sorted(poses.scores.tolist(), reverse=True)
    np.testing.assert_allclose(poses.scores, poses.keypoint_scores.mean(1), rtol=1e-6)
    for one, asked in zip(trace.people, view, strict=True):
        assert (one.region, one.found_score) == (asked.region, asked.score)


def test_each_view_is_what_the_second_model_says_alone() -> None:
    model = TwoStageModel(FINDER, CLOSER)
    picture = np.random.default_rng(0).integers(0, 255, PICTURE.shape, np.uint8)
    region = (10.0, 20.0, 110.0, 120.0)
    (fields,) = model.look_at([picture], [[View(region)]], input_size=64)
    alone = CLOSER.fields(picture, region, input_size=64)
    for joined, own in zip(fields.close_ups[0].fields.maps, alone.maps, strict=True):
        np.testing.assert_allclose(joined.values, own.values, atol=1e-5)
    poses = model.decode(fields, pose_threshold=0.0)
    np.testing.assert_allclose(poses.keypoints, CLOSER.decode(alone, pose_threshold=0.0).keypoints, atol=1e-3)


def test_fields_with_close_ups_are_saved_and_read(tmp_path: Path) -> None:
    model = TwoStageModel(FINDER, CLOSER)
    (fields,) = model.look_at([PICTURE], [[View((0.0, 0.0, 90.0, 90.0), 0.25)]], input_size=64)
    fields.save(tmp_path / "fields.npz")
    again = Fields.load(tmp_path / "fields.npz")
    assert again.close_ups[0].score == 0.25
    whole = (tmp_path / "fields.npz").read_bytes()
    no_json: Any = {"network": object()}
    with pytest.raises(TypeError):
        replace(fields, timings=no_json).save(tmp_path / "fields.npz")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("fields.npz", whole)]
    assert again.close_ups[0].fields.provenance == fields.close_ups[0].fields.provenance
    assert again.nbytes == fields.nbytes > 0
    first, second = (model.decode(one, pose_threshold=0.0) for one in (fields, again))
    np.testing.assert_array_equal(first.keypoints, second.keypoints)


def test_provenance_names_both_models_and_tells_settings_apart() -> None:
    model = TwoStageModel(FINDER, replace_weights(CLOSER, "1" * 16))
    source = model.provenance("picture")
    assert source.model == "posenet-mobilenet_v1-050.random+movenet-lightning.random"
    assert source.weights == "0" * 16 + "+" + "1" * 16
    keys = {
        model.provenance("picture", **changed).key
        for changed in ({}, {"input_size": 64}, {"finder_input_size": 65}, {"finder_pose_threshold": 0.5})
    }
    assert len(keys) == 4
    places = ([View((0.0, 0.0, 90.0, 90.0))], [View((1.0, 0.0, 90.0, 90.0))])
    known = [model.look_at([PICTURE], [views], input_size=64)[0].provenance.key for views in places]
    assert len(set(known)) == 2


def replace_weights(model: PoseModel, weights: str) -> PoseModel:
    return PoseModel(model.name, model.family, model.architecture, model.network, weights, device="cpu")


def test_settings_of_both_are_offered_under_names_of_their_own() -> None:
    model = TwoStageModel(FINDER, CLOSER)
    network = {control.name: control for control in controls(model.network_settings_class)}
    decode = {control.name: control for control in controls(model.decode_settings_class)}
    assert not network.keys() & decode.keys()
    assert network["input_size"].default == 192
    assert network["finder_input_size"].default == 513
    assert network["finder_input_size"].applies({"finder_input_by": "side"})
    assert not network["finder_input_size"].applies({"finder_input_by": "scale"})
    assert network["finder_pose_threshold"].default < FINDER.decode_settings().pose_threshold
    assert set(decode) == {"calibrated", "pose_threshold", "keypoint_threshold", "same_person", "distance_offset"}
    with pytest.raises(SettingsError, match="finder_input_size"):
        model.network_settings(finder_input_sise=65)
    with pytest.raises(SettingsError, match="pose_threshold"):
        model.decode_settings(pose_treshold=0.1)


def test_what_the_models_were_given_is_what_each_is_told() -> None:
    torch.manual_seed(0)
    finder = PoseModel(
        "finder",
        POSENET,
        "posenet-mobilenet_v1-050",
        FINDER.network,
        "0" * 16,
        device="cpu",
        network_settings={"output_stride": 8},
    )
    model = TwoStageModel(finder, CLOSER, network_settings={"input_size": 64})
    assert model.network_defaults.model_dump()["finder_output_stride"] == 8
    network, decode = model.finder_settings({"finder_input_size": 129, "finder_nms_radius": 7.0})
    assert (network["output_stride"], network["input_size"], decode["nms_radius"]) == (8, 129, 7.0)
    network, decode = model.closer_settings({}, {"distance_offset": 3.0})
    assert (network["input_size"], decode["distance_offset"]) == (64, 3.0)


def test_every_setting_of_a_joined_model_has_a_flag() -> None:
    flags = model_controls()
    for family in FAMILIES.values():
        for name, architecture in family.architectures.items():
            if family.follower(name, family.decode_settings()) is not None:
                continue
            names = [*family.network_settings(architecture.name).model_fields, *family.decode_settings.model_fields]
            assert {finder_name(one) for one in names if one not in NOT_OF_FINDER} <= flags.keys()
    assert {"crop_expand", "same_person"} <= flags.keys()


def test_protocols_set_the_finders_size_and_leave_the_others() -> None:
    model = TwoStageModel(FINDER, CLOSER)
    for protocol, side in (("full", POSENET.picture_side), ("crops", POSENET.crop_side)):
        network, decode = protocol_settings(model, protocol)  # type: ignore[arg-type]
        assert network["finder_input_size"] == side
        assert network["input_size"] == 192
        assert decode["keypoint_threshold"] == 0.0


def test_models_that_cannot_be_joined_are_refused() -> None:
    with pytest.raises(UnknownModelError, match="one person at most"):
        TwoStageModel(CLOSER, CLOSER)
    with pytest.raises(UnknownModelError, match="made for several people"):
        TwoStageModel(FINDER, FINDER)
    hands = Skeleton("hands", ("wrist", "thumb", "finger"), ((0, 1), (0, 2)))
    with pytest.raises(SkeletonError, match="none in common"):
        TwoStageModel(FINDER, plain_model(MOVENET, "movenet-lightning", hands))


def test_a_second_stage_of_another_skeleton_gives_its_own_joints() -> None:
    model = TwoStageModel(FINDER, plain_model(MOVENET, "movenet-lightning", LSP_14))
    (fields,) = model.look_at([PICTURE], [[View((0.0, 0.0, 90.0, 90.0))]], input_size=64)
    poses = model.decode(fields, pose_threshold=0.0)
    assert poses.skeleton == LSP_14
    assert poses.keypoints.shape == (1, 14, 2)


def test_what_needs_one_network_says_that_there_are_two() -> None:
    model = TwoStageModel(FINDER, CLOSER)
    for name in ("family", "architecture", "network"):
        with pytest.raises(SettingsError, match="two models joined"):
            getattr(model, name)
    with pytest.raises(AttributeError):
        model.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("posenet-mobilenet_v1-075+", "does not name two models"),
        ("+movenet-lightning", "does not name two models"),
        ("posenet-mobilenet_v1-075+movenet-lightning+movenet-thunder", "does not name two models"),
        ("posenet-mobilenet_v1-075+movenet-lighting", "movenet-lightning"),
        ("posnet-mobilenet_v1-075+movenet-lightning", "posenet-mobilenet_v1-075"),
        ("movenet-lightning+movenet-lightning", "one person at most"),
        ("posenet-mobilenet_v1-075+openpose-mobilenet_thin", "made for several people"),
    ],
)
def test_wrong_names_say_what_is_meant(home: Path, name: str, words: str) -> None:
    with pytest.raises(UnknownModelError, match=words.replace("+", r"\+")):
        load_model(name)


def test_joined_models_are_found_and_loaded_by_name(home: Path, tmp_path: Path) -> None:
    info = resolve_name("posenet-mobilenet_v1-075 + movenet-lightning")
    assert info.name == SHIPPED
    assert info.available
    assert [stage.name for stage in info.stages] == SHIPPED.split("+")
    assert info.size_bytes == sum(stage.size_bytes for stage in info.stages)
    model = load_model("posenet-mobilenet_v1-075+movenet-lightning", finder_input_size=129)
    assert isinstance(model, TwoStageModel)
    assert model.name == SHIPPED
    assert model.network_defaults.model_dump()["finder_input_size"] == 129
    with pytest.raises(WeightsError, match="holds one"):
        load_model(SHIPPED, weights=tmp_path / "own.safetensors")
    for act in (fetch_model, verify_model, remove_model, model_info):
        with pytest.raises(UnknownModelError, match="one by one"):
            act(SHIPPED)


def test_squares_hold_the_joints_and_leave_room() -> None:
    joints = np.array([[10.0, 20.0], [30.0, 60.0], [np.nan, np.nan]])
    x0, y0, x1, y1 = square_around(joints, 1.5) or (0, 0, 0, 0)
    assert (x1 - x0, y1 - y0) == (60.0, 60.0)
    assert ((x0 + x1) / 2 - 0.5, (y0 + y1) / 2 - 0.5) == (20.0, 40.0)
    assert square_around(joints[1:], 1.5) is None
    assert square_around(joints[:0], 1.5) is None
    assert square_around_box((10.0, 20.0, 30.0, 60.0), 1.25) == (-5.0, 15.0, 45.0, 65.0)


def test_nearly_the_same_square_is_looked_at_once() -> None:
    one = crowd(1, 7)
    people = np.concatenate([one + 200, one, one + 0.5])
    scores = np.array([0.3, 0.5, 0.9])
    poses = Poses(people, np.repeat(scores[:, None], 17, 1), scores, COCO_17, (640, 480))
    assert [person for person, _ in views_of(poses, 1.5)] == [2, 0]


def test_the_command_takes_a_joined_model(home: Path, tmp_path: Path) -> None:
    from PIL import Image

    from posecore.data.synthetic import render_scene

    Image.fromarray(render_scene(155).image).save(tmp_path / "scene.png")
    name = "posenet-mobilenet_v1-075+movenet-lightning"
    arguments = ["image", str(tmp_path / "scene.png"), "-m", name, "-o", str(tmp_path / "out"), "--save", "json,fields"]
    result = CliRunner().invoke(app, [*arguments, "--finder-input-size", "257", "--same-person", "0.2"])
    assert result.exit_code == 0, result.output
    poses = Poses.from_json((tmp_path / "out" / "scene.json").read_text())
    assert poses.made_by is not None
    assert poses.made_by.model == SHIPPED
    assert poses.made_by.network_settings["finder_input_size"] == 257
    assert poses.made_by.decode_settings["same_person"] == 0.2
    fields = Fields.load(tmp_path / "out" / "scene.npz")
    again = load_model(name).decode(fields, same_person=0.2)
    np.testing.assert_allclose(again.keypoints, poses.keypoints, atol=1e-4)
    refused = CliRunner().invoke(app, ["image", str(tmp_path / "scene.png"), "-m", f"{name}+movenet-thunder"])
    assert refused.exit_code != 0


def test_every_stage_is_what_its_model_says_alone() -> None:
    model = TwoStageModel(FINDER, CLOSER)
    picture = np.random.default_rng(1).integers(0, 255, PICTURE.shape, np.uint8)
    asked: dict[str, Any] = {"input_size": 64, "finder_input_size": 129}
    with Knowing(model, crowd(2, 5)):
        fields = model.fields(picture, **asked)
        stages = stages_of(model, fields, {"pose_threshold": 0.87})
    assert [stage.title for stage in stages] == ["Finder", "Person 1", "Left out 1"]
    finder, person, left_out = stages
    alone = FINDER.fields(picture, input_size=129)
    assert finder.fields.provenance == alone.provenance
    assert finder.person is None
    np.testing.assert_allclose(finder.fields["heatmaps"].values, alone["heatmaps"].values, atol=1e-5)
    assert finder.settings["pose_threshold"] == model.network_settings().model_dump()["finder_pose_threshold"]
    assert person.model is left_out.model is CLOSER
    assert person.person is not None
    assert left_out.person is not None
    assert (person.person.outcome, left_out.person.setting) == ("taken", "pose_threshold")
    # Who is left out is explained too.
    assert len(CLOSER.decode(left_out.fields, **left_out.settings)) == 1
    assert stages_of(model, model.look_at([picture], [[]])[0], {}) == []


def walking(frames: int) -> list[np.ndarray]:
    """Two people ``(2, 17, 2)`` frame after frame, one of them on the way to the right."""
    people = crowd(2, 6) * 0.5 + 20
    return [people + np.array([[[4.0 * frame, 0]], [[0, 0]]]) for frame in range(frames)]


def follow(every: int, frames: list[np.ndarray], **settings: Any) -> tuple[Knowing, list[Poses], list[int]]:
    """Who is found in each frame, and when the finder ran."""
    model = TwoStageModel(FINDER, CLOSER)
    network = {"input_size": 64, "finder_input_size": 65}
    finder, found, searched = Finder(model), [], []
    with Knowing(model, frames[0]) as known:
        for number, people in enumerate(frames):
            known.people, known.noise = people, np.zeros_like(people)
            before = known.runs["finder"]
            crop = finder.crops(CropSettings(find_every=every, **settings), {}, network)
            (fields,) = finder.fields([PICTURE], [str(number)], network, crop)
            found.append(finder.decode(fields, {}, crop))
            searched += [number] * (known.runs["finder"] - before)
    return known, found, searched


def test_in_a_sequence_the_finder_runs_now_and_then() -> None:
    frames = walking(9)
    for every, expected in ((1, list(range(9))), (4, [0, 4, 8]), (100, [0])):
        known, found, searched = follow(every, frames)
        assert searched == expected
        # Whoever is known is looked at once, also where the finder finds them again.
        assert known.runs["closer"] == 2 * len(frames)
        for poses, people in zip(found, frames, strict=True):
            order = np.argsort(poses.keypoints[..., 0].mean(1))
            np.testing.assert_allclose(poses.keypoints[order], people[np.argsort(people[..., 0].mean(1))], atol=1e-3)


def test_whoever_is_lost_or_new_is_searched_for() -> None:
    frames = walking(6)
    gone = [frames[0], frames[1], frames[2][1:], frames[3][1:], frames[4], frames[5]]
    _, found, searched = follow(4, gone)
    # Lost in frame 2, so the next one is searched; who is back in frame 4 is seen at the next search.
    assert searched == [0, 3]
    assert [len(poses) for poses in found] == [2, 2, 1, 1, 1, 1]
    _, found, searched = follow(4, [frames[0][:0]] * 3 + frames[:2])
    assert searched == [0, 1, 2, 3]
    assert [len(poses) for poses in found] == [0, 0, 0, 2, 2]


def test_without_smart_crop_every_frame_is_searched() -> None:
    _, _, searched = follow(4, walking(3), smart_crop=False)
    assert searched == [0, 1, 2]


def test_settings_of_cropping_are_offered_where_they_have_an_effect() -> None:
    assert crop_settings(TwoStageModel(FINDER, CLOSER), {}) == ("smart_crop", "find_every")
    assert crop_settings(CLOSER, {}) == ("smart_crop",)
    assert crop_settings(FINDER, {}) == ()
