"""The maps that training compares a network with, over the pictures it would see, augmentation included."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import streamlit as st

from posecore.data.annotations import PoseDataset
from posecore.data.augment import AugmentSettings
from posecore.data.batches import PackSettings
from posecore.data.library import StoredSet
from posecore.drawing import DrawingOptions, draw_poses
from posecore.drawing.masks import hatch_cells
from posecore.drawing.views import MapView, Style, draw_view
from posecore.errors import PosecoreError
from posecore.families import FAMILIES
from posecore.fields import FieldKind, Fields
from posecore.imaging import Picture
from posecore.settings import build_settings
from posecore.skeleton import COCO_17, Skeleton
from posecore.training.preview import Preview, PreviewPlan, make_preview
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.maps.map_choice import CHANNEL_KEY, pick_view
from posecore.ui.shared.maps.map_readings import legend_of, readable
from posecore.ui.shared.maps.map_tabs import TILE, words
from posecore.ui.shared.pictures.open_picture import to_jpeg
from posecore.ui.shared.session import state_of
from posecore.ui.shared.widgets.components import field_view, filmstrip
from posecore.ui.shared.widgets.numbers import number
from posecore.ui.shared.widgets.setting_controls import SettingControls

_ROOM = "max(260px, 100vh - 300px)"
#: Side of the drawn picture in pixels.
_DRAWN = 780
#: Maps whose every cell is taught something unless it is unknown; vectors are taught only where they are defined.
_DENSE = (FieldKind.HEATMAP, FieldKind.CENTRE, FieldKind.PART_AFFINITY)
_JOINTS = DrawingOptions(opacity=0.75, thickness=0.6)


@dataclass
class Previewing:
    """What the tab remembers.

    Attributes:
        seed: Which random crops are taken.
        shown: Place of the picture that is looked at.
        made: The batch, with the set and the plan that it was made for.
    """

    seed: int = 0
    shown: int = 0
    made: tuple[PoseDataset, PreviewPlan, Preview] | None = None


@st.fragment
def show_targets(stored: StoredSet) -> None:
    """The tab."""
    dataset = stored.dataset()
    if not any(person.labelled.any() for image in dataset for person in image.people):
        st.info("Nobody is labelled yet; label some people first.", icon=":material/draw:")
        return
    left, right = st.columns([6, 5], gap="medium")
    try:
        with right:
            plan, joints = _plan(stored)
        preview = _preview(stored, dataset, plan)
    except PosecoreError as error:
        with left:
            show_error(error)
        return
    shown = min(state_of(Previewing).shown, len(preview.pictures) - 1)
    with right:
        # One joint says more than all of them at once, which only shows where somebody is.
        st.session_state.setdefault(CHANNEL_KEY, words(plan.skeleton.keypoints[0]))
        view = pick_view(preview.fields(shown))
    with left:
        _show(preview, shown, view, joints=joints)
        _strip(preview, shown)


def _plan(stored: StoredSet) -> tuple[PreviewPlan, bool]:
    """The widgets; returns what to show, and whether joints are drawn."""
    titles = {name: one.title for family in FAMILIES.values() for name, one in family.architectures.items()}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        architecture = st.selectbox(
            "Network to train", list(titles), format_func=titles.__getitem__, key="target_architecture"
        )
        st.button(
            "New random crop",
            icon=":material/casino:",
            on_click=_roll,
            type="primary",
            help="Other pictures, other changes",
        )
    family = next(one for one in FAMILIES.values() if architecture in one.architectures)
    network = SettingControls(family.network_settings(architecture), prefix="target_")
    loss = SettingControls(family.loss_settings, prefix="target_loss_")
    augment = SettingControls(AugmentSettings, prefix="augment_")
    joints = st.toggle("Show joints", value=True, key="target_joints")
    with st.expander("Augmentation and input", icon=":material/tune:"):
        side = number("Side of the input in pixels", 97, 385, 193, step=32, key="target_side")
        skeleton = family.skeleton if family.finds_boxes else _skeleton(stored.skeleton)
        network.draw([name for name in ("output_stride",) if name in network.values])
        augment.draw(augment.others + augment.main)
    with st.expander("Loss", icon=":material/balance:"):
        loss.draw(loss.main + loss.others)
    values = network.values
    strides = {"output_stride": values["output_stride"]} if "output_stride" in values else {}
    sources = stored.sources()
    plan = PreviewPlan(
        architecture,
        skeleton,
        side,
        strides,
        build_settings(AugmentSettings, augment.values),
        loss.values,
        next((source.pack for source in sources.train), PackSettings()),
        seed=state_of(Previewing).seed,
    )
    return plan, joints


def _skeleton(own: Skeleton) -> Skeleton:
    """The set's own keypoints or COCO's, where both are possible."""
    if own.keypoints == COCO_17.keypoints or not set(own.keypoints) & set(COCO_17.keypoints):
        return own
    choices = {f"the set's {len(own)}": own, "COCO's 17": COCO_17}
    return choices[st.selectbox("Keypoints to learn", list(choices), key="target_keypoints")]


def _roll() -> None:
    state_of(Previewing).seed += 1


def _preview(stored: StoredSet, dataset: PoseDataset, plan: PreviewPlan) -> Preview:
    """The batch; kept while nothing that decides it changes."""
    mine = state_of(Previewing)
    # The set itself is kept along: another one has another identity, even when it is read anew.
    if mine.made is None or mine.made[0] is not dataset or mine.made[1] != plan:
        train = tuple(image for image in dataset if image.split == "train") if stored.parts() else dataset.images
        mine.made = (dataset, plan, make_preview(replace(dataset, images=train), plan))
    return mine.made[2]


def _show(preview: Preview, shown: int, view: MapView, *, joints: bool) -> None:
    """One picture with a map over it."""
    fields, poses = preview.fields(shown), preview.poses(shown)
    picture = preview.pictures[shown]
    field = fields[view.name]
    if view.style == Style.GRID:
        sheet = draw_view(picture, fields, view, tile=TILE)
        st.image(sheet, output_format="JPEG", width="stretch")
        st.caption("Unknown cells are hatched when one map is shown.")
        return
    large = np.asarray(cv2.resize(picture, (_DRAWN, _DRAWN), interpolation=cv2.INTER_LINEAR), np.uint8)
    drawn = draw_view(large, _countable(fields, preview, shown, view), view)
    unknown = 0.0
    if field.kind in _DENSE:
        cells = preview.unknown(*_target(preview, view), shown)
        unknown = float(cells.mean())
        drawn = hatch_cells(drawn, cells, field.stride, field.origin, picture.shape[0])
    if joints:
        drawn = draw_poses(drawn, poses, _JOINTS)
    field_view(
        to_jpeg(drawn),
        poses,
        picture=f"target {shown}",
        alt=f"{view.name} that training wants for picture {shown + 1} of the batch",
        room=_ROOM,
        values=readable(fields, view),
        legend=legend_of(field, view),
        marks=(),
        on_spot=lambda x, y, reach: None,
        key="target_picture",
    )
    st.caption(_explained(field.kind in _DENSE, unknown, picture.shape[0]))


def _explained(dense: bool, unknown: float, side: int) -> str:
    input_words = f"Input {side} × {side} after augmentation."
    if not dense:
        return f"{input_words} Vectors are learnt only in the cells that have an arrow or a colour."
    if not unknown:
        return f"{input_words} Every cell counts: nothing is unknown here."
    return f"{input_words} Hatched: unknown, not learnt from ({100 * unknown:.0f} % of the cells)."


def _target(preview: Preview, view: MapView) -> tuple[str, int | None]:
    """Name and channel of the target behind a map: OpenPose's background is the last of its heatmaps."""
    if view.name in preview.targets:
        several = "background" in {field.name for field in preview.fields(0).maps}
        if several and view.name == "heatmaps" and view.channel is None:
            return view.name, None
        return view.name, view.channel
    return "heatmaps", -1


def _countable(fields: Fields, preview: Preview, shown: int, view: MapView) -> Fields:
    """For arrows: vectors that do not count are not there."""
    field = fields[view.name]
    if view.style != Style.ARROWS or view.name not in preview.targets:
        return fields
    counts = (preview.targets[view.name].weight[shown] > 0).numpy()
    values: Any = np.where(counts[:, None], field.values, np.nan)
    maps = tuple(replace(one, values=values) if one is field else one for one in fields.maps)
    return replace(fields, maps=maps)


def _strip(preview: Preview, shown: int) -> None:
    def pick(key: str) -> None:
        state_of(Previewing).shown = int(key)

    filmstrip(
        [
            (str(number), f"Picture {number + 1} of the batch", to_jpeg(_small(picture)))
            for number, picture in enumerate(preview.pictures)
        ],
        str(shown),
        title="Pictures of the batch",
        on_pick=pick,
        key="target_strip",
    )


def _small(picture: Picture) -> Picture:
    return np.asarray(cv2.resize(picture, (120, 120), interpolation=cv2.INTER_AREA), np.uint8)
