"""People in many and long videos: cut into segments that are looked at side by side, then followed as a whole.

Finding people is what takes long, and a frame's people do not depend on other frames; so segments are looked at in any
order. Following and smoothing do depend on the frames before: they take all frames of a video in their order, as
:func:`posecore.video.process_video` does, so that tracks know nothing of cuts. Where a network looks closely at the
place where people were in the frame before (smart crop), a segment begins some frames earlier, which are then dropped.

``run`` is the run over many videos, ``plan`` what is done next, ``folder`` where results are, ``tasks`` what workers
are asked, and ``work`` what they do then.
"""
