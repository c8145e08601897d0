"""Models: what there is."""
import streamlit as st
st.write("soon")
