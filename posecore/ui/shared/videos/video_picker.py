"""Choosing a video: a rendered sample, or one of the visitor's own."""

from __future__ import annotations

import streamlit as st

from posecore.errors import PosecoreError, VideoError
from posecore.ui.shared.pictures.source_picker import choose_upload
from posecore.ui.shared.pictures.uploads import take_over_to
from posecore.ui.shared.plain import plain
from posecore.ui.shared.videos.store import SAMPLES, Video, sample_path, sample_video, shelf
from posecore.ui.shared.visitor_files import visitor_folders
from posecore.ui.shared.visitors import require

KINDS = ("Samples", "Upload")
_WIDGET = "video_upload"


def pick_video() -> Video | None:
    """The widgets for the sidebar; None while there is no video."""
    kind = st.segmented_control(
        "Where the video comes from",
        KINDS,
        default=KINDS[0],
        required=True,
        key="video_source",
        width="stretch",
        bind="query-params",
        label_visibility="collapsed",
    )
    return _upload() if kind == "Upload" else _sample()


def _sample() -> Video | None:
    titles = [sample.title for sample in SAMPLES]
    title = st.selectbox(
        "Sample", titles, key="video_sample", bind="query-params", label_visibility="collapsed", required=True
    )
    sample = next((sample for sample in SAMPLES if sample.title == title), SAMPLES[0])
    try:
        if sample_path(sample).is_file():
            return sample_video(sample)
        with st.spinner("Rendering this sample once …", show_time=False):
            return sample_video(sample)
    except (PosecoreError, OSError) as error:
        shelf().refused.append(f"The sample cannot be rendered: {error} Upload a video instead.")
        return None


def _upload() -> Video | None:
    mine = shelf()
    key = f"video_uploader_{mine.uploader}"
    st.file_uploader(
        "Video",
        key=key,
        on_change=_take_file,
        args=(key,),
        label_visibility="collapsed",
        help=f"MP4, MOV, AVI, WebM, MKV and others, up to {largest_upload()} MB. It stays on the machine that runs "
        "this app and is deleted when you close the page.",
    )
    return choose_upload(list(mine), _WIDGET, "video", mine.remove, mine.clear)


def largest_upload() -> int:
    """Size in MB up to which the server takes files."""
    return int(st.get_option("server.maxUploadSize"))


def _take_file(key: str) -> None:
    mine = shelf()
    mine.refused.clear()
    file = st.session_state[key]
    if file is None:
        return
    try:
        require("use", "Giving files")
        visitor_folders.check_room()
    except PosecoreError as error:
        mine.refused.append(str(error))
        return
    path = mine.new_place(file.name)
    try:
        take_over_to(file, path)
        st.session_state[_WIDGET] = mine.add(path)
    except VideoError as error:
        mine.refused.append(str(error))
    except OSError as error:
        path.unlink(missing_ok=True)
        mine.refused.append(f"{file.name} could not be stored: {error.strerror or error}. Make room on the server.")
    # A new field each time: it stays small, and the file outlives a visit to another page.
    mine.uploader += 1


def show_refused_videos() -> None:
    """Say which files were not taken."""
    for sentence in shelf().refused:
        st.error(f"{plain(sentence)} Other videos and your settings are not affected.", icon=":material/error:")


def no_video() -> None:
    """What the page shows while there is no video."""
    with st.container(border=True, horizontal_alignment="center", height=420, vertical_alignment="center"):
        st.markdown("### :material/video_file:", text_alignment="center")
        st.markdown(
            "**Drop a video into the field in the side panel.** MP4, MOV, AVI, WebM, MKV and most others, up to "
            f"{largest_upload()} MB. It does not leave the machine that runs this app.",
            text_alignment="center",
        )
        st.button("Look at a sample instead", on_click=_to_samples)


def _to_samples() -> None:
    st.session_state["video_source"] = KINDS[0]
