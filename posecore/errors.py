"""The errors a person may cause and can mend. Each message is a sentence that says what to do next."""

from __future__ import annotations


class PosecoreError(Exception):
    """Base of every error that posecore raises on purpose; its text is fit to be shown to a user as it is."""


class ImageError(PosecoreError, ValueError):
    """A picture that cannot be used: not a picture, truncated, too large, too small or too thin."""


class WeightsError(PosecoreError, RuntimeError):
    """Weights that are missing, cannot be fetched, are damaged or do not fit the network."""


class TransferError(PosecoreError, RuntimeError):
    """A file that cannot be fetched or is not what was published; whoever wanted it says what to do."""


class TermsError(WeightsError):
    """Weights under terms that have to be agreed to before they are fetched; the message states them."""


class UnknownModelError(PosecoreError, LookupError):
    """A model name that the catalogue does not know; the message names the nearest ones."""


class SettingsError(PosecoreError, ValueError):
    """A setting that does not exist for this model or whose value is out of range."""


class SkeletonError(PosecoreError, ValueError):
    """A skeleton that contradicts itself, or two skeletons that do not fit together."""


class DataError(PosecoreError, ValueError):
    """Data in a file (annotations, poses, fields) that cannot be read; the message names file and place."""


class MissingExtraError(PosecoreError, ImportError):
    """A library that only a part of posecore needs is not installed; the message says how to install it."""


class VideoError(PosecoreError, ValueError):
    """A video that cannot be used, or a clip that cannot be written; the message says what would do."""


class ExportError(PosecoreError, ValueError):
    """A model that cannot be exported as asked; the message says what would do."""


class StorageError(PosecoreError, RuntimeError):
    """Something that posecore keeps cannot be read or written: a full disk, a folder of others, a damaged file."""


def told(error: Exception) -> str:
    """An error in words, for whoever is told of it and goes on; one that nobody foresaw is named."""
    return str(error) if isinstance(error, PosecoreError) else f"{type(error).__name__}: {error}"
