"""What the lifting network is trained for, and how far it is off.

The mean over what a picture leaves open is a body that is neither bent nor straight. Against that pull to the middle,
directions and angles count beside positions, and rare angles count as much as common ones.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field

from posecore.families.contract import LossTerm
from posecore.lifting.network import Lifted
from posecore.settings import Settings
from posecore.skeleton import COCO_17

#: Degrees of a bin of an angle.
BIN = 20


def _triple(a: str, b: str, c: str) -> list[tuple[int, int, int]]:
    return [
        (COCO_17.index(f"{side}_{a}"), COCO_17.index(f"{side}_{b}"), COCO_17.index(f"{side}_{c}"))
        for side in ("left", "right")
    ]


#: Angles by their joint: (one end, the joint, the other end), left and right.
ANGLES = {
    "knee": _triple("hip", "knee", "ankle"),
    "elbow": _triple("shoulder", "elbow", "wrist"),
    "hip": _triple("shoulder", "hip", "knee"),
    "shoulder": _triple("hip", "shoulder", "elbow"),
}
_TRIPLES = torch.tensor([triple for triples in ANGLES.values() for triple in triples])
#: Bones whose direction and length count.
BONES = torch.tensor([(a, b) for a, b in COCO_17.edges if min(a, b) >= 5])
_WEIGHTS = torch.tensor([0.3 if index < 5 else 1.0 for index in range(17)])


class LifterLossSettings(Settings):
    """Weights of the parts of the loss. Lengths are in statures, angles in radians."""

    position: float = Field(1.0, ge=0, description="Distance of joints; those of the face count a third.")
    direction: float = Field(0.1, ge=0, description="Direction of bones.")
    length: float = Field(0.3, ge=0, description="Length of bones.")
    angle: float = Field(0.08, ge=0, description="Angles of knees, elbows, hips and shoulders.")
    balance: float = Field(0.6, ge=0, le=1, description="How far rare angles are weighted up; 1 makes all bins equal.")
    velocity: float = Field(0.3, ge=0, description="Change from frame to frame.")
    error: float = Field(0.1, ge=0, description="The network's own guess of how far off it is.")


def lifter_loss(lifted: Lifted, truth: torch.Tensor, settings: LifterLossSettings) -> dict[str, LossTerm]:
    """Named parts of the loss of a batch; ``truth`` is ``(B, T, 17, 3)`` statures."""
    joints = lifted.joints
    distance = (joints - truth).square().sum(-1).add(1e-8).sqrt()
    bones, true_bones = _bones(joints), _bones(truth)
    lengths, true_lengths = bones.norm(dim=-1), true_bones.norm(dim=-1)
    change = (joints.diff(dim=1) - truth.diff(dim=1)).square().sum(-1).add(1e-8).sqrt()
    parts = {
        "position": (distance * _WEIGHTS.to(distance), settings.position),
        "direction": (1 - F.cosine_similarity(bones, true_bones, dim=-1, eps=1e-6), settings.direction),
        "length": ((lengths - true_lengths).abs(), settings.length),
        "angle": (_angle_loss(joints, truth, settings.balance), settings.angle),
        "velocity": (change, settings.velocity),
        "error": ((lifted.errors - distance.detach()).abs(), settings.error),
    }
    return {name: LossTerm(v.sum(), v.new_tensor(v.numel()), weight) for name, (v, weight) in parts.items()}


def _bones(joints: torch.Tensor) -> torch.Tensor:
    """``(…, B, 3)`` from joint to joint."""
    return joints[..., BONES[:, 1], :] - joints[..., BONES[:, 0], :]


def angles_of(joints: torch.Tensor) -> torch.Tensor:
    """``(…, 8)`` radians of ``ANGLES`` in order, of joints ``(…, 17, 3)``."""
    at = joints[..., _TRIPLES[:, 1], :]
    a, b = joints[..., _TRIPLES[:, 0], :] - at, joints[..., _TRIPLES[:, 2], :] - at
    across = torch.linalg.cross(a, b).square().sum(-1).add(1e-10).sqrt()
    return torch.atan2(across, (a * b).sum(-1))


def _angle_loss(joints: torch.Tensor, truth: torch.Tensor, balance: float) -> torch.Tensor:
    """``(B, T, 8)`` error of angles, the rarer ones of the batch weighted up; the mean weight is 1."""
    wanted = angles_of(truth)
    bins = (wanted.rad2deg() / BIN).long().clamp(0, 180 // BIN - 1)
    weights = torch.empty_like(wanted)
    for joint in range(wanted.shape[-1]):
        counts = torch.bincount(bins[..., joint].flatten(), minlength=180 // BIN).to(wanted)
        # Bins with hardly anybody do not rule the others.
        share = (counts / counts.sum()).clamp_min(0.01) ** -balance
        weights[..., joint] = share[bins[..., joint]]
    weights = weights / weights.mean((0, 1))
    return (angles_of(joints) - wanted).abs() * weights


def mean_error(joints: torch.Tensor, truth: torch.Tensor) -> float:
    """Mean distance of the joints of limbs and trunk, in statures."""
    return float((joints - truth)[..., 5:, :].norm(dim=-1).mean())
