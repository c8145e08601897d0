"""Adding a set: from a zip, a folder of the server's machine, pictures without labels or a video, or drawn."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path, PurePath

import streamlit as st
from streamlit.typing import UploadedFile

from posecore.data.archives import ZipLimits
from posecore.data.library import Library, Progress, StoredSet
from posecore.errors import PosecoreError
from posecore.picture_files import IMAGE_SUFFIXES
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.pictures.open_picture import safe_stem
from posecore.ui.shared.pictures.uploads import take_over_to
from posecore.ui.shared.plain import plain
from posecore.ui.shared.quota import check_room
from posecore.ui.shared.session import session
from posecore.ui.shared.sets.add_frames import from_video
from posecore.ui.shared.sets.new_set import name_field, pick_skeleton
from posecore.ui.shared.sets.set_library import library, remember
from posecore.ui.shared.visitors import FOLDERS_VARIABLE, folders_allowed, require
from posecore.words import unused_name

#: Seconds between two signs of progress.
_TELL = 0.2
#: Width of the forms in pixels.
_WIDTH = 720
#: Megabytes of a zip (the server takes no larger upload), or of one picture, that are taken.
_MOST_ZIP, _MOST_PICTURE = 500, 50
#: What a zip that somebody uploads may hold.
_LIMITS = ZipLimits(files=100_000, bytes=10 * 1024**3)
_ZIP, _FOLDER, _PICTURES, _VIDEO, _DRAWN = "Zip file", "Folder", "Pictures without labels", "Video", "Synthetic people"
_HELP = {
    _ZIP: "**COCO keypoints**, **YOLO-pose**, **Roboflow** (COCO export), **Dataloop**, **labelme**, **CVAT** or "
    "**DeepLabCut**: labels and pictures in one zip. The format is detected automatically. A zip of nothing but "
    "pictures becomes a set to be labelled. For larger zips give a *Folder*, or use `posecore data library add`.",
    _FOLDER: "A folder on the machine that runs this app, in the same formats as a zip, a single file of labels, an "
    "LMDB that OpenPose was trained from, or tars of WebDataset. Pictures are copied; the folder itself is not "
    "changed.",
    _PICTURES: "Pictures of your own. Label them on the Label page, by hand or starting from what a model sees.",
    _VIDEO: "Frames of a video as pictures to be labelled, in a new set or in one that is here. On the Label page, "
    "*Copy from before* takes the people of one frame to the next.",
    _DRAWN: "Figures drawn by posecore with exact keypoints, to try labelling and training without any data. Models "
    "trained on them alone are no good on photographs.",
}


def add_set(first: bool) -> None:
    """The part of the page that adds a set; ``first`` when there is none yet."""
    st.subheader("Add your first set of pictures" if first else "Add a set")
    kinds = [_ZIP, *([_FOLDER] if folders_allowed() else []), _PICTURES, _VIDEO, _DRAWN]
    kind = st.segmented_control("From", kinds, default=_ZIP, required=True, key="dataset_from")
    with st.container(width=_WIDTH):
        st.caption(_HELP[kind])
        forms = {
            _ZIP: _from_zip,
            _FOLDER: _from_folder,
            _PICTURES: _from_pictures,
            _VIDEO: from_video,
            _DRAWN: _from_drawing,
        }
        forms[kind]()
    if _FOLDER not in kinds:
        st.caption(
            "Folders of the server's machine cannot be named here, because others may reach this app. Whoever runs it "
            f"can allow it with `{FOLDERS_VARIABLE}=1`."
        )
    if not first:
        st.button("Back", icon=":material/arrow_back:", on_click=_leave)


def _leave() -> None:
    session().adding_set = False


def _from_zip() -> None:
    with st.form("dataset_zip", border=True):
        file = st.file_uploader("Zip", type="zip", max_upload_size=_MOST_ZIP, key=_counted("dataset_zip_file"))
        name = name_field("dataset_zip_name")
        pressed = st.form_submit_button("Add", type="primary", icon=":material/add:")
    if not pressed:
        return
    if file is None:
        st.error("Choose a zip first.", icon=":material/error:")
        return

    def add(sets: Library, folder: Path, progress: Progress) -> StoredSet:
        path = folder / f"{safe_stem(file.name, 'picture')}.zip"
        take_over_to(file, path)
        chosen = name.strip() or sets.unused_name(PurePath(file.name).stem)
        return sets.add(chosen, path, limits=_LIMITS, progress=progress)

    _run("Unpacking and checking …", add)


def _from_folder() -> None:
    with st.form("dataset_folder", border=True):
        text = st.text_input("Folder or file", key="dataset_folder_path", placeholder="/home/me/pictures")
        images = st.text_input(
            "Folder of the pictures",
            key="dataset_folder_images",
            placeholder="only where they are not beside the labels",
        )
        name = name_field("dataset_folder_name")
        pressed = st.form_submit_button("Add", type="primary", icon=":material/add:")
    if not pressed:
        return
    if not text.strip():
        st.error("Write the path of a folder first.", icon=":material/error:")
        return
    if not folders_allowed():
        st.error("Folders of the server's machine cannot be named here.", icon=":material/error:")
        return
    source = Path(text.strip()).expanduser()
    pictures = Path(images.strip()).expanduser() if images.strip() else None
    _run(
        "Reading and copying …",
        lambda sets, _, progress: sets.add(
            name.strip() or sets.unused_name(source.stem), source, images=pictures, limits=_LIMITS, progress=progress
        ),
    )


def _from_pictures() -> None:
    with st.form("dataset_pictures", border=True):
        files = st.file_uploader(
            "Pictures",
            type=[suffix.lstrip(".") for suffix in IMAGE_SUFFIXES],
            accept_multiple_files=True,
            max_upload_size=_MOST_PICTURE,
            key=_counted("dataset_picture_files"),
        )
        left, right = st.columns(2, gap="small")
        with left:
            name = name_field("dataset_pictures_name")
        with right:
            skeleton = pick_skeleton("dataset_pictures_skeleton")
        pressed = st.form_submit_button("Add", type="primary", icon=":material/add:")
    if not pressed:
        return
    if not files:
        st.error("Choose pictures first.", icon=":material/error:")
        return

    def add(sets: Library, folder: Path, progress: Progress) -> StoredSet:
        chosen = name.strip() or sets.unused_name("pictures")
        return sets.create(chosen, _written(files, folder), skeleton, progress=progress)

    _run("Keeping pictures …", add)


def _written(files: list[UploadedFile], folder: Path) -> list[Path]:
    """Uploaded pictures as files under names of their own."""
    paths: list[Path] = []
    taken: set[str] = set()
    for file in files:
        stem = unused_name(safe_stem(file.name, "picture"), taken)
        taken.add(stem)
        paths.append(folder / f"{stem}{PurePath(file.name).suffix.lower()}")
        take_over_to(file, paths[-1])
    return paths


def _from_drawing() -> None:
    with st.form("dataset_drawn", border=True):
        left, middle, right = st.columns(3, gap="small")
        count = left.number_input("Pictures", 1, 5000, 60, key="dataset_drawn_count")
        seed = middle.number_input(
            "Seed", 0, 10_000_000, 0, key="dataset_drawn_seed", help="The same seed draws the same pictures."
        )
        with right:
            name = name_field("dataset_drawn_name")
        pressed = st.form_submit_button("Generate", type="primary", icon=":material/draw:")
    if pressed:
        _run(
            "Drawing …",
            lambda sets, _, progress: sets.add_synthetic(
                name.strip() or sets.unused_name(f"drawn-{count}"), int(count), int(seed), progress=progress
            ),
        )


def _run(doing: str, add: Callable[[Library, Path, Progress], StoredSet]) -> None:
    """Add a set with a bar of progress; then show it."""
    sets = library()
    bar = st.progress(0.0, text=doing)
    last = 0.0

    def progress(done: int, count: int) -> None:
        nonlocal last
        # Telling the browser takes longer than copying a picture.
        if time.monotonic() - last > _TELL or done == count:
            last = time.monotonic()
            bar.progress(done / count, text=f"{doing} {done} of {count} pictures")

    try:
        require("all", "Adding sets")
        check_room(sets.folder)
        with sets.workplace() as folder:
            stored = add(sets, folder, progress)
    except PosecoreError as error:
        show_error(error)
        return
    finally:
        bar.empty()
    session().uploader += 1
    session().adding_set = False
    remember(stored.name)
    st.toast(f"{plain(stored.title)} is here: {len(stored.dataset())} pictures.", icon=":material/check:")
    st.rerun()


def _counted(key: str) -> str:
    """A key that changes after files were taken, so that the field is empty again."""
    return f"{key}_{session().uploader}"
