"""The way out: models for other runtimes, with what they need to be understood and proof that they agree with ours."""

from __future__ import annotations

from posecore.export.folder import Exported, export_model
from posecore.export.formats import FORMATS
from posecore.export.plan import Plan

__all__ = ["FORMATS", "Exported", "Plan", "export_model"]
