"""About: versions, licences and limits."""

import streamlit as st

from posecore.ui.about.facts import VARIABLES, environment, packages
from posecore.ui.shared.frame import PROJECT
from posecore.zoo import list_models


def main() -> None:
    """The page."""
    st.markdown(
        f"{PROJECT} A network turns a picture into maps; a decoder turns the maps into people. Everything runs on the "
        "machine that serves this page: no picture, keypoint or setting is sent anywhere else."
    )
    left, right = st.columns([5, 6], gap="large")
    with left:
        st.subheader("This installation")
        table(environment())
        st.subheader("Environment variables")
        table({f"`{name}`": text for name, text in VARIABLES.items()})
    with right:
        st.subheader("Libraries")
        st.dataframe(packages(), hide_index=True, alt="Libraries with version and licence")
        st.subheader("Licences")
        st.markdown(
            "- posecore: Apache-2.0.\n"
            "- The typeface Inter: SIL Open Font License 1.1, © The Inter Project Authors.\n"
            "- The photograph of Grace Hopper: public domain.\n"
            "- Video: the PyAV package carries FFmpeg with x264 and x265, which stand under the GPL, version 2 or "
            "later. Whoever passes them on, as in a container image, must follow it.\n" + "\n".join(model_licences())
        )


def table(rows: dict[str, str]) -> None:
    """Two columns without a heading."""
    st.table({"": list(rows), " ": list(rows.values())}, hide_index=True, hide_header=True, border="horizontal")


def model_licences() -> list[str]:
    """One line for each licence that models stand under."""
    models: dict[str, int] = {}
    for info in list_models():
        models[info.licence] = models.get(info.licence, 0) + 1
    return [f"- {count} models: {licence or 'not stated'}." for licence, count in models.items()]
