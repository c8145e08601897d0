"""Finding, fetching, checking and loading weights."""

from __future__ import annotations

from posecore.zoo.fetch import Progress
from posecore.zoo.listing import ModelInfo, list_models, list_trouble
from posecore.zoo.models import Verified, add_model, fetch_model, is_kept, load_model, remove_model, verify_model
from posecore.zoo.naming import default_model, joined, licence_of, model_info, recommended_model, resolve_name
from posecore.zoo.weights import Weights, WeightsHeader, load_weights, read_header, save_weights

__all__ = [
    "ModelInfo",
    "Progress",
    "Verified",
    "Weights",
    "WeightsHeader",
    "add_model",
    "default_model",
    "fetch_model",
    "is_kept",
    "joined",
    "licence_of",
    "list_models",
    "list_trouble",
    "load_model",
    "load_weights",
    "model_info",
    "read_header",
    "recommended_model",
    "remove_model",
    "resolve_name",
    "save_weights",
    "verify_model",
]
