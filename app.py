"""The app's front door: ``streamlit run app.py``."""

import streamlit as st

from posecore.ui.server import lifespan
from posecore.ui.trouble import show_trouble
from posecore.ui.video_serving import clip_routes

app = st.App("posecore/ui/router.py", lifespan=lifespan, routes=clip_routes(), on_script_error=show_trouble)
