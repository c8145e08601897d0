"""OpenPose's codec: fields to poses (NumPy, one picture) and labels to target fields (torch, a batch).

Decoding follows Cao et al. 2017: local maxima of the heatmaps are candidates for joints; a pair of candidates is
judged by the part affinity along the line between them; pairs are matched limb by limb and put together to people.
Positions inside this package are (x, y) in *cells* of the maps' grid unless said otherwise, so that stride and origin
matter only at its edges.

The maps are read where they are, on the coarse grid: peaks are refined to a fraction of a cell by fitting a Gaussian,
and part affinity is read bilinearly, which is what upsampling it bilinearly would give.
"""

from posecore.families.openpose.codec.decoding import Decoded, decode
from posecore.families.openpose.codec.encoding import HALF_WIDTH, SIGMA, encode
from posecore.families.openpose.codec.limbs import LIMBS, assembly_order, limbs_of
from posecore.families.openpose.codec.maps import OpenPoseMaps
from posecore.families.openpose.codec.settings import OpenPoseDecodeSettings

__all__ = [
    "HALF_WIDTH",
    "LIMBS",
    "SIGMA",
    "Decoded",
    "OpenPoseDecodeSettings",
    "OpenPoseMaps",
    "assembly_order",
    "decode",
    "encode",
    "limbs_of",
]
