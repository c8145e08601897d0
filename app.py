"""The app's front door: ``streamlit run app.py``."""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

import posecore.ui.app
from posecore.ui.app.guard import Guard
from posecore.ui.app.server import lifespan
from posecore.ui.shared.error_messages import show_trouble
from posecore.ui.shared.widgets.frontend import module_routes
from posecore.ui.shared.widgets.sent_pictures import picture_routes
from posecore.ui.video.serving import clip_routes
from posecore.ui.webcam.serving import live_routes

router = Path(posecore.ui.app.__file__).with_name("router.py")
app = st.App(
    router,
    lifespan=lifespan,
    routes=[*clip_routes(), *module_routes(), *picture_routes(), *live_routes()],
    middleware=[Middleware(Guard)],
    on_script_error=show_trouble,
)
