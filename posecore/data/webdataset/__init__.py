"""WebDataset: tars ("shards") of pictures with their labels, which are read from front to back.

A sample is a picture and a JSON of the same name in a row, ``key.jpg`` and ``key.json``; a key ends at the first dot of
a name (https://github.com/webdataset/webdataset). Other members of a sample are passed over. The JSON is a COCO file of
one picture (:mod:`posecore.data.coco`); of it only ``annotations`` must be there: width and height are then those of
the picture, and keypoints without ``categories`` are COCO's 17.

``tarfile`` reads and writes them: the package ``webdataset`` feeds training loops and has no use for labels that nobody
has vouched for.
"""

from posecore.data.webdataset.shards import find_shards, names_shards
from posecore.data.webdataset.unpacking import unpack_shards
from posecore.data.webdataset.writing import write_webdataset

__all__ = ["find_shards", "names_shards", "unpack_shards", "write_webdataset"]
