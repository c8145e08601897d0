"""Fine-tuned weights written back into the graph that a network was published as.

The graph stays as it is, decoder and all; only numbers change. It therefore drops into whatever runs the published
file. Which number of the file belongs where is not written down anywhere a second time: the family's own ``convert`` is
asked, with numbered weights in place of real ones.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from posecore.errors import ExportError, WeightsError
from posecore.export.folder import (
    Exported,
    Progress,
    about_model,
    sample_pictures,
    write_parity,
    write_weights,
)
from posecore.export.formats import PUBLISHED
from posecore.export.graph import ExportGraph
from posecore.export.parity import Parity, compare, shots
from posecore.export.plan import Plan, check
from posecore.families import ForeignWeights, family_of
from posecore.families.backbones import SeparableBlock
from posecore.imaging import Picture
from posecore.model import PoseModel
from posecore.storage import write_json, write_text, writing
from posecore.zoo.catalog import CatalogEntry, Source, catalog
from posecore.zoo.formats import FORMATS, format_of
from posecore.zoo.official import fetch_published
from posecore.zoo.own_files import EXPORT_WEIGHTS, read_own_file
from posecore.zoo.tfjs import write_graph
from posecore.zoo.tflite import write as write_tflite

#: As the TensorFlow.js graph is called ``model.json``, what posecore says has another name.
ABOUT, PAGE = "posecore.json", "run.html"


@dataclass(frozen=True)
class _Place:
    """Where the numbers of one of our tensors lie in a file's tensor."""

    tensor: str
    order: NDArray[np.intp]


def write_back(
    model: PoseModel,
    folder: Path | str,
    format: str,
    published: Path | str | None = None,
    pictures: Mapping[str, Picture] | None = None,
    *,
    licence: str = "",
    progress: Progress = lambda _: None,
) -> Exported:
    """Write a model's weights into the graph that its architecture was published as.

    Args:
        model: On the CPU.
        folder: Where everything goes; made if missing.
        format: Key of ``PUBLISHED``.
        published: The published file; fetched from its publisher if None.
        pictures: Name → picture for the parity; rendered scenes if there are none.
        licence: Of the weights.
        progress: Told what is being done.

    Raises:
        ExportError: When the model does not fit the published graph.
        WeightsError: When the published file cannot be fetched or read.
    """
    kind, file, words = PUBLISHED[format]
    folder = Path(folder)
    with writing(folder), tempfile.TemporaryDirectory(prefix="posecore-published-") as temporary:
        if published is None:
            progress("Fetching the published graph")
            source = fetch_published(*_source(model, kind), Path(temporary))
        else:
            source = Path(published).expanduser()
            if not source.is_file() or format_of(source) != kind:
                raise ExportError(f"{source} is not the published graph; name {words}.")
        folder.mkdir(parents=True, exist_ok=True)
        if folder.resolve() == source.parent.resolve():
            raise ExportError(f"{folder} is where the published graph lies; write into another folder.")
        progress(f"Writing {file}")
        tensors = _tensors(model, FORMATS[kind].read(source))
        if kind == "tflite":
            write_tflite(source, tensors, folder / file)
        else:
            write_graph(source, tensors, folder)
            write_text(folder / PAGE, _PAGE)
    progress("Reading it back and comparing it with posecore")
    shown = dict(pictures or sample_pictures())
    parity = _parity(model, folder / file, shown)
    with writing(folder):
        about = about_model(model, licence) | {"file": {"name": file, "format": format}, "signature": _SIGNATURE}
        write_json(folder / ABOUT, about, readable=True)
        write_weights(folder / EXPORT_WEIGHTS, model, licence)
        write_parity(folder, parity, shown, f"{model.name} in the published graph")
    return Exported(folder, folder / file, about, parity)


_SIGNATURE = "Inputs, outputs and decoding are those of the published graph."


def _source(model: PoseModel, kind: str) -> tuple[CatalogEntry, Source]:
    """The published weights whose graph is taken, and where they are laid out as ``kind``."""
    # Integers have scales of their own that the rest of a graph depends on.
    entries = [one for one in catalog() if one.architecture == model.architecture and not one.tag.endswith("int8")]
    found = [(entry, source) for entry in entries for source in entry.sources if source.format == kind]
    if not found:
        raise ExportError(f"No graph of {model.architecture} is known to be published so; name a file of your own.")
    return found[0]


def _tensors(model: PoseModel, foreign: ForeignWeights) -> dict[str, NDArray[np.float32]]:
    """The file's tensors with the model's numbers in them."""
    if model.skeleton != family_of(model.architecture).skeleton:
        raise ExportError(
            f"The published graph knows {len(family_of(model.architecture).skeleton)} keypoints of its own, and "
            f"{model.name} has others ({model.skeleton.name}); export it in another format."
        )
    network = copy.deepcopy(model.network)
    for module in network.modules():
        if isinstance(module, SeparableBlock):
            module.drop_depthwise_bias()
    state = {name: value.float().numpy() for name, value in network.state_dict().items()}
    found: dict[str, NDArray[np.float32]] = {}
    filled: dict[str, NDArray[np.bool_]] = {}
    for name, place in _places(model.architecture, foreign, state).items():
        if place is None:
            if np.abs(state[name]).max() > 0:
                raise ExportError(f"The published graph has no place for {name}; export it in another format.")
            continue
        original = foreign.tensors[place.tensor]
        values = found.setdefault(place.tensor, original.reshape(-1).copy())
        taken = filled.setdefault(place.tensor, np.zeros(original.size, bool))
        # Converters keep constants that are equal, such as biases of 0, only once.
        if not np.array_equal(values[place.order][taken[place.order]], state[name].reshape(-1)[taken[place.order]]):
            raise ExportError(
                f"The published graph shares the numbers of {name} with another layer, and the model no longer does; "
                "export it in another format, or take another published file."
            )
        values[place.order], taken[place.order] = state[name].reshape(-1), True
    return {name: values.reshape(foreign.tensors[name].shape) for name, values in found.items()}


def _places(
    architecture: str, foreign: ForeignWeights, state: Mapping[str, NDArray[np.float32]]
) -> dict[str, _Place | None]:
    """Our tensors' names → where their numbers lie in the file; None for what the file has no place for."""
    # What a file widens is the stored tensor under a second name.
    stored: dict[int, str] = {}
    for name, values in foreign.tensors.items():
        if values.ndim in (1, 4):
            stored.setdefault(id(values), name)
    names = list(stored.values())
    numbers = {name: number for number, name in enumerate(names, 1)}

    def converted(numbered: Mapping[str, NDArray[np.float32]]) -> Mapping[str, Any]:
        tensors = {
            name: numbered[stored[id(values)]] if id(values) in stored else values
            for name, values in foreign.tensors.items()
        }
        return family_of(architecture).convert(architecture, ForeignWeights(tensors, foreign.nodes))

    which = converted({name: np.full_like(foreign.tensors[name], numbers[name]) for name in names})
    where = converted({name: _counted(foreign.tensors[name]) for name in names})
    places: dict[str, _Place | None] = {}
    for name, values in state.items():
        number, order = which[name].numpy().reshape(-1), where[name].numpy().reshape(-1)
        if not number.any() and not order.any():
            places[name] = None
            continue
        index = int(number[0])
        if not (number == index).all() or not 1 <= index <= len(names) or len(set(order.tolist())) != values.size:
            raise ExportError(
                f"The published graph does not hold {name} as it is but reckons with it; take a graph in which "
                "normalisation is folded into the convolutions."
            )
        places[name] = _Place(names[index - 1], order.astype(np.intp) - 1)
    return places


def _counted(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """1, 2, 3 … in the shape of ``values``; exact in float32 up to 16 million."""
    return np.arange(1, values.size + 1, dtype=np.float32).reshape(values.shape)


def _parity(model: PoseModel, file: Path, pictures: Mapping[str, Picture]) -> Parity:
    """What was written, read back and run, beside the model."""
    weights = read_own_file(file, model.architecture)
    network = model.family.build(model.architecture, weights.header.skeleton)
    network.load_state_dict(weights.state)
    if weights.header.skeleton != model.skeleton:
        raise WeightsError(f"{file} was read back with other keypoints than it was written with.")
    again = PoseModel("again", model.family, model.architecture, network, weights.header.sha256[:16], device="cpu")
    checked = check(model, Plan(output="maps"))
    graph = ExportGraph(again, checked).eval()

    def run(pixels: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        with torch.inference_mode():
            return {name: value.numpy() for name, value in graph(torch.from_numpy(pixels)).items()}

    return compare(model, checked, run, shots(model, checked, pictures))


_PAGE = """<!doctype html>
<meta charset="utf-8"><title>A written-back graph</title>
<script src="https://cdn.jsdelivr.net/npm/@tensorflow/tfjs@4"></script>
<p>Serve this folder (python -m http.server), open this page, choose a picture: the graph's answer is below.</p>
<input type="file" accept="image/*"><pre></pre>
<script type="module">
const graph = await tf.loadGraphModel("model.json");
const {shape, dtype, name} = graph.inputs[0];
const side = shape?.[1] > 0 ? shape[1] : 257;
document.querySelector("input").onchange = async ({target}) => {
  const picture = await createImageBitmap(target.files[0]);
  const pixels = tf.image.resizeBilinear(tf.browser.fromPixels(picture), [side, side]).expandDims();
  // PoseNet's graphs take −1 … 1, MoveNet's whole numbers 0 … 255.
  const answer = graph.execute({[name]: dtype === "int32" ? pixels.toInt() : pixels.div(127.5).sub(1)});
  document.querySelector("pre").textContent = [answer].flat().map(String).join("\\n");
};
</script>
"""
