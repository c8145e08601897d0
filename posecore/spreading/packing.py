"""Models on their way to workers: as they are here, whichever files lie on the machine that they go to."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import cv2
import torch
from torch import nn

from posecore.errors import SettingsError
from posecore.families import family_of
from posecore.model import PoseModel
from posecore.settings import EXACT_NETWORK
from posecore.skeleton import Skeleton
from posecore.two_stage import TwoStageModel


@dataclass(frozen=True)
class _One:
    """All that makes a loaded model of one network."""

    name: str
    architecture: str
    network: nn.Module
    weights_id: str
    skeleton: Skeleton
    own_settings: Mapping[str, Any]

    def loaded(self, device: str) -> PoseModel:
        return PoseModel(
            self.name,
            family_of(self.architecture),
            self.architecture,
            self.network,
            self.weights_id,
            skeleton=self.skeleton,
            device=device,
            **self.own_settings,
        )


@dataclass(frozen=True)
class _Joined:
    """The same of two models that are joined."""

    finder: _One
    closer: _One
    network_settings: Mapping[str, Any]

    def loaded(self, device: str) -> PoseModel:
        stages = (self.finder.loaded(device), self.closer.loaded(device))
        return TwoStageModel(*stages, network_settings=self.network_settings)


@dataclass(frozen=True)
class PackedModel:
    """A loaded model as bytes.

    Attributes:
        data: All that makes it.
        device: Where it shall run, as :func:`posecore.model.pick_device` takes it; ``auto`` is chosen by the worker.
        posecore: Version that packed it.
    """

    data: bytes
    device: str
    posecore: str

    def unpack(self) -> PoseModel:
        """The model, which answers as the one that was packed. This process then computes with one thread.

        Results may depend on the number of threads in their last bit; so they do not depend on the machine's
        processors or on how many work.

        Raises:
            SettingsError: When another version of posecore packed it, or its device is not here.
        """
        if self.posecore != version("posecore"):
            raise SettingsError(
                f"work comes from posecore {self.posecore}, and a worker has {version('posecore')}: install the same "
                "version everywhere."
            )
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        made: _One | _Joined = pickle.loads(self.data)
        return made.loaded(self.device)


def pack(model: PoseModel, device: str) -> PackedModel:
    """A model for workers, to run on ``device`` there; it is of no more use here unless it ran on the processor."""
    made: _One | _Joined
    if isinstance(model, TwoStageModel):
        made = _Joined(_one(model.finder), _one(model.closer), model.network_defaults.model_dump())
    else:
        made = _one(model)
    return PackedModel(pickle.dumps(made), device, version("posecore"))


def _one(model: PoseModel) -> _One:
    network = model.network.to("cpu")
    return _One(model.name, model.architecture, network, model.weights_id, model.skeleton, model.own_settings())


def settled(model: PoseModel, network: Mapping[str, Any]) -> dict[str, Any]:
    """All network settings, with nothing left open about how the network is computed.

    What is left to ``auto`` depends on the machine and on how many pictures came before; here it is PyTorch in float32.
    """
    values = model.network_settings(**network).model_dump()
    return {**values, **{name: value for name, value in EXACT_NETWORK.items() if values.get(name) == "auto"}}
