"""What the app is made of: versions, licences, limits."""

from __future__ import annotations

import os
import platform
from importlib import metadata

import pandas as pd
import streamlit as st
import torch

from posecore.home import home
from posecore.installation import libraries
from posecore.picture_files import MAX_PIXELS
from posecore.ui.shared.models.caches import DEFAULT_MEGABYTES
from posecore.ui.shared.models.engine import THREADS
from posecore.ui.shared.visitors import shown_path


def packages() -> pd.DataFrame:
    """Versions and licences of the libraries, as they are installed."""
    rows = [(one.name, one.version, one.licence, one.purpose) for one in libraries()]
    return pd.DataFrame(rows, columns=["Library", "Version", "Licence", "For"])


def environment() -> dict[str, str]:
    """Where this runs, and what limits it."""
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "posecore": metadata.version("posecore"),
        "Python": platform.python_version(),
        "System": f"{platform.system()} {platform.machine()}",
        "Networks run on": cuda or f"the processor, {THREADS} threads",
        "Largest picture": f"{MAX_PIXELS / 1e6:g} megapixels",
        "Memory for maps and pictures": f"{os.environ.get('POSECORE_CACHE_MB') or DEFAULT_MEGABYTES} MB",
        "Folder": shown_path(home()),
    }


#: Environment variables that change the app.
VARIABLES = {
    "POSECORE_HOME": "Folder for weights and everything else that is kept.",
    "POSECORE_RUNTIME": "Runtime that *auto* stands for: torch, openvino or onnxruntime; the fastest unless set.",
    "POSECORE_CACHE_MB": "Memory, in megabytes, for maps and pictures of all visitors together.",
    "POSECORE_WEIGHTS_MIRROR": "Folder or server to fetch published weights from instead of the publisher.",
    "POSECORE_VISITORS": "What visitors may do: all, use (nothing of others is changed) or view; see docs/serving.md.",
    "POSECORE_SETS_GB": "Gigabytes that all sets may take together; 50 for visitors from elsewhere.",
    "POSECORE_UPLOADS_GB": "Gigabytes that the files of all visitors may take together; 20 unless set.",
    "POSECORE_ALLOW_FOLDERS": "1 lets every visitor name folders of this machine, 0 nobody; else those on it may.",
    "POSECORE_WEBCAMS": "Live cameras at the same time.",
    "POSECORE_ICE_SERVERS": "STUN and TURN servers for the webcam across networks, separated by commas.",
    "POSECORE_ICE_USERNAME": "Login for the TURN servers.",
    "POSECORE_ICE_CREDENTIAL": "Password for the TURN servers.",
    "STREAMLIT_SERVER_ADDRESS": "127.0.0.1 (this machine only) unless set; 0.0.0.0 lets others in.",
    "STREAMLIT_SERVER_MAX_UPLOAD_SIZE": f"Largest upload in megabytes; {st.get_option('server.maxUploadSize')} now.",
}
