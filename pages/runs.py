"""Runs: what training brought, before and after, and what to do with it."""

from posecore.ui.runs.page import main

main()
