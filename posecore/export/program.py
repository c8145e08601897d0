"""The program beside an exported model: it runs the model with nothing of posecore."""

from __future__ import annotations

from collections.abc import Sequence

from posecore.export.formats import Format
from posecore.export.graph import Output
from posecore.export.plan import Checked
from posecore.model import PoseModel

_HEAD = '''"""Finds people in a picture: python run.py picture.jpg  (pip install numpy pillow {needs})"""
import json, pathlib, sys
import numpy as np
{imports}
from PIL import Image, ImageOps

folder, width, height = pathlib.Path(__file__).parent, {width}, {height}
names = json.loads((folder / "model.json").read_text("utf-8"))["keypoints"]
picture = ImageOps.exif_transpose(Image.open(sys.argv[1])).convert("RGB")
fitted = ImageOps.pad(picture, (width, height), Image.Resampling.BILINEAR, color=({fill}, {fill}, {fill}))
pixels = np.asarray(fitted, np.float32)[None]{turned}
{load}
scale = max(picture.width / width, picture.height / height)

def show(name, x, y, score):  # x and y as parts of the input's sides
    x, y = (x - 0.5) * width * scale + picture.width / 2, (y - 0.5) * height * scale + picture.height / 2
    print(f"{{name}}: {{x - 0.5:.1f}}, {{y - 0.5:.1f}} px, score {{score:.2f}}")

'''

_ONE = """for name, (y, x, score) in zip(names, outputs["poses"][0, 0]):
    show(name, x, y, score)
"""
_PEOPLE = """for person in outputs["poses"][0]:
    if person[-1] >= {threshold:g}:
        print(f"person, score {{person[-1]:.2f}}")
        for name, (y, x, score) in zip(names, person[:-5].reshape(-1, 3)):
            show(name, x, y, score)
"""
_MAPS = """heat = outputs["heatmaps"][0]{turned}  # rows, columns, keypoints; decoding finds more than the best cells
for index, name in enumerate(names):
    row, column = np.unravel_index(heat[..., index].argmax(), heat.shape[:2])
    x, y = (column * {stride:g} + {origin:g} + 0.5) / width, (row * {stride:g} + {origin:g} + 0.5) / height
    show(name, x, y, heat[row, column, index])
"""


def program(model: PoseModel, checked: Checked, format: Format, outputs: Sequence[Output]) -> str:
    """The program's text."""
    first = checked.plan.layout == "nchw"
    width, height = checked.size
    imports, load = format.program
    head = _HEAD.format(
        needs=" ".join(format.needs),
        imports=imports,
        width=width,
        height=height,
        fill=round(model.family.padding),
        turned=".transpose(0, 3, 1, 2).copy()" if first else "",
        load=load,
    )
    if checked.decoder is not None:
        people = checked.decoder.people
        return head + (_ONE if people is None else _PEOPLE.format(threshold=checked.decode.pose_threshold))
    heat = next(one for one in outputs if one.name == "heatmaps")
    return head + _MAPS.format(turned=".transpose(1, 2, 0)" if first else "", stride=heat.stride, origin=heat.origin)
