"""Libraries that only some of posecore needs; they come with an extra, such as ``posecore[train]``."""

from __future__ import annotations

from importlib.util import find_spec

from posecore.errors import MissingExtraError

#: Extra → the module that it brings, and what is not there without it.
EXTRAS: dict[str, tuple[str, str]] = {
    "train": ("lightning", "Training"),
    "webcam": ("streamlit_webrtc", "The Webcam page"),
    "onnx": ("onnxscript", "Computing with ONNX Runtime or export to ONNX"),
    "openvino": ("openvino", "Computing with OpenVINO or export to it"),
    "litert": ("litert_torch", "Export to LiteRT"),
    "lmdb": ("lmdb", "Reading the LMDBs that OpenPose was trained from"),
    "c3d": ("ezc3d", "Writing C3D files"),
    "cluster": ("ray", "Working on a Ray cluster"),
    "ros": ("rosbags", "Telling ROS"),
    "supervision": ("supervision", "Conversion to supervision's KeyPoints"),
}


def installed(extra: str) -> bool:
    """Whether an extra is there."""
    return find_spec(EXTRAS[extra][0]) is not None


def require(extra: str) -> None:
    """Make sure that an extra is installed.

    Raises:
        MissingExtraError: When it is not; the message says how to install it.
    """
    module, what = EXTRAS[extra]
    if not installed(extra):
        raise MissingExtraError(
            f"{what} needs {module.replace('_', '-')}, which is not installed: pip install 'posecore[{extra}]'."
        )
