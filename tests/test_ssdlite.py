"""SSDLite: boxes around people, found, learnt, measured, and looked at closely by a second model."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from posecore.boxes import Region, overlap, to_edges
from posecore.data.truth import NEIGHBOURHOOD, Truth
from posecore.errors import SettingsError
from posecore.families.contract import Target
from posecore.families.movenet import MOVENET
from posecore.families.ssdlite import SSDLITE
from posecore.families.ssdlite.codec import anchor_boxes, encode, overlaps, suppressed
from posecore.families.ssdlite.loss import SSDLiteLossSettings, hardest, seen_boxes, ssdlite_targets, ssdlite_terms
from posecore.fields import Fields, Provenance
from posecore.imaging import stretch
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.skeleton import COCO_17, PERSON_BOX
from posecore.two_stage import TwoStageModel

SIDE = 320
SETTINGS = SSDLITE.network_settings("ssdlite-mobilenet_v2")()


def truth_of(boxes: np.ndarray, side: int = SIDE, ignore: np.ndarray | None = None) -> Truth:
    """Labels of one picture with people's ``boxes`` ``(P, 4)`` and regions to ignore, in input positions."""

    def corners(some: np.ndarray, factor: float) -> torch.Tensor:
        low, high = some[:, :2], some[:, 2:]
        middle, half = (low + high) / 2, (high - low) / 2 * factor
        (x0, y0), (x1, y1) = (middle - half).T, (middle + half).T
        points = np.stack([np.stack(pair, 1) for pair in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))], 1)
        return torch.from_numpy(points[None]).float()

    blank = np.zeros((0, 4)) if ignore is None else ignore
    count = len(boxes)
    return Truth(
        torch.zeros(1, count, 4, 2),
        torch.zeros(1, count, 4, dtype=torch.uint8),
        corners(boxes, NEIGHBOURHOOD),
        corners(blank, 1.0),
        torch.zeros(1, count, dtype=torch.uint8),
        torch.zeros(1, len(blank), dtype=torch.uint8),
        torch.zeros(1, side, side, dtype=torch.uint8),
    )


def fields_of(targets: dict[str, Target], side: int = SIDE) -> Fields:
    """The fields of a network that has learnt the targets of one picture."""
    maps = SSDLITE.target_maps(targets, 0, SETTINGS, PERSON_BOX)
    return Fields("ssdlite", maps, stretch((side, side), (side, side)), PERSON_BOX, Provenance("", "", ""))


@st.composite
def crowds(draw: Any) -> np.ndarray:
    """Boxes ``(P, 4)`` of one to six people that overlap by less than decoding allows."""
    found: list[Region] = []
    for _ in range(draw(st.integers(1, 6))):
        width, height = draw(st.floats(12, 200)), draw(st.floats(16, 280))
        x, y = draw(st.floats(0, SIDE - 1 - width)), draw(st.floats(0, SIDE - 1 - height))
        box = (x, y, x + width, y + height)
        if all(overlap(box, other) < 0.3 for other in found):
            found.append(box)
    return np.array(found)


@given(crowds())
def test_decoding_targets_gives_the_boxes_back(boxes: np.ndarray) -> None:
    # An anchor can be only one person's.
    best = overlaps(anchor_boxes((SIDE, SIDE)), torch.from_numpy(boxes).float()).argmax(0)
    assume(len(set(best.tolist())) == len(boxes))
    targets = ssdlite_targets(truth_of(boxes), SSDLiteLossSettings())
    poses, trace = SSDLITE.decode(fields_of(targets), SSDLITE.decode_settings(nms_overlap=0.5), trace=True)
    found = poses.boxes()
    assert len(found) == len(boxes)
    order, expected = np.lexsort(found.T.round(1)), np.lexsort(boxes.T.round(1))
    np.testing.assert_allclose(found[order], boxes[expected], atol=0.02)
    assert trace is not None
    for joints, corners in zip(trace.poses, poses.keypoints, strict=True):
        np.testing.assert_allclose([joint.path[-1] for joint in joints], corners, atol=1e-3)
    assert {one.outcome for one in trace.candidates} <= {
        "taken",
        *(f"covered by the box of person {number}" for number in range(1, len(boxes) + 1)),
    }


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 0.9))
def test_suppression_is_that_by_hand(seed: int, allowed: float) -> None:
    random = np.random.default_rng(seed)
    low = random.uniform(0, 60, (12, 2))
    boxes = np.concatenate([low, low + random.uniform(5, 50, (12, 2))], 1)
    stay: list[int] = []
    expected = np.full(len(boxes), -1)
    for index, box in enumerate(boxes):
        over = [other for other in stay if overlap(tuple(box), tuple(boxes[other])) > allowed]
        if over:
            expected[index] = over[0]
        else:
            stay.append(index)
    np.testing.assert_array_equal(suppressed(boxes, allowed), expected)
    shares = overlaps(torch.from_numpy(boxes), torch.from_numpy(boxes)).numpy()
    for one, other in combinations(range(len(boxes)), 2):
        assert shares[one, other] == pytest.approx(overlap(tuple(boxes[one]), tuple(boxes[other])))


def test_everybody_has_an_anchor_and_nobody_in_an_ignore_region() -> None:
    boxes = np.array([(10.0, 10.0, 14.0, 90.0), (100.0, 60.0, 180.0, 300.0)])
    matched = encode(torch.from_numpy(boxes)[None].float(), torch.full((1, 1, 4), torch.nan), (SIDE, SIDE))
    assert sum(int(level.wanted.sum()) for level in matched.values()) > 1
    ignore = np.array([(0.0, 0.0, 319.0, 50.0)])
    targets = ssdlite_targets(truth_of(boxes[1:], ignore=ignore), SSDLiteLossSettings())
    counts = targets["scores_16"].weight[0]
    assert not counts[:, :2].any()
    assert counts[:, 8, 0].all()
    assert (targets["shifts_32"].weight == targets["scores_32"].values).all()


def test_boxes_end_where_the_picture_and_the_layer_do() -> None:
    boxes = np.array([(-60.0, 20.0, 59.0, 139.0), (-99.0, 0.0, 1.0, 99.0), (200.0, 20.0, 279.0, 219.0)])
    truth = truth_of(boxes)
    owner = truth.owner.clone()
    owner[:, :, 240:] = 1
    seen, hidden = seen_boxes(replace(truth, owner=owner), 0.3)
    np.testing.assert_allclose(seen[0, 0], (-0.5, 20, 59, 139), atol=1e-3)
    assert torch.isnan(seen[0, 1]).all()
    np.testing.assert_allclose(hidden[0, 1], (-0.5, 0, 1, 99), atol=1e-3)
    np.testing.assert_allclose(seen[0, 2], (200, 20, 239.5, 219), atol=1e-3)


def test_only_the_hardest_background_is_judged() -> None:
    random = torch.Generator().manual_seed(0)
    loss = torch.rand(2, 400, generator=random)
    wanted = torch.zeros(2, 400, dtype=torch.bool)
    wanted[0, :10] = True
    known = torch.ones_like(wanted)
    known[:, 300:] = False
    judged = hardest(loss, wanted, known, 3.0)
    assert judged.sum(1).tolist() == [30, 16]
    for row in range(2):
        background = known[row] & ~wanted[row]
        assert loss[row][judged[row]].min() >= loss[row][background & ~judged[row]].max()
        assert not (judged[row] & ~background).any()


def test_the_loss_falls_to_nothing_at_the_targets() -> None:
    targets = ssdlite_targets(truth_of(np.array([(40.0, 40.0, 100.0, 200.0)])), SSDLiteLossSettings())
    outputs = {
        name: (target.values * 2 - 1) * 30 if name.startswith("scores") else target.values
        for name, target in targets.items()
    }
    terms = ssdlite_terms(outputs, targets, SSDLiteLossSettings())
    assert all(float(term.total) == pytest.approx(0, abs=1e-4) for term in terms.values())
    assert float(terms["boxes"].count) >= 1
    worse = ssdlite_terms({**outputs, "sizes_32": outputs["sizes_32"] + 1}, targets, SSDLiteLossSettings())
    assert float(worse["boxes"].total) > 0


def test_a_few_steps_bring_the_loss_down_and_find_who_is_learnt() -> None:
    torch.manual_seed(0)
    network = SSDLITE.build("ssdlite-mobilenet_v2-035", fused=False)
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3)
    pictures = torch.full((2, 3, 128, 128), 40.0)
    boxes = np.array([(20.0, 16.0, 59.0, 111.0)])
    pictures[:, 0, 16:112, 20:60] = 230.0
    truth = truth_of(boxes, 128)
    both = Truth(*(torch.cat([getattr(truth, name)] * 2) for name in Truth.__dataclass_fields__))
    losses = []
    for _ in range(25):
        terms = SSDLITE.loss(network(pictures), both, PERSON_BOX, SETTINGS, SSDLiteLossSettings())
        loss = sum((term.total / term.count.clamp_min(1) for term in terms.values()), torch.zeros(()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]


def model_of(architecture: str = "ssdlite-mobilenet_v2-035") -> PoseModel:
    torch.manual_seed(0)
    return PoseModel(
        f"{architecture}.random", SSDLITE, architecture, SSDLITE.build(architecture), "0" * 16,
        skeleton=PERSON_BOX, device="cpu",
    )  # fmt: skip


def test_boxes_of_a_picture_are_in_its_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of()
    known = np.array([(64.0, 32.0, 159.0, 255.0)])
    targets = ssdlite_targets(truth_of(known), SSDLiteLossSettings())
    outputs = {
        name: (target.values.numpy() * 2 - 1) * 30 if name.startswith("scores") else target.values.numpy()
        for name, target in targets.items()
    }
    monkeypatch.setattr(model.runner, "run", lambda pixels, settings: (outputs, "test"))
    poses = model(np.zeros((640, 640, 3), np.uint8), preprocessing="letterbox")
    # Twice as large; edges of pixels fall on each other.
    np.testing.assert_allclose(to_edges(poses.boxes().reshape(2, 2)).ravel(), (129, 65, 319, 511), atol=0.1)
    assert poses.skeleton == PERSON_BOX
    closer = PoseModel("c", MOVENET, "movenet-lightning", MOVENET.build("movenet-lightning"), "1" * 16, device="cpu")
    joined = TwoStageModel(model, closer)
    (view,) = joined.views(model.fields(np.zeros((640, 640, 3), np.uint8), preprocessing="letterbox"))
    x0, y0, x1, y1 = view.region
    assert (x1 - x0, y1 - y0) == pytest.approx((1.25 * 446,) * 2, abs=0.5)
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((224, 288), abs=0.1)
    assert joined.room() == pytest.approx(1.5)
    assert not joined.finds_boxes


def test_joints_are_not_what_it_learns() -> None:
    with pytest.raises(SettingsError, match="no joints; leave the skeleton coco-17 out"):
        SSDLITE.build("ssdlite-mobilenet_v2", COCO_17)
    assert len(Poses.empty(PERSON_BOX, (10, 10))) == 0


@pytest.mark.parametrize("side", [96, 224, 320])
def test_grids_are_those_of_the_targets(side: int) -> None:
    network = SSDLITE.build("ssdlite-mobilenet_v2-035")
    with torch.inference_mode():
        outputs = network(torch.zeros(1, 3, side, side))
    targets = ssdlite_targets(truth_of(np.full((1, 4), np.nan), side), SSDLiteLossSettings())
    assert {name: one.shape for name, one in outputs.items()} == {name: t.values.shape for name, t in targets.items()}
