"""PoseNet's loss: zero for perfect answers, silent about what is not known, the same however a batch is divided."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from posecore.data.annotations import Label
from posecore.data.truth import Truth
from posecore.families.contract import LossTerm
from posecore.families.posenet import POSENET
from posecore.families.posenet.codec import COCO_TREE, encode
from posecore.families.posenet.loss import PoseNetLossSettings, heatmap_term
from posecore.skeleton import COCO_17

SIDE, STRIDE, CELLS = 129, 16, 9
SETTINGS = PoseNetLossSettings(heatmap_radius=20, vector_radius=32)
NOSE, WRIST = COCO_17.index("nose"), COCO_17.index("left_wrist")


def truth_of(pictures: int = 2, seed: int = 0) -> Truth:
    """Two people per picture, all joints visible, neighbourhoods in the left and right half."""
    generator = torch.Generator().manual_seed(seed)
    left, right = (
        ((0.0, 0.0), (60.0, 0.0), (60.0, 128.0), (0.0, 128.0)),
        ((68.0, 0.0), (128.0, 0.0), (128.0, 128.0), (68.0, 128.0)),
    )
    low = torch.tensor([(4.0, 4.0), (72.0, 4.0)])[:, None]
    xy = low + torch.rand(pictures, 2, 17, 2, generator=generator) * torch.tensor([52.0, 120.0])
    return Truth(
        keypoints=xy,
        labels=torch.full((pictures, 2, 17), int(Label.VISIBLE), dtype=torch.uint8),
        corners=torch.tensor([left, right]).expand(pictures, 2, 4, 2).clone(),
        ignore=torch.full((pictures, 1, 4, 2), torch.nan),
        layers=torch.zeros((pictures, 2), dtype=torch.uint8),
        ignore_layers=torch.zeros((pictures, 1), dtype=torch.uint8),
        owner=torch.zeros((pictures, SIDE, SIDE), dtype=torch.uint8),
    )


def relabelled(truth: Truth, person: int, joint: int, label: Label) -> Truth:
    labels = truth.labels.clone()
    labels[:, person, joint] = int(label)
    return replace(truth, labels=labels)


def random_outputs(pictures: int = 2, seed: int = 1) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"heatmaps": (17,), "offsets": (17, 2), "displacement_forward": (16, 2), "displacement_backward": (16, 2)}
    return {
        name: torch.randn(pictures, *shape, CELLS, CELLS, generator=generator).mul_(5).requires_grad_()
        for name, shape in shapes.items()
    }


def loss_of(
    outputs: dict[str, torch.Tensor], truth: Truth, settings: PoseNetLossSettings = SETTINGS
) -> dict[str, LossTerm]:
    network = POSENET.network_settings("posenet-mobilenet_v1-050")(output_stride=STRIDE)
    return POSENET.loss(outputs, truth, COCO_17, network, settings)


def total(terms: dict[str, LossTerm]) -> torch.Tensor:
    return torch.stack([term.weight * term.total / term.count.clamp_min(1) for term in terms.values()]).sum()


def perfect_outputs(truth: Truth) -> dict[str, torch.Tensor]:
    targets = encode(truth.keypoints, truth.labelled, (CELLS, CELLS), STRIDE, COCO_TREE, 32)
    near = targets["offsets"].square().sum(2).sqrt() <= SETTINGS.heatmap_radius
    logits = torch.where(near & (targets["offsets_mask"] > 0), 30.0, -30.0)
    names = ("offsets", "displacement_forward", "displacement_backward")
    return {"heatmaps": logits, **{name: targets[name] for name in names}}


def test_a_perfect_answer_costs_nothing() -> None:
    truth = truth_of()
    for name, term in loss_of(perfect_outputs(truth), truth).items():
        assert float(term.total / term.count) < 1e-6, name
        assert term.count > 0


def test_the_position_of_an_unlabelled_joint_changes_nothing() -> None:
    truth = relabelled(truth_of(), 0, WRIST, Label.UNLABELLED)
    outputs = random_outputs()
    before = loss_of(outputs, truth)
    moved = truth.keypoints.clone()
    moved[:, 0, WRIST] = torch.tensor([100.0, 3.0])
    after = loss_of(outputs, replace(truth, keypoints=moved))
    for name in before:
        assert torch.equal(before[name].total, after[name].total)
        assert torch.equal(before[name].count, after[name].count)


def test_an_unlabelled_joint_is_masked_near_its_person_and_background_elsewhere() -> None:
    truth = relabelled(truth_of(1), 0, WRIST, Label.UNLABELLED)
    outputs = random_outputs(1)
    loss_of(outputs, truth)["heatmaps"].total.backward()
    gradient = outputs["heatmaps"].grad
    assert gradient is not None
    # Columns 0 … 3 lie in the left person's half; its other joints are known there.
    silent = gradient[0, WRIST, :, :4] == 0
    disk = encode(truth.keypoints, truth.labelled, (CELLS, CELLS), STRIDE, COCO_TREE, 20)["heatmaps"][0, WRIST, :, :4]
    assert torch.equal(silent, disk == 0)
    assert (gradient[0, WRIST, :, 4:] != 0).all()
    assert (gradient[0, NOSE] != 0).all()


def test_an_absent_joint_is_background() -> None:
    truth = relabelled(truth_of(1), 0, WRIST, Label.ABSENT)
    outputs = random_outputs(1)
    loss_of(outputs, truth)["heatmaps"].total.backward()
    assert outputs["heatmaps"].grad is not None
    assert (outputs["heatmaps"].grad[0, WRIST] != 0).all()
    assert (outputs["heatmaps"].grad[0, WRIST, :, 0] > 0).all()


def test_ignore_regions_have_no_background() -> None:
    truth = truth_of(1)
    box = torch.tensor([[[(0.0, 0.0), (128.0, 0.0), (128.0, 128.0), (0.0, 128.0)]]])
    outputs = random_outputs(1)
    loss_of(outputs, replace(truth, ignore=box))["heatmaps"].total.backward()
    disks = encode(truth.keypoints, truth.labelled, (CELLS, CELLS), STRIDE, COCO_TREE, 20)["heatmaps"]
    assert outputs["heatmaps"].grad is not None
    assert torch.equal(outputs["heatmaps"].grad != 0, disks > 0)


def test_another_layer_is_not_masked() -> None:
    """What a layer does not show, its unlabelled joints do not mask."""
    truth = relabelled(truth_of(1), 0, WRIST, Label.UNLABELLED)
    assert truth.unknown(STRIDE)[0, WRIST].any()
    assert not replace(truth, owner=torch.ones_like(truth.owner)).unknown(STRIDE).any()


def test_vectors_have_gradients_inside_the_disks_they_start_from_only() -> None:
    truth = truth_of(1)
    outputs = random_outputs(1)
    total(loss_of(outputs, truth)).backward()
    targets = encode(truth.keypoints, truth.labelled, (CELLS, CELLS), STRIDE, COCO_TREE, 32)
    for name in ("offsets", "displacement_forward", "displacement_backward"):
        gradient = outputs[name].grad
        assert gradient is not None
        assert torch.equal((gradient != 0).any(2), targets[f"{name}_mask"] > 0), name


def test_displacements_lead_to_labelled_joints_only() -> None:
    """Neither from nor to an unlabelled joint is anything learnt; the two directions are different outputs."""
    truth = relabelled(relabelled(truth_of(1), 0, WRIST, Label.UNLABELLED), 1, WRIST, Label.UNLABELLED)
    outputs = random_outputs(1)
    total(loss_of(outputs, truth)).backward()
    edge = COCO_TREE.index((COCO_17.index("left_elbow"), WRIST))
    for name in ("displacement_forward", "displacement_backward"):
        gradient = outputs[name].grad
        assert gradient is not None
        assert not gradient[:, edge].any()
        assert gradient[:, edge - 1].any()


def test_sums_and_denominators_of_halves_add_up() -> None:
    truth, outputs = truth_of(4), random_outputs(4)
    whole = loss_of(outputs, truth)
    halves = [
        loss_of({name: value[part] for name, value in outputs.items()}, truth.select(part))
        for part in (slice(0, 1), slice(1, 4))
    ]
    for name, term in whole.items():
        torch.testing.assert_close(term.total, halves[0][name].total + halves[1][name].total)
        torch.testing.assert_close(term.count, halves[0][name].count + halves[1][name].count)


def test_no_people_at_all_is_all_background() -> None:
    truth = truth_of(1)
    nobody = replace(truth, labels=torch.full_like(truth.labels, int(Label.ABSENT)))
    outputs = random_outputs(1)
    terms = loss_of(outputs, nobody)
    assert not terms["offsets"].total.any()
    total(terms).backward()
    assert outputs["heatmaps"].grad is not None
    assert (outputs["heatmaps"].grad > 0).all()
    assert all(torch.isfinite(value.grad).all() for value in outputs.values() if value.grad is not None)


@pytest.mark.parametrize("changes", [{"positive_weight": 4.0}, {"focus": 2.0}])
def test_weights_change_the_heatmap_loss_only(changes: dict[str, float]) -> None:
    truth, outputs = truth_of(), random_outputs()
    plain = loss_of(outputs, truth)
    changed = loss_of(outputs, truth, SETTINGS.model_copy(update=changes))
    for name in plain:
        assert torch.equal(plain[name].total, changed[name].total) == (name != "heatmaps")


@pytest.mark.parametrize("weight", [1.0, 3.0, 10.0])
def test_a_weight_does_not_skew_scores(weight: float) -> None:
    """The best constant score for cells of which a fifth lie in disks is a fifth, whatever the weight."""
    grid = tuple(random_outputs()["heatmaps"].shape)
    disks = torch.zeros(grid, dtype=torch.bool)
    disks.view(-1)[::5] = True
    logit = torch.zeros((), requires_grad=True)
    settings = SETTINGS.model_copy(update={"positive_weight": weight, "focus": 0.0})
    optimizer = torch.optim.LBFGS([logit], max_iter=50)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        term = heatmap_term(logit.expand(grid), disks, torch.ones_like(disks), settings)
        term.total.backward()
        return term.total.detach()

    optimizer.step(closure)
    torch.testing.assert_close(logit.detach().sigmoid(), disks.float().mean(), atol=1e-4, rtol=0)


def test_the_family_offers_it() -> None:
    settings = POSENET.network_settings("posenet-mobilenet_v1-050")()
    terms = POSENET.loss(random_outputs(), truth_of(), COCO_17, settings, SETTINGS)
    assert set(terms) == {"heatmaps", "offsets", "displacement_forward", "displacement_backward"}
    assert POSENET.training_side(200, settings) == 193
