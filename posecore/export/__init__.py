"""The way out: models for other runtimes, with what they need to be understood and proof that they agree with ours."""

from __future__ import annotations

from posecore.export.folder import Exported, export_model
from posecore.export.formats import FORMATS, PUBLISHED
from posecore.export.plan import Plan
from posecore.export.published import write_back

__all__ = ["FORMATS", "PUBLISHED", "Exported", "Plan", "export_model", "write_back"]
