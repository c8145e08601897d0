"""The app's front door: ``streamlit run app.py``."""

import streamlit as st

from posecore.ui.server import lifespan
from posecore.ui.trouble import show_trouble

app = st.App("posecore/ui/router.py", lifespan=lifespan, on_script_error=show_trouble)
