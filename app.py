"""The app's front door: ``streamlit run app.py``."""

import streamlit as st

from posecore.ui.app.server import lifespan
from posecore.ui.shared.error_messages import show_trouble
from posecore.ui.video.serving import clip_routes

app = st.App("posecore/ui/app/router.py", lifespan=lifespan, routes=clip_routes(), on_script_error=show_trouble)
