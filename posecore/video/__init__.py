"""Videos: people found, followed, smoothed, drawn and measured over time."""

from posecore.video.containers import VIDEO_SUFFIXES
from posecore.video.corrections import Correction, corrected
from posecore.video.finding import CropSettings, check_crop_settings, crop_settings
from posecore.video.live import LiveSession
from posecore.video.live_options import LIVE_SMOOTHING, LiveFrame, LiveOptions, LiveStatus, ViewSettings
from posecore.video.measures import (
    KINDS,
    Measure,
    count_track,
    joint_angles,
    measure_table,
    parse_measure,
)
from posecore.video.options import BatchSettings, VideoOptions, follow_and_smooth
from posecore.video.pipeline import process_video
from posecore.video.reading import ClipSettings, VideoFrame, VideoInfo, VideoReader, frame_at
from posecore.video.repetitions import Repetitions, RepetitionSettings, count_repetitions
from posecore.video.results import Progress, VideoResult
from posecore.video.sequence import PoseSequence, SequenceBuilder, Track
from posecore.video.smoothing import Change, LiveSmoother, OneEuro, SmoothingSettings, smooth_sequence, smooth_track
from posecore.video.stills import MOST_STILLS, StillsTaken, take_stills
from posecore.video.tables import FORMATS, keypoint_table, repetition_table, save_tables, table_endings
from posecore.video.tracking import Tracker, TrackingSettings
from posecore.video.writing import ClipWriter, OutputSettings

__all__ = [
    "FORMATS",
    "KINDS",
    "LIVE_SMOOTHING",
    "MOST_STILLS",
    "VIDEO_SUFFIXES",
    "BatchSettings",
    "Change",
    "ClipSettings",
    "ClipWriter",
    "Correction",
    "CropSettings",
    "LiveFrame",
    "LiveOptions",
    "LiveSession",
    "LiveSmoother",
    "LiveStatus",
    "Measure",
    "OneEuro",
    "OutputSettings",
    "PoseSequence",
    "Progress",
    "RepetitionSettings",
    "Repetitions",
    "SequenceBuilder",
    "SmoothingSettings",
    "StillsTaken",
    "Track",
    "Tracker",
    "TrackingSettings",
    "VideoFrame",
    "VideoInfo",
    "VideoOptions",
    "VideoReader",
    "VideoResult",
    "ViewSettings",
    "check_crop_settings",
    "corrected",
    "count_repetitions",
    "count_track",
    "crop_settings",
    "follow_and_smooth",
    "frame_at",
    "joint_angles",
    "keypoint_table",
    "measure_table",
    "parse_measure",
    "process_video",
    "repetition_table",
    "save_tables",
    "smooth_sequence",
    "smooth_track",
    "table_endings",
    "take_stills",
]
