"""OpenPose's networks: layouts, folding, statistics, scales, mirror images, and their way through ``PoseModel``."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from posecore.data.annotations import Label
from posecore.data.truth import Truth
from posecore.errors import SettingsError
from posecore.families.backbones import ImageNorm, resize_legacy
from posecore.families.openpose import OPENPOSE, SIDE_STEP
from posecore.families.openpose.codec import LIMBS, encode, limbs_of
from posecore.families.openpose.loss import OpenPoseLossSettings
from posecore.families.openpose.network import ARCHITECTURES, Mirror, OpenPose
from posecore.fields import FieldKind, Fields
from posecore.imaging import InputTransform, stretch
from posecore.model import PoseModel
from posecore.skeleton import COCO_17, OPENPOSE_18, Skeleton
from tests.oracles.scenes import scene, with_neck

pytestmark = pytest.mark.usefixtures("one_thread")

FAST = "openpose-mobilenet_v2_small"
STICK = Skeleton("stick", ("head", "left_hand", "right_hand"), ((0, 1), (0, 2)), ((1, 2),))


def random_model(architecture: str = FAST, skeleton: Skeleton = OPENPOSE_18, **options: Any) -> PoseModel:
    torch.manual_seed(0)
    network = OPENPOSE.build(architecture, skeleton)
    return PoseModel(f"{architecture}.test", OPENPOSE, architecture, network, "random", skeleton=skeleton, **options)


def picture(width: int = 120, height: int = 90, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def shaken(network: nn.Module) -> nn.Module:
    """Weights and statistics as training might leave them."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return network.eval()


def channels_of(network: OpenPose) -> list[int]:
    return [module.out_channels for module in network.features.modules() if isinstance(module, nn.Conv2d)]


@pytest.mark.parametrize("architecture", list(ARCHITECTURES))
def test_every_architecture_gives_its_grid_and_stages(architecture: str) -> None:
    with torch.device("meta"):
        network = OPENPOSE.build(architecture, OPENPOSE_18)
        found = network(torch.zeros(2, 3, 64, 96), every=True)
    stride = ARCHITECTURES[architecture].output_strides[0]
    assert len(found) == (5 if stride == 4 else 6)
    for fields, heatmaps in found:
        assert fields.shape == (2, 19, 2, 64 // stride, 96 // stride)
        assert heatmaps.shape == (2, 19, 64 // stride, 96 // stride)


def test_published_widths() -> None:
    with torch.device("meta"):
        features = {name: OPENPOSE.build(name, OPENPOSE_18).features.outputs for name in ARCHITECTURES}
    assert features == {
        "openpose-cmu": 128,
        "openpose-dsconv": 128,
        "openpose-mobilenet": 528,
        "openpose-mobilenet_fast": 352,
        "openpose-mobilenet_accurate": 704,
        "openpose-mobilenet_thin": 864,
        "openpose-mobilenet_v2_large": 184,
        "openpose-mobilenet_v2_small": 64,
    }
    with torch.device("meta"):
        cmu = OPENPOSE.build("openpose-cmu", OPENPOSE_18)
    assert channels_of(cmu) == [64, 64, 128, 128, 256, 256, 256, 256, 512, 512, 256, 128]
    assert sum(p.numel() for p in cmu.parameters()) == 52_311_446


@pytest.mark.parametrize(
    "architecture", ["openpose-mobilenet_fast", "openpose-mobilenet_thin", FAST, "openpose-dsconv"]
)
def test_folding_batch_norm_changes_nothing(architecture: str) -> None:
    torch.manual_seed(1)
    network: Any = shaken(OPENPOSE.build(architecture, STICK, fused=False))
    pixels = torch.rand(2, 3, 48, 64) * 255
    with torch.inference_mode():
        before = network(pixels, every=True)
        after = copy.deepcopy(network).fuse()(pixels, every=True)
    for ours, theirs in zip(itertools.chain(*before), itertools.chain(*after), strict=True):
        assert theirs.numpy() == pytest.approx(ours.numpy(), rel=1e-3, abs=1e-3)
    fused = network.fuse().state_dict()
    expected = OPENPOSE.build(architecture, STICK).state_dict()
    assert {name: value.shape for name, value in fused.items()} == {n: v.shape for n, v in expected.items()}


def test_separable_convolutions_have_nothing_between_their_halves() -> None:
    block: Any = OPENPOSE.build("openpose-mobilenet_thin", OPENPOSE_18, fused=False).get_submodule("stages.1.fields.0")
    assert block.depthwise.norm is None
    assert block.depthwise.conv.bias is None
    assert block.depthwise.activation is None
    assert isinstance(block.pointwise.norm, nn.BatchNorm2d)
    assert block.pointwise.norm.eps == pytest.approx(1e-3)
    network = OPENPOSE.build("openpose-mobilenet_thin", OPENPOSE_18, fused=False)
    fields: Any = network.get_submodule("stages.1.fields")
    assert fields[-1].pointwise.activation is None
    assert isinstance(fields[-1].pointwise.norm, nn.BatchNorm2d)


def test_statistics_of_a_picture_are_its_own_in_a_batch() -> None:
    torch.manual_seed(2)
    network = OPENPOSE.build(FAST, STICK)
    state = network.state_dict()
    for name in state:
        if name.endswith("norm.active"):
            state[name] = torch.ones(())
    network.load_state_dict(state)
    network.eval()
    assert sum(isinstance(module, ImageNorm) for module in network.modules()) == 39
    dark, bright = torch.rand(1, 3, 48, 64) * 60, torch.rand(1, 3, 48, 64) * 255
    with torch.inference_mode():
        together = network(torch.cat((dark, bright)))[0][1]
        alone = [network(pixels)[0][1] for pixels in (dark, bright)]
    assert together.numpy() == pytest.approx(torch.cat(alone).numpy(), abs=1e-4)


def test_picture_statistics_are_switched_by_the_state() -> None:
    norm = ImageNorm(3)
    x = torch.randn(2, 3, 4, 5) * 3 + 7
    assert norm(x) is x
    norm.load_state_dict({"weight": torch.full((3,), 2.0), "bias": torch.ones(3), "active": torch.ones(())})
    expected = (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), keepdim=True, correction=0) + 1e-3).sqrt() * 2 + 1
    assert norm(x).detach().numpy() == pytest.approx(expected.numpy(), abs=1e-4)


def test_legacy_resizing_starts_at_the_first_cell() -> None:
    x = torch.arange(3.0).reshape(1, 1, 1, 3)
    assert resize_legacy(x, (1, 6)).flatten().tolist() == [0, 0.5, 1, 1.5, 2, 2]
    assert resize_legacy(x, (2, 3)).tolist() == [[[[0, 1, 2], [0, 1, 2]]]]


def test_stopping_early_gives_the_maps_of_that_stage() -> None:
    model = random_model()
    everything = model.fields(picture(), input_size=96, all_stages=True)
    early = model.fields(picture(), input_size=96, stages=2)
    assert early["part_affinity"].stage == 2
    assert early["part_affinity"].values == pytest.approx(everything["part_affinity_stage2"].values, abs=1e-5)
    assert [m.stage for m in everything.maps] == [6, 6, 6, *np.repeat([1, 2, 3, 4, 5], 3)]


def test_fewer_stages_are_offered_where_fewer_were_published() -> None:
    assert OPENPOSE.network_settings("openpose-mobilenet")().stages == 5
    with pytest.raises(SettingsError, match="stages"):
        random_model("openpose-mobilenet_fast").fields(picture(), stages=6)


def test_fields_describe_themselves(tmp_path: Path) -> None:
    fields = random_model().fields(picture(), input_size=96)
    kinds = {m.name: m.kind for m in fields.maps}
    assert kinds == {
        "heatmaps": FieldKind.HEATMAP,
        "background": FieldKind.HEATMAP,
        "part_affinity": FieldKind.PART_AFFINITY,
    }
    assert fields["background"].keypoints is None
    assert fields["part_affinity"].edges == LIMBS
    assert fields["part_affinity"].channels[0] == "neck → right_hip"
    assert fields["part_affinity"].units == "unit vector"
    fields.save(tmp_path / "fields.npz")
    again = Fields.load(tmp_path / "fields.npz")
    for ours, theirs in zip(fields.maps, again.maps, strict=True):
        assert np.array_equal(ours.values, theirs.values)
        assert (ours.edges, ours.stage, ours.origin) == (theirs.edges, theirs.stage, theirs.origin)


@pytest.mark.parametrize("architecture", [FAST, "openpose-mobilenet_fast"])
@pytest.mark.parametrize("size", [(640, 480), (33, 500), (500, 33), (257, 257)])
def test_cells_tile_the_input_and_the_picture_lies_inside(architecture: str, size: tuple[int, int]) -> None:
    """Cell (column, row) is the middle of its block of pixels: the map's corners are the input's corners."""
    settings = OPENPOSE.network_settings(architecture)(input_size=160)
    transform = OPENPOSE.place(size, None, settings)
    assert all(side % SIDE_STEP == 0 for side in transform.input_size)
    assert transform.scale[0] == transform.scale[1]
    stride = settings.output_stride
    width, height = transform.input_size
    outputs = {
        "heatmaps": np.zeros((19, height // stride, width // stride), np.float32),
        "part_affinity": np.zeros((19, 2, height // stride, width // stride), np.float32),
    }
    heat = OPENPOSE.maps(outputs, settings, OPENPOSE_18)[0]
    columns, rows = heat.grid_size
    assert heat.cell_to_input(np.array([[-0.5, -0.5], [columns - 0.5, rows - 0.5]])) == pytest.approx(
        np.array([[-0.5, -0.5], [width - 0.5, height - 0.5]])
    )
    corners = transform.to_input(np.array([[-0.5, -0.5], [size[0] - 0.5, size[1] - 0.5]]))
    assert (corners[0] >= -0.5 - 1e-6).all()
    assert (corners[1] <= np.array([width, height]) - 0.5 + 1e-6).all()


def test_encoded_people_return_to_their_source_pixels() -> None:
    """Encode in input pixels, decode through the family: the way that the app and the command line take."""
    people = with_neck(scene(4, seed=4))
    settings = OPENPOSE.network_settings(FAST)(input_size=1280)
    transform = OPENPOSE.place((1000, 563), None, settings)
    grid = (transform.input_size[0] // 8, transform.input_size[1] // 8)
    targets = encode(torch.from_numpy(people)[None], torch.ones(1, 4, 18, dtype=torch.bool), grid, 8, LIMBS)
    maps = OPENPOSE.maps({name: value[0].numpy() for name, value in targets.items()}, settings, OPENPOSE_18)
    fields = Fields("openpose", maps, transform, OPENPOSE_18, random_model().provenance("x"))
    poses, trace = OPENPOSE.decode(fields, OPENPOSE.decode_settings(), True)
    assert len(poses) == 4
    expected = transform.to_source(people)
    distances = np.abs(poses.keypoints[:, None] - expected[None]).max((2, 3))
    assert sorted(distances.argmin(1)) == [0, 1, 2, 3]
    assert distances.min(1).max() < 0.1
    assert trace is not None
    check_trace(trace, poses, fields)


def check_trace(trace: Any, poses: Any, fields: Any) -> None:
    assert len(trace.poses) == len(poses)
    taken = [c for c in trace.candidates if c.outcome == "taken"]
    assert len(taken) == poses.present.sum()
    for person, joints in enumerate(trace.poses):
        by_keypoint = {joint.keypoint: joint for joint in joints}
        roots = [joint for joint in joints if joint.found_from is None]
        assert len(roots) == 1
        for joint in joints:
            assert joint.path[-1] == pytest.approx(poses.keypoints[person, joint.keypoint], abs=1e-3)
            # Following where joints were found from leads to the first one, and nowhere else.
            seen, here = set(), joint
            while here.found_from is not None:
                assert here.keypoint not in seen
                seen.add(here.keypoint)
                here = by_keypoint[here.found_from]
            assert here is roots[0]
    used = {(limb.edge, limb.start) for limb in trace.limbs if limb.accepted}
    assert len(used) == sum(limb.accepted for limb in trace.limbs)
    for limb in trace.limbs:
        assert limb.accepted == (limb.outcome == "chosen")
        assert limb.edge in fields["part_affinity"].edges
        assert len(limb.samples) == 10
    for candidate in trace.candidates:
        assert candidate.setting is None or candidate.setting in OPENPOSE.decode_settings.model_fields


def test_a_trace_on_random_fields_is_consistent_and_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    settings = OPENPOSE.network_settings(FAST)()
    outputs = {
        "heatmaps": rng.uniform(-0.2, 1, (19, 12, 14)).astype(np.float32),
        "part_affinity": rng.normal(0.1, 0.6, (19, 2, 12, 14)).astype(np.float32),
    }
    maps = OPENPOSE.maps(outputs, settings, OPENPOSE_18)
    transform = stretch((140, 120), (112, 96), half_pixel=True)
    fields = Fields("openpose", maps, transform, OPENPOSE_18, random_model().provenance("x"))
    options = OPENPOSE.decode_settings(max_poses=5, nms_radius=20, peak_threshold=0.3, keypoint_threshold=0.0)
    poses, trace = OPENPOSE.decode(fields, options, True)
    plain, _ = OPENPOSE.decode(fields, options)
    assert np.array_equal(poses.keypoints, plain.keypoints, equal_nan=True)
    assert len(poses) == 5
    check_trace(trace, poses, fields)
    outcomes = {candidate.setting for candidate in trace.candidates}
    assert {"nms_radius", "max_poses", "peak_threshold"} <= outcomes
    assert {limb.setting for limb in trace.limbs} >= {"matching", "limb_share"}


@pytest.mark.parametrize("skeleton", [OPENPOSE_18, COCO_17, STICK])
def test_mirrored_fields_are_the_fields_of_the_mirrored_picture(skeleton: Skeleton) -> None:
    """Targets of mirrored people, turned back, are the targets of the people."""
    rng = np.random.default_rng(0)
    people = rng.uniform(8, 100, (1, 1, len(skeleton), 2))
    mirrored = people[:, :, skeleton.flip_permutation] * [-1, 1] + [111, 0]
    labelled = torch.ones(1, 1, len(skeleton), dtype=torch.bool)
    limbs = limbs_of(skeleton)
    seen, turned = (encode(torch.from_numpy(p), labelled, (14, 14), 8, limbs) for p in (people, mirrored))
    pair = [(targets["part_affinity"], targets["heatmaps"]) for targets in (seen, turned)]
    fields, heatmaps = Mirror(skeleton, limbs).averaged(*pair)
    assert heatmaps.numpy() == pytest.approx(seen["heatmaps"].numpy(), abs=1e-4)
    assert fields.numpy() == pytest.approx(seen["part_affinity"].numpy(), abs=1e-4)


def test_flip_makes_the_network_indifferent_to_mirroring() -> None:
    model = random_model()
    shot = picture(128, 96)
    straight = model.fields(shot, input_size=128, flip=True)
    mirrored = model.fields(np.ascontiguousarray(shot[:, ::-1]), input_size=128, flip=True)
    back = mirrored["heatmaps"].values[OPENPOSE_18.flip_permutation][..., ::-1]
    assert back == pytest.approx(straight["heatmaps"].values, abs=1e-4)


def test_several_scales_give_the_grid_of_the_largest() -> None:
    model = random_model()
    one = model.fields(picture(), input_size=96)
    more = model.fields(picture(), input_size=96, scales="0.5, 1, 1.5")
    assert one["heatmaps"].grid_size == (12, 10)
    assert more["heatmaps"].grid_size == (18, 14)
    assert np.isfinite(more["part_affinity"].values).all()
    assert more.transform.to_source(more["heatmaps"].cell_to_input(np.array([8.5, 6.5]))) == pytest.approx(
        (59.5, 44.5), abs=1.0
    )


def test_a_batch_gives_what_single_pictures_give() -> None:
    model = random_model()
    shots = [picture(seed=seed) for seed in range(3)] + [picture(60, 100, 9)]
    together = model.fields(shots, input_size=96)
    for batched, shot in zip(together, shots, strict=True):
        single = model.fields(shot, input_size=96)
        assert batched["part_affinity"].values == pytest.approx(single["part_affinity"].values, rel=1e-4, abs=1e-4)


def test_a_region_may_reach_outside() -> None:
    fields = random_model().fields(picture(), region=(-50, -60, 200, 190), input_size=96)
    corner = fields.to_source("heatmaps", np.array([-0.5, -0.5]))
    assert corner == pytest.approx((-50.5, -60.5))


def test_a_custom_skeleton_has_its_own_channels() -> None:
    poses = random_model(skeleton=STICK)(picture(), input_size=96, peak_threshold=0, pose_threshold=0)
    assert poses.keypoints.shape[1:] == (3, 2)


def truth_of(people: np.ndarray, labels: np.ndarray, side: int, ignore: Any = ()) -> Truth:
    """Labels of one picture; a person's neighbourhood is the box round it."""
    boxes = np.stack([people.min(1) - 10, people.max(1) + 10], 1)
    (x0, y0), (x1, y1) = boxes[:, 0].T, boxes[:, 1].T
    corners = np.stack([np.stack(c, -1) for c in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))], 1)
    shut = np.array(ignore, np.float32).reshape(1, -1, 4, 2)
    return Truth(
        torch.from_numpy(people[None].astype(np.float32)),
        torch.from_numpy(labels[None].astype(np.uint8)),
        torch.from_numpy(corners[None].astype(np.float32)),
        torch.from_numpy(shut),
        torch.zeros(1, len(people), dtype=torch.uint8),
        torch.zeros(1, shut.shape[1], dtype=torch.uint8),
        torch.zeros(1, side, side, dtype=torch.uint8),
    )


def test_the_loss_of_the_targets_is_zero_and_masks_what_is_unknown() -> None:
    side = 128
    people = np.random.default_rng(1).uniform(30, 100, (1, 18, 2))
    labels = np.full((1, 18), Label.VISIBLE)
    settings, options = OPENPOSE.network_settings(FAST)(), OpenPoseLossSettings()
    truth = truth_of(people, labels, side)
    targets = encode(truth.keypoints, truth.labelled, (16, 16), 8, LIMBS)
    terms = OPENPOSE.loss(targets, truth, OPENPOSE_18, settings, options)
    assert all(float(term.total) == pytest.approx(0, abs=1e-8) for term in terms.values())
    assert float(terms["heatmaps"].count) == 18
    assert float(terms["part_affinity"].count) == 19
    # An unlabelled elbow: whatever is said of it near the person costs nothing, nor of its limbs.
    labels[0, 3] = Label.UNLABELLED
    masked = OPENPOSE.loss(targets, truth_of(people, labels, side), OPENPOSE_18, settings, options)
    assert float(masked["part_affinity"].total) == pytest.approx(0, abs=1e-6)
    assert float(masked["part_affinity"].count) == 17
    assert float(masked["heatmaps"].total) == pytest.approx(0, abs=1e-6)
    # An ignore region over everything leaves only the person's own peaks.
    everything = [[(0, 0), (side, 0), (side, side), (0, side)]]
    labels[:] = Label.ABSENT
    nothing = OPENPOSE.loss(targets, truth_of(people, labels, side, everything), OPENPOSE_18, settings, options)
    assert all(float(term.total) == 0 for term in nothing.values())


def test_training_sees_every_stage_and_learns() -> None:
    torch.manual_seed(0)
    network = OPENPOSE.build(FAST, STICK, fused=False).train()
    settings, options = OPENPOSE.network_settings(FAST)(), OpenPoseLossSettings()
    people = np.array([[[30.0, 20.0], [60.0, 70.0], [20.0, 80.0]]])
    truth = truth_of(people, np.full((1, 3), Label.VISIBLE), 96)
    pixels = torch.rand(1, 3, 96, 96) * 255
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    history = []
    for _ in range(15):
        outputs = OPENPOSE.run(network, pixels, settings)
        terms = OPENPOSE.loss(outputs, truth, STICK, settings, options)
        loss = sum(term.weight * term.total / term.count for term in terms.values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        history.append(loss.item())
    assert len([name for name in outputs if name.startswith("heatmaps")]) == 6
    assert float(terms["heatmaps"].count) == 3 * 6
    assert history[-1] < 0.6 * history[0]
    assert OPENPOSE.training_side(100, settings) == 96


@pytest.mark.parametrize("architecture", [FAST, "openpose-mobilenet_thin", "openpose-dsconv"])
def test_channels_that_both_skeletons_know_are_kept(architecture: str) -> None:
    """Dropping a keypoint and shuffling the others leaves the maps of the first stage as they were."""
    torch.manual_seed(3)
    names = ("tail", "right_hand", "head", "left_hand")
    wanted = Skeleton("other", names, ((2, 3), (2, 1), (2, 0)), ((3, 1),))
    old, fresh = OPENPOSE.build(architecture, STICK).eval(), OPENPOSE.build(architecture, wanted)
    fresh.load_state_dict(OPENPOSE.adapt(old.state_dict(), STICK, fresh.state_dict(), wanted))
    fresh.eval()
    pixels = torch.rand(1, 3, 48, 48) * 255
    with torch.inference_mode():
        before, after = old(pixels, 1)[0], fresh(pixels, 1)[0]
    assert after[1][:, [2, 3, 1, 4]].numpy() == pytest.approx(before[1].numpy(), abs=1e-5)
    assert after[0][:, :2].numpy() == pytest.approx(before[0].numpy(), abs=1e-5)


def test_adapting_to_a_part_of_the_skeleton_and_back_keeps_later_stages() -> None:
    """With the new channel's weights at zero, all stages say what they said."""
    torch.manual_seed(4)
    wanted = Skeleton("more", (*STICK.keypoints, "foot"), (*STICK.edges, (0, 3)), STICK.flip_pairs)
    old, fresh = OPENPOSE.build(FAST, STICK).eval(), OPENPOSE.build(FAST, wanted)
    zeros = {name: torch.zeros_like(value) for name, value in fresh.state_dict().items()}
    fresh.load_state_dict(OPENPOSE.adapt(old.state_dict(), STICK, zeros, wanted))
    fresh.eval()
    pixels = torch.rand(1, 3, 48, 48) * 255
    with torch.inference_mode():
        before, after = old(pixels)[0], fresh(pixels)[0]
    assert after[1][:, [0, 1, 2, 4]].numpy() == pytest.approx(before[1].numpy(), abs=1e-5)
    assert after[0][:, :2].numpy() == pytest.approx(before[0].numpy(), abs=1e-5)


def test_input_is_turned_to_blue_first_and_scaled_by_the_state() -> None:
    network = OPENPOSE.build(FAST, STICK)
    seen: list[torch.Tensor] = []
    network.features.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    pixels = torch.zeros(1, 3, 32, 32)
    pixels[:, 0] = 256
    network(pixels)
    network.scale.fill_(1)
    network.mean.fill_(0)
    network(pixels)
    assert seen[0][0, :, 0, 0].tolist() == [-0.5, -0.5, 0.5]
    assert seen[1][0, :, 0, 0].tolist() == [0, 0, 256]


def test_transforms_are_exact_both_ways() -> None:
    transform = OPENPOSE.place((641, 359), (10.5, 20.0, 300.25, 400.0), OPENPOSE.network_settings(FAST)())
    assert isinstance(transform, InputTransform)
    points = np.array([[0.0, 0.0], [12.5, 300.75]])
    assert transform.to_source(transform.to_input(points)) == pytest.approx(points)
