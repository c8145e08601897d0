"""The way out: models for other runtimes, with what they need to be understood and proof that they agree with ours."""

from __future__ import annotations

from posecore.export.folder import Exported, export_model
from posecore.export.formats import FORMAT_NAMES, FORMATS, PUBLISHED, WEB
from posecore.export.plan import Plan
from posecore.export.published import write_back
from posecore.export.web import export_page, server_of

__all__ = [
    "FORMATS",
    "FORMAT_NAMES",
    "PUBLISHED",
    "WEB",
    "Exported",
    "Plan",
    "export_model",
    "export_page",
    "server_of",
    "write_back",
]
