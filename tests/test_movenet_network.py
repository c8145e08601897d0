"""MoveNet's networks and their way through ``PoseModel``: sizes, padding, alignment, folding, evidence, loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logit
from torch import nn

from posecore.data.annotations import Label
from posecore.data.truth import Truth
from posecore.drawing.field_values import field_values
from posecore.families.movenet import MOVENET
from posecore.families.movenet.codec import ORIGIN, encode
from posecore.families.movenet.loss import MoveNetLossSettings, chosen_people
from posecore.families.movenet.network import ARCHITECTURES, STRIDE
from posecore.fields import FieldKind, Fields, Provenance
from posecore.imaging import full_region
from posecore.model import PoseModel
from posecore.skeleton import COCO_17, Skeleton

LIGHTNING = "movenet-lightning"
MULTIPOSE = "movenet-multipose"


def random_model(architecture: str = LIGHTNING, **options: Any) -> PoseModel:
    torch.manual_seed(0)
    return PoseModel(f"{architecture}.test", MOVENET, architecture, MOVENET.build(architecture), "random", **options)


def picture(width: int = 120, height: int = 90, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("architecture", list(ARCHITECTURES))
def test_any_multiple_of_32_will_do(architecture: str) -> None:
    network = MOVENET.build(architecture).eval()
    with torch.inference_mode():
        outputs = network(torch.zeros(2, 3, 96, 160))
    assert outputs["centre"].shape == (2, 1, 24, 40)
    assert outputs["heatmaps"].shape == (2, 17, 24, 40)
    assert outputs["regression"].shape == outputs["offsets"].shape == (2, 17, 2, 24, 40)
    assert ("box_size" in outputs) is (architecture == MULTIPOSE)
    with pytest.raises(ValueError, match="multiples of 32"):
        network(torch.zeros(1, 3, 96, 100))


@pytest.mark.parametrize(("architecture", "side"), [(LIGHTNING, 192), ("movenet-thunder", 256), (MULTIPOSE, 256)])
def test_every_architecture_has_its_published_input(architecture: str, side: int) -> None:
    defaults = MOVENET.network_settings(architecture)()
    assert defaults.input_size == side
    assert MOVENET.place((800, 600), None, defaults).input_size == (side, 192 if architecture == MULTIPOSE else side)


def test_folding_batch_norm_changes_nothing() -> None:
    torch.manual_seed(1)
    network = MOVENET.build(MULTIPOSE, fused=False)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 2)
    network.eval()
    pixels = torch.rand(1, 3, 64, 64) * 255
    with torch.inference_mode():
        before = network(pixels)
        after = network.fuse()(pixels)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert set(network.state_dict()) == set(MOVENET.build(MULTIPOSE).state_dict())
    for name, value in before.items():
        assert after[name].numpy() == pytest.approx(value.numpy(), rel=1e-3, abs=1e-3)


def test_a_batch_gives_what_single_pictures_give() -> None:
    model = random_model()
    shots = [picture(seed=seed) for seed in range(3)] + [picture(60, 100, 9)]
    together = model.fields(shots, input_size=96)
    for shot, batched in zip(shots, together, strict=True):
        alone = model.fields(shot, input_size=96)
        assert batched.provenance == alone.provenance
        for ours in batched.maps:
            assert ours.values == pytest.approx(alone[ours.name].values, rel=1e-4, abs=1e-4)


@given(
    st.integers(8, 3000), st.integers(8, 3000), st.sampled_from(["letterbox", "fit", "stretch"]), st.integers(64, 1024)
)
@settings(max_examples=150, deadline=None)
def test_padding_is_undone_exactly(width: int, height: int, way: str, side: int) -> None:
    chosen = MOVENET.network_settings(LIGHTNING)(preprocessing=way, input_size=side)
    transform = MOVENET.place((width, height), None, chosen)
    columns, rows = transform.input_size
    assert columns % 32 == rows % 32 == 0
    points = np.array([[0.0, 0.0], [width - 1, height - 1], [width / 3, height / 7]])
    there = transform.to_input(points)
    assert transform.to_source(there) == pytest.approx(points, abs=1e-9)
    # The whole picture is seen, from edge to edge along the longer side, and in the middle.
    first, last = transform.to_input(np.array([[-0.5, -0.5], [width - 0.5, height - 0.5]]))
    assert (first >= -0.5 - 1e-6).all()
    assert (last <= np.array([columns, rows]) - 0.5 + 1e-6).all()
    assert (first + last) / 2 == pytest.approx(np.array([(columns - 1) / 2, (rows - 1) / 2]), abs=1e-6)
    if way != "stretch":
        assert transform.scale[0] == pytest.approx(transform.scale[1], rel=1e-12)
        longer = 0 if width >= height else 1
        assert last[longer] - first[longer] == pytest.approx(transform.input_size[longer], abs=1e-6)


def test_padding_is_black() -> None:
    chosen = MOVENET.network_settings(LIGHTNING)(input_size=64)
    white = np.full((30, 90, 3), 255, np.uint8)
    pixels = MOVENET.prepare(white, MOVENET.place((90, 30), None, chosen), chosen)
    assert pixels[:20].max() == pixels[-20:].max() == 0
    assert pixels[24:40].min() == 255


def test_a_region_may_reach_outside() -> None:
    fields = random_model().fields(picture(), region=(-50, -60, 206, 196), input_size=256)
    # Cell 0 covers the first four pixels of the region; its middle lies between the second and the third.
    assert fields.to_source("heatmaps", np.array([0, 0])) == pytest.approx((-50 + 1.5, -60 + 1.5))


def fields_of(people: np.ndarray, side: int = 192) -> Fields:
    """Fields of a picture of ``side`` pixels, seen pixel by pixel, whose network has learned its targets by heart."""
    labelled = torch.ones(1, *people.shape[:2], dtype=torch.bool)
    targets = encode(torch.from_numpy(people)[None], labelled, (side // STRIDE, side // STRIDE))
    outputs = {name: value[0].numpy() for name, value in targets.items() if not name.endswith("_mask")}
    for name in ("centre", "heatmaps"):
        outputs[name] = logit(outputs[name].clip(1e-6, 1 - 1e-6)).astype(np.float32)
    chosen = MOVENET.network_settings(MULTIPOSE)(input_size=side)
    transform = MOVENET.place((side, side), None, chosen)
    return Fields(MOVENET.name, MOVENET.maps(outputs, chosen, COCO_17), transform, COCO_17, Provenance("", "", ""))


def people_of(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    places = np.stack(np.meshgrid([50, 140], [50, 140]), -1).reshape(-1, 2)[:count]
    return places[:, None] + rng.uniform(-25, 25, (count, 17, 2))


def test_viewers_draw_a_peak_at_the_pixel_that_decoding_returns() -> None:
    """A keypoint in the very middle of a cell: the drawn map is highest there, and decoding returns it."""
    people = people_of(1)
    people[0, 0] = (37.5, 61.5)
    fields = fields_of(people)
    assert fields.to_source("heatmaps", np.array([9, 15])) == pytest.approx((37.5, 61.5))
    drawn = field_values(fields, "heatmaps", 0)
    rows, columns = np.nonzero(drawn == np.nanmax(drawn))
    assert (columns.mean(), rows.mean()) == pytest.approx((37.5, 61.5), abs=0.51)
    poses, _ = MOVENET.decode(fields, MOVENET.decode_settings(mode="single"))
    assert poses.keypoints[0, 0] == pytest.approx((37.5, 61.5), abs=1e-3)


def test_vectors_end_at_the_keypoint_where_viewers_draw_them() -> None:
    people = people_of(1)
    fields = fields_of(people)
    field = fields["regression"]
    row, column = np.unravel_index(fields["centre"].values[0].argmax(), fields["centre"].values[0].shape)
    tips = field.cell_to_input(np.array([column, row])) + field.values[:, :, row, column] * field.stride
    assert tips == pytest.approx(people[0], abs=1e-3)
    assert field.origin == ORIGIN == 1.5


@pytest.mark.parametrize(("mode", "found"), [("auto", 3), ("multi", 3), ("single", 1)])
def test_from_fields_to_poses(mode: str, found: int) -> None:
    people = people_of(3)
    poses, trace = MOVENET.decode(fields_of(people), MOVENET.decode_settings(mode=mode), trace=True)
    assert len(poses) == found
    assert trace is not None
    for pose, joints in zip(poses.keypoints, trace.poses, strict=True):
        nearest = people[np.abs(people - pose).max((1, 2)).argmin()]
        assert pose == pytest.approx(nearest, abs=1e-2)
        for joint in joints:
            assert joint.steps == ("centre", "regressed", "peak", "refined")
            assert joint.path[-1] == pytest.approx(pose[joint.keypoint], abs=1e-3)
            assert joint.path[1] == pytest.approx(nearest[joint.keypoint], abs=1e-2)
    taken = [candidate for candidate in trace.candidates if candidate.outcome == "taken"]
    assert len(taken) == 17 * found
    lost = [candidate for candidate in trace.candidates if candidate.outcome != "taken"]
    assert len(lost) == 17 * (3 - found)


@pytest.mark.parametrize(
    ("changes", "outcome", "setting"),
    [
        ({"max_poses": 1}, "enough people were found", "max_poses"),
        ({"pose_threshold": 1.0}, "its person scores too low", "pose_threshold"),
        ({"root_threshold": 1.0}, "no centre points here", "search_spread"),
    ],
)
def test_evidence_names_the_setting_that_decided(changes: Any, outcome: str, setting: str) -> None:
    _, trace = MOVENET.decode(fields_of(people_of(2)), MOVENET.decode_settings(**changes), trace=True)
    assert trace is not None
    assert (outcome, setting) in {(candidate.outcome, candidate.setting) for candidate in trace.candidates}


def test_decoding_a_network_without_boxes_finds_several_as_well() -> None:
    people = people_of(3)
    fields = fields_of(people)
    plain = Fields(fields.family, fields.maps[:4], fields.transform, fields.skeleton, fields.provenance)
    assert len(MOVENET.decode(plain, MOVENET.decode_settings(mode="multi"))[0]) == 3
    assert len(MOVENET.decode(plain, MOVENET.decode_settings())[0]) == 1


def test_fields_describe_themselves(tmp_path: Path) -> None:
    fields = random_model(MULTIPOSE).fields(picture(), input_size=96)
    assert [field.kind for field in fields.maps] == [
        FieldKind.CENTRE, FieldKind.REGRESSION, FieldKind.HEATMAP, FieldKind.OFFSETS, FieldKind.BOX, FieldKind.BOX,
    ]  # fmt: skip
    assert {field.units for field in fields.maps if field.is_vector} == {"cells"}
    fields.save(tmp_path / "fields.npz")
    again = Fields.load(tmp_path / "fields.npz")
    for ours, theirs in zip(fields.maps, again.maps, strict=True):
        assert np.array_equal(ours.values, theirs.values)


def test_a_custom_skeleton_has_its_own_channels_and_takes_over_known_ones() -> None:
    skeleton = Skeleton("stick", ("head", "nose"), ((0, 1),))
    old, fresh = MOVENET.build(LIGHTNING).state_dict(), MOVENET.build(LIGHTNING, skeleton).state_dict()
    adapted = MOVENET.adapt(old, COCO_17, fresh, skeleton)
    for head, count in (("heatmaps", 1), ("regression", 2), ("offsets", 2)):
        weight = adapted[f"heads.{head}.output.conv.weight"]
        assert torch.equal(weight[:count], fresh[f"heads.{head}.output.conv.weight"][:count])
        assert torch.equal(weight[count:], old[f"heads.{head}.output.conv.weight"][:count])
    assert torch.equal(adapted["backbone.stem.conv.weight"], old["backbone.stem.conv.weight"])
    network = MOVENET.build(LIGHTNING, skeleton)
    network.load_state_dict(adapted)
    model = PoseModel("stick", MOVENET, LIGHTNING, network, "random", skeleton=skeleton)
    assert model(picture(), input_size=64, pose_threshold=0).keypoints.shape[1:] == (2, 2)


def truth_of(people: np.ndarray, side: int = 192, labels: np.ndarray | None = None) -> Truth:
    count = len(people)
    given_labels = np.full((1, *people.shape[:2]), Label.VISIBLE, np.uint8) if labels is None else labels
    low, high = people.min(1) - 10, people.max(1) + 10
    corners = np.stack([low, np.stack([high[:, 0], low[:, 1]], -1), high, np.stack([low[:, 0], high[:, 1]], -1)], 1)
    return Truth(
        torch.from_numpy(people[None].astype(np.float32)),
        torch.from_numpy(given_labels),
        torch.from_numpy(corners[None].astype(np.float32)),
        torch.full((1, 1, 4, 2), torch.nan),
        torch.zeros(1, count, dtype=torch.uint8),
        torch.zeros(1, 1, dtype=torch.uint8),
        torch.zeros(1, side, side, dtype=torch.uint8),
    )


def perfect_outputs(truth: Truth, grid: int = 48) -> dict[str, torch.Tensor]:
    targets = encode(truth.keypoints, truth.labelled, (grid, grid))
    outputs = {name: value for name, value in targets.items() if not name.endswith("_mask")}
    for name in ("centre", "heatmaps"):
        outputs[name] = torch.logit(outputs[name].clamp(1e-6, 1 - 1e-6))
    return outputs


@pytest.mark.parametrize("kind", ["focal", "mse"])
def test_loss_is_least_at_the_truth_and_every_term_teaches(kind: str) -> None:
    truth = truth_of(people_of(2))
    chosen, judged = MOVENET.network_settings(MULTIPOSE)(), MoveNetLossSettings(heatmap_loss=kind)
    perfect = MOVENET.loss(perfect_outputs(truth), truth, COCO_17, chosen, judged)
    torch.manual_seed(0)
    network = MOVENET.build(MULTIPOSE, fused=False)
    terms = MOVENET.loss(network(torch.rand(1, 3, 192, 192) * 255), truth, COCO_17, chosen, judged)
    assert set(terms) == {"centre", "heatmaps", "regression", "offsets", "bones", "box_size", "box_offset"}
    for name, term in terms.items():
        assert float(term.count) > 0
        assert float(term.total.detach()) > 10 * float(perfect[name].total) >= 0, name
    sum(term.weight * term.total / term.count for term in terms.values()).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_what_is_not_known_has_no_loss() -> None:
    people = people_of(1)
    labels = np.full((1, 1, 17), Label.VISIBLE, np.uint8)
    labels[0, 0, 3] = Label.UNLABELLED
    truth = truth_of(people, labels=labels)
    outputs = perfect_outputs(truth)
    x, y = ((people[0, 3] - ORIGIN) / STRIDE).round().astype(int)
    settings_class, judged = MOVENET.network_settings(LIGHTNING)(), MoveNetLossSettings()
    before = MOVENET.loss(outputs, truth, COCO_17, settings_class, judged)
    outputs["heatmaps"][0, 3, y, x] = 9.0
    outputs["regression"][0, 3] += 5
    after = MOVENET.loss(outputs, truth, COCO_17, settings_class, judged)
    for name, term in before.items():
        assert float(after[name].total) == pytest.approx(float(term.total), abs=1e-6), name


def test_the_person_to_learn() -> None:
    people = np.stack([people_of(1)[0] * 0.2 + 80, people_of(1)[0] * 1.5, people_of(1)[0]])
    truth = truth_of(people)
    assert chosen_people(truth, (192, 192), "all") is None
    assert chosen_people(truth, (192, 192), "central").tolist() == [[True, False, False]]
    assert chosen_people(truth, (192, 192), "largest").tolist() == [[False, True, False]]


def test_training_sides_are_multiples_of_32() -> None:
    chosen = MOVENET.network_settings(LIGHTNING)()
    assert [MOVENET.training_side(side, chosen) for side in (1, 200, 250)] == [32, 192, 256]


def test_whole_picture_and_its_region_agree() -> None:
    model = random_model()
    shot = picture(100, 60)
    whole, region = model.fields(shot, input_size=96), model.fields(shot, full_region((100, 60)), input_size=96)
    assert np.array_equal(whole["heatmaps"].values, region["heatmaps"].values)
