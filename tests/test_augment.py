"""Augmentation: geometry and labels move together, and only as asked."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from posecore.data.annotations import Label
from posecore.data.augment import AugmentSettings, check_mirror, compose, disturb, draw_batch
from posecore.data.augment.compose import _part_of
from posecore.data.augment.pixels import gaussian_blur, jpeg_damage
from posecore.data.batches import Pack
from posecore.data.truth import Truth
from posecore.errors import DataError
from posecore.skeleton import COCO_17, OPENPOSE_18, Skeleton

#: left, right, middle: dots of these colours mark them in the test pictures.
TRIO = Skeleton("trio", ("left_dot", "right_dot", "middle"), flip_pairs=((0, 1),))
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
SIDE = 96


def dotted_pack(count: int = 6, places: int = 2, seed: int = 0) -> Pack:
    """Black squares, each with one person whose three joints are dots of 5 × 5 pixels."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((count, SIDE, SIDE, 3), np.uint8)
    keypoints = np.full((count, places, 3, 2), np.nan, np.float32)
    labels = np.full((count, places, 3), Label.ABSENT, np.uint8)
    boxes = np.full((count, places, 4), np.nan, np.float32)
    focus = np.zeros((count, places), bool)
    for row in range(count):
        spots = np.array([(30, 30), (64, 34), (46, 66)]) + rng.integers(-6, 7, (3, 2))
        for spot, colour in zip(spots, (RED, GREEN, BLUE), strict=True):
            pixels[row, spot[1] - 2 : spot[1] + 3, spot[0] - 2 : spot[0] + 3] = colour
        keypoints[row, 0], labels[row, 0], focus[row, 0] = spots, Label.VISIBLE, True
        boxes[row, 0] = (20, 20, 74, 76)
    ignore = np.full((count, 1, 4), np.nan, np.float32)
    return Pack(pixels, keypoints, labels, boxes, focus, ignore)


def make(
    pack: Pack, settings: AugmentSettings, side: int = 129, count: int = 24, seed: int = 0
) -> tuple[torch.Tensor, Truth]:
    generator = np.random.default_rng(seed)
    items = np.column_stack([np.zeros(count, np.intp), generator.integers(len(pack), size=count)])
    return compose(draw_batch([pack], items, settings, side, generator), TRIO.flip_permutation)


def colour_at(pixels: torch.Tensor, picture: int, xy: torch.Tensor) -> torch.Tensor:
    x, y = (int(value) for value in xy.round())
    return pixels[picture, :, y, x]


GEOMETRIES = {
    "still": {},
    "flip": {"flip": 1.0},
    "turn": {"rotation": 60.0, "any_angle": 0.5},
    "scale": {"scale": 0.4},
    "shift": {"shift": 0.2},
    "all": {"flip": 0.5, "rotation": 30.0, "any_angle": 0.2, "scale": 0.35, "shift": 0.2},
}


@pytest.mark.parametrize("changes", GEOMETRIES.values(), ids=GEOMETRIES)
def test_a_dot_at_a_keypoint_stays_under_it(changes: dict[str, float]) -> None:
    settings = AugmentSettings.none(1.2).model_copy(update=changes)
    pixels, truth = make(dotted_pack(), settings)
    checked = 0
    for picture, person, joint in torch.nonzero(truth.labelled).tolist():
        colour = colour_at(pixels, picture, truth.keypoints[picture, person, joint])
        assert colour.max() > 200
        checked += 1
    assert checked > 50


@pytest.mark.parametrize("changes", [{}, {"flip": 1.0}, {"rotation": 40.0, "flip": 1.0}])
def test_positions_are_exact_to_a_twentieth_of_a_pixel(changes: dict[str, float]) -> None:
    """The centre of gravity of each dot is where its keypoint says."""
    settings = AugmentSettings.none(1.1).model_copy(update=changes)
    pack = dotted_pack()
    flipped = "flip" in changes
    pixels, truth = make(pack, settings)
    rows, columns = torch.meshgrid(torch.arange(129.0), torch.arange(129.0), indexing="ij")
    # A mirrored left dot is the mirrored person's right joint.
    channels = (1, 0, 2) if flipped else (0, 1, 2)
    checked = 0
    for picture in range(len(pixels)):
        for joint in range(3):
            if not truth.labelled[picture, 0, joint]:
                continue
            weight = pixels[picture, channels[joint]]
            xy = torch.stack([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()
            at_the_border = torch.cat([weight[0], weight[-1], weight[:, 0], weight[:, -1]]).any()
            if not at_the_border:
                torch.testing.assert_close(xy, truth.keypoints[picture, 0, joint], atol=0.05, rtol=0)
                checked += 1
    assert checked > 40


def test_close_ups_show_a_joint_and_its_neighbours_from_near() -> None:
    side = 129
    pixels, truth = make(dotted_pack(), AugmentSettings.none(1.0).model_copy(update={"close_up": 1.0}), side)
    seen = set()
    for picture in range(len(pixels)):
        joints = torch.nonzero(truth.labelled[picture])
        places = truth.keypoints[picture][truth.labelled[picture]]
        # One joint, or two of them, lie about the middle.
        middles = [*places, *((a + b) / 2 for a in places for b in places)]
        assert min(float((middle - (side - 1) / 2).norm()) for middle in middles) < 0.1
        for (person, joint), place in zip(joints.tolist(), places, strict=True):
            assert colour_at(pixels, picture, truth.keypoints[picture, person, joint]).max() > 200
            seen |= {joint} if float((place - (side - 1) / 2).norm()) < 0.1 else set()
        # A dot of 5 pixels grows with a box of 56 of which a part of 0.3, or two joints with room, fills the input.
        area = float((pixels[picture].amax(0) > 128).sum()) / len(joints)
        assert area > 0.6 * (5 * side / (1.4 * 50)) ** 2
    assert seen == {0, 1, 2}
    assert (truth.labels == Label.ABSENT).any()


def test_close_ups_hold_from_a_head_to_a_half_body() -> None:
    """Of a person as a line of ten joints: neighbours only, up to two thirds of them, at every height."""
    line = np.column_stack([np.full(10, 50.0), np.arange(10) * 20.0 + 10]).astype(np.float32)
    box, generator = np.array([30.0, 0.0, 70.0, 200.0]), np.random.default_rng(0)
    held = []
    for _ in range(300):
        x0, y0, x1, y1 = _part_of(box, line, generator)
        assert x1 - x0 == pytest.approx(y1 - y0)
        assert 0.3 * 200 <= x1 - x0 <= 1.4 * 5 * 20
        inside = np.flatnonzero((line[:, 1] >= y0) & (line[:, 1] <= y1))
        assert (np.diff(inside) == 1).all()
        held.append((inside[0], len(inside)))
    assert {count for _, count in held} >= {2, 3, 5, 7}
    assert {first for first, _ in held} >= {0, 4, 8}


def test_mirroring_swaps_left_and_right() -> None:
    pixels, truth = make(dotted_pack(), AugmentSettings.none().model_copy(update={"flip": 1.0}))
    left, right = truth.keypoints[:, 0, 0], truth.keypoints[:, 0, 1]
    # The person's left dot was on the picture's left; the joint now called left is the former right one.
    assert (left[:, 0] < right[:, 0]).all()
    assert colour_at(pixels, 0, left[0])[1] > 200
    assert colour_at(pixels, 0, right[0])[0] > 200


def test_joints_outside_become_absent_and_unlabelled_ones_stay_unlabelled() -> None:
    pack = dotted_pack()
    pack.labels[:, 0, 2] = Label.UNLABELLED
    pack.keypoints[:, 0, 2] = np.nan
    _, truth = make(pack, AugmentSettings.none(3.0))
    assert (truth.labels[:, 0, 2] == Label.UNLABELLED).all()
    outside = ~((truth.keypoints >= -0.5) & (truth.keypoints <= 128.5)).all(-1)
    outside[:, :, 2] = False
    assert outside.any()
    assert (truth.labels[outside] == Label.ABSENT).all()
    assert torch.isfinite(truth.keypoints).all()


def test_the_unknown_follows_the_geometry() -> None:
    """Cells of an unlabelled joint's channel are unknown in the person's turned neighbourhood and nowhere else."""
    pack = dotted_pack(1)
    pack.labels[:, 0, 2] = Label.UNLABELLED
    pack.pixels[:] = 0
    # Paint the neighbourhood, 1.2 times the box, so that the picture itself shows where it ends up.
    pack.pixels[0, 15:82, 15:80] = 255
    settings = AugmentSettings.none(0.5).model_copy(update={"rotation": 50.0, "flip": 0.5, "shift": 0.1})
    pixels, truth = make(pack, settings, count=12)
    unknown = truth.unknown(4)
    assert not unknown[:, :2].any()
    painted = pixels[:, 0, ::4, ::4]
    assert (painted[unknown[:, 2]] > 100).float().mean() > 0.97
    assert unknown[:, 2][painted > 250].float().mean() > 0.97


def test_ignore_regions_hide_every_channel() -> None:
    pack = dotted_pack(1)
    pack.ignore[0, 0] = (0, 0, 20, 95)
    _, truth = make(pack, AugmentSettings.none(0.6), count=1)
    unknown = truth.unknown(1)[0]
    assert unknown.any()
    assert (unknown == unknown[:1]).all()
    # 20 of 96 packed pixels, 129 · 0.6 / 56 input pixels each.
    width = unknown[0].any(0).sum()
    assert abs(int(width) - 20 * 129 * 0.6 / 56) <= 2


def test_mosaic_shows_four_people_and_keeps_dots_under_joints() -> None:
    pixels, truth = make(dotted_pack(), AugmentSettings.none(1.0).model_copy(update={"mosaic": 1.0}), side=193)
    assert set(truth.owner.unique().tolist()) == {0, 1, 2, 3}
    people = truth.labelled.any(-1).sum(1)
    assert people.float().mean() > 3.5
    for picture, person, joint in torch.nonzero(truth.labelled).tolist():
        assert colour_at(pixels, picture, truth.keypoints[picture, person, joint]).max() > 120


def test_a_pasted_person_hides_what_it_covers() -> None:
    pixels, truth = make(dotted_pack(), AugmentSettings.none(1.0).model_copy(update={"paste": 1.0}), side=193)
    covered = 0
    for picture in range(len(pixels)):
        owner = truth.owner[picture]
        assert owner.max() == 1
        for person in range(truth.labels.shape[1]):
            covered += int((truth.labels[picture, person] == Label.ABSENT).sum())
            for joint in torch.nonzero(truth.labelled[picture, person]).flatten().tolist():
                x, y = truth.keypoints[picture, person, joint].round().long().tolist()
                assert owner[y, x] == truth.layers[picture, person]
                assert pixels[picture, :, y, x].max() > 100
    assert covered > 0


def test_batches_depend_on_their_generator_alone() -> None:
    settings = AugmentSettings(mosaic=0.3, paste=0.3)
    pack = dotted_pack()
    first, again, other = (make(pack, settings, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1].keypoints, again[1].keypoints)
    assert not torch.equal(first[0], other[0])


def test_disturbances_keep_shape_and_range_and_repeat() -> None:
    settings = AugmentSettings(blur=1.0, jpeg=1.0, cutout=1.0, brightness=0.5, contrast=0.5, saturation=1, tint=0.5)
    pixels = torch.rand(4, 3, 65, 70, generator=torch.Generator().manual_seed(0)) * 255
    first = disturb(pixels.clone(), settings, 3)
    assert first.shape == pixels.shape
    assert first.min() >= 0
    assert first.max() <= 255
    assert torch.equal(first, disturb(pixels.clone(), settings, 3))
    assert torch.equal(disturb(pixels.clone(), AugmentSettings.none(), 3), pixels)


def test_blur_keeps_grey_and_spreads_a_point() -> None:
    grey = torch.full((1, 3, 20, 20), 90.0)
    torch.testing.assert_close(gaussian_blur(grey, 1.5), grey)
    point = torch.zeros(1, 3, 31, 31)
    point[..., 15, 15] = 1
    blurred = gaussian_blur(point, 2.0)
    offsets = torch.arange(31.0) - 15
    # Truncated at three sigma, so a little narrower than asked for.
    assert float((blurred[0, 0].sum(0) * offsets**2).sum()) ** 0.5 == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("quality", [15, 50, 85])
def test_jpeg_damage_resembles_jpeg(quality: int) -> None:
    """Closer to what a real encoder makes (without chroma subsampling) than the undamaged picture is."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (9, 11, 3)).astype(np.uint8)
    picture = np.asarray(Image.fromarray(coarse).resize((99, 83), Image.Resampling.BICUBIC))
    noisy = np.clip(picture + rng.normal(0, 12, picture.shape), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noisy).save(buffer, "JPEG", quality=quality, subsampling=0)
    real = np.asarray(Image.open(buffer)).astype(np.float32)
    tensor = torch.from_numpy(noisy).permute(2, 0, 1)[None].float()
    ours = jpeg_damage(tensor, quality)[0].permute(1, 2, 0).numpy()
    assert np.abs(ours - real).mean() < 0.25 * np.abs(noisy - real).mean() + 0.6


def test_mirror_pairs_are_checked() -> None:
    for skeleton in (COCO_17, OPENPOSE_18, TRIO, Skeleton("plain", ("tip", "base"))):
        check_mirror(skeleton)
    with pytest.raises(DataError, match=r"mirrors 'left_ear' as itself; put \(left_ear, right_ear\)"):
        check_mirror(Skeleton("ears", ("left_ear", "right_ear")))
    crossed = ("left_ear", "right_ear", "left_eye", "right_eye")
    with pytest.raises(DataError, match="mirrors 'left_ear' as 'right_eye'"):
        check_mirror(Skeleton("crossed", crossed, flip_pairs=((0, 3), (2, 1))))
    with pytest.raises(DataError, match="'left_horn' without a mirror image"):
        check_mirror(Skeleton("unicorn", ("left_horn", "nose")))
