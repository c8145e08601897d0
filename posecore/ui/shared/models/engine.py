"""The models that all sessions share, and the cached way from a picture to poses.

The network runs when the picture, the region, the weights or a network setting is new, and never otherwise: decoding
and drawing start from cached fields.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
import torch

from posecore.data.box_files import Box, boxes_inside
from posecore.fields import CloseUp, Fields
from posecore.imaging import Region
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.runtimes.runner import Runner
from posecore.two_stage import BoxedModel, TwoStageModel
from posecore.two_stage.close import CloseUpModel
from posecore.two_stage.views import View
from posecore.ui.shared.models.caches import ByteCache, fields_cache
from posecore.ui.shared.pictures.open_picture import OpenPicture, Source, open_picture
from posecore.ui.shared.session import session
from posecore.zoo import ModelInfo, default_model, load_model

#: Models that stay loaded at the same time.
MODELS_IN_MEMORY = 8
#: Times of passes that are remembered.
PACES = 500
#: Threads of one forward pass. More make one pass little faster and several sessions much slower.
THREADS = min(2, os.cpu_count() or 1)


@dataclass(frozen=True, eq=False)
class Analysis:
    """What was found in a picture, and how long it took.

    Attributes:
        opened: The picture.
        fields: What the network says about it.
        poses: What the decoder makes of that.
        from_cache: True when the network did not have to run for this request.
        decode_ms: Milliseconds that decoding took.
    """

    opened: OpenPicture
    fields: Fields
    poses: Poses
    from_cache: bool
    decode_ms: float


def shared_model(info: ModelInfo, own_file: bool = False, boxed: bool = False) -> PoseModel:
    """The one loaded copy of a model.

    Args:
        info: A model on this machine.
        own_file: True when its file is to be read as a person's own, for the architecture that ``info`` names.
        boxed: True when it is to look at boxes that it is told; it is for one person then.

    Raises:
        WeightsError: When its file is missing or damaged.
    """
    if boxed:
        return _boxed(_identity(info, own_file))
    if info.stages:
        mine = session().own_models
        return _joined(*(_identity(stage, stage.name in mine) for stage in info.stages))
    return _loaded(*_identity(info, own_file))


#: Name, file when it is a person's own, and when it was changed.
_Identity = tuple[str, str | None, int]


def _identity(info: ModelInfo, own_file: bool) -> _Identity:
    # A file that was replaced is another model, although its name is the same.
    stamp = info.path.stat().st_mtime_ns if info.path is not None and info.path.is_file() else 0
    return info.name, str(info.path) if own_file else None, stamp


@st.cache_resource(max_entries=MODELS_IN_MEMORY, show_spinner=False)
def _joined(finder: _Identity, closer: _Identity) -> PoseModel:
    return TwoStageModel(_loaded(*finder), _loaded(*closer))


@st.cache_resource(max_entries=MODELS_IN_MEMORY, show_spinner=False)
def _boxed(closer: _Identity) -> PoseModel:
    return BoxedModel(_loaded(*closer))


@st.cache_resource(max_entries=MODELS_IN_MEMORY, show_spinner=False)
def _loaded(name: str, weights: str | None, stamp: int) -> PoseModel:
    torch.set_num_threads(THREADS)
    Runner.worth = 1
    model = load_model(name, weights=None if weights is None else Path(weights))
    # The first pass of a network sets up much that later ones find ready; nobody's measured time should include it.
    model.fields(np.zeros((64, 64, 3), np.uint8))
    return model


@st.cache_resource(show_spinner=False)
def network_slots() -> threading.Semaphore:
    """How many forward passes may run at once; further ones wait."""
    return threading.Semaphore(max(1, (os.cpu_count() or 1) // THREADS))


def find_fields(
    model: PoseModel,
    opened: OpenPicture,
    region: Region | None,
    settings: Mapping[str, Any],
    boxes: Sequence[Box] = (),
) -> tuple[Fields, bool]:
    """Fields of a picture and whether they were there already; sessions that ask for the same wait for one pass.

    ``boxes`` are the picture's, for a model that is told where people are.
    """
    if isinstance(model, BoxedModel):
        views = model.views(boxes_inside(boxes, opened.size)[0], **settings)
        close, known = _look_closely(model, opened, views, settings)
        return model.looked(opened.contents.identity, opened.size, views, close, **settings), known
    if isinstance(model, TwoStageModel):
        return _find_in_stages(model, opened, region, settings)
    cache = fields_cache()
    key = model.provenance(opened.contents.identity, region, **settings).key
    known = key in cache

    def run_network() -> Fields:
        pixels = opened.pixels()
        with network_slots():
            return model.fields(pixels, region, picture=opened.contents.identity, **settings)

    return cache.get(key, run_network), known


def _find_in_stages(
    model: TwoStageModel, opened: OpenPicture, region: Region | None, settings: Mapping[str, Any]
) -> tuple[Fields, bool]:
    """Fields of a joined model; another threshold of the finder runs the second network for new people only."""
    found, known = find_fields(model.finder, opened, region, model.finder_settings(settings)[0])
    close, all_known = _look_closely(model, opened, model.views(found, **settings), settings)
    return model.join(found, close, **settings), known and all_known


def _look_closely(
    model: CloseUpModel, opened: OpenPicture, views: Sequence[View], settings: Mapping[str, Any]
) -> tuple[tuple[CloseUp, ...], bool]:
    """The second network's fields of some views, and whether all were there already."""
    cache, identity = fields_cache(), opened.contents.identity
    near, _ = model.closer_settings(settings, {})
    keys = [model.closer.provenance(identity, view.region, **near).key for view in views]

    def look(chosen: list[View]) -> list[Fields]:
        pixels = opened.pixels()
        with network_slots():
            return [one.fields for one in model.close_ups([pixels], [chosen], [identity], **settings)[0]]

    missing = {key: view for key, view in zip(keys, views, strict=True) if key not in cache}
    fresh = dict(zip(missing, look(list(missing.values())), strict=True)) if missing else {}

    def looked(key: str, view: View) -> Fields:
        return cache.get(key, lambda: fresh[key] if key in fresh else look([view])[0])

    return tuple(CloseUp(looked(key, view), view.score) for key, view in zip(keys, views, strict=True)), not missing


@st.cache_resource(show_spinner=False)
def _paces() -> ByteCache[float]:
    """Milliseconds of a pass by model, settings and size of the input."""
    return ByteCache(PACES, lambda _: 1)


def pace(model: PoseModel, analysis: Analysis, network_settings: Mapping[str, Any]) -> float:
    """Milliseconds that each of many pictures like this one takes.

    The first pass at a new size of input sets up what later ones find ready, so another one is timed.
    """
    fields = analysis.fields
    key = (fields.provenance.weights, repr(fields.provenance.settings), fields.transform.input_size)

    def time_again() -> float:
        pixels = analysis.opened.pixels()
        with network_slots():
            return sum(model.fields(pixels, fields.provenance.region, **network_settings).timings.values())

    return _paces().get(key, time_again) + analysis.decode_ms


def analyse(
    model: PoseModel,
    opened: OpenPicture,
    region: Region | None,
    network_settings: Mapping[str, Any],
    decode_settings: Mapping[str, Any],
    boxes: Sequence[Box] = (),
) -> Analysis:
    """Fields and poses of a picture, of its ``boxes`` with a model that is told where people are.

    Raises:
        ImageError: When the picture or region cannot be used.
        SettingsError: When a setting does not fit this picture.
    """
    fields, known = find_fields(model, opened, region, network_settings, boxes)
    start = time.perf_counter()
    poses = model.decode(fields, **decode_settings)
    return Analysis(opened, fields, poses, known, 1000 * (time.perf_counter() - start))


def warm_up(source: Source) -> None:
    """Do once what the first visitor would have to wait for: load the default model and look at ``source``."""
    info = default_model()
    if info is not None:
        analyse(shared_model(info), open_picture(source), None, {}, {})
    # Streamlit collects garbage after every run. Frozen, the many objects of torch and of the network are not looked
    # at each time, which otherwise costs more than everything else that a slider's move makes the server do. Only
    # here, as visitors begin to come: sessions that are frozen are never collected.
    gc.collect()
    gc.freeze()
