"""8-bit integers: what is rounded, what is measured of it, and what is kept."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from posecore.cli import app
from posecore.data.annotations import AnnotatedImage, Label, Person, PoseDataset
from posecore.data.synthetic import render_scene
from posecore.errors import DataError, MissingExtraError, WeightsError
from posecore.extras import installed
from posecore.families import family_of
from posecore.families.backbones.int8 import Rounding, convolutions, find_ranges, mend_biases, ranges_of, set_ranges
from posecore.imaging import Picture
from posecore.model import PoseModel
from posecore.quantising import QuantisingError, Worth, keep, parts_of, quantise, rounded_model, shots_of
from posecore.skeleton import COCO_17
from posecore.zoo import list_models, load_model, save_weights

SMALL = "movenet-lightning"
needs_openvino = pytest.mark.skipif(not installed("openvino"), reason="OpenVINO is an extra")


def model() -> PoseModel:
    torch.manual_seed(0)
    family = family_of(SMALL)
    return PoseModel(f"{SMALL}.mine", family, SMALL, family.build(SMALL), "0" * 16, device="cpu")


def pictures(count: int) -> list[Picture]:
    return [render_scene(seed).image for seed in range(count)]


def test_rounding_keeps_zero_and_the_ends() -> None:
    rounding = Rounding(-1.0, 3.0, torch.tensor([0.5, 0.01]))
    x = torch.tensor([-9.0, -1.0, 0.0, 0.004, 3.0, 9.0])
    step = 4 / 255
    assert rounding.inputs(x).tolist() == pytest.approx([-1.0, -1.0, 0.0, 0.0, 3.0, 3.0], abs=step / 2 + 1e-6)
    assert rounding.inputs(x)[2] == 0
    assert Rounding(2.0, 5.0, torch.ones(1)).low == 0
    weights = torch.tensor([0.3, 0.026]).reshape(2, 1, 1, 1).expand(2, 1, 1, 1)
    assert rounding.weights(weights).flatten().tolist() == pytest.approx([0.5, 0.03])


def test_a_rounded_network_is_near_and_its_means_are_mended() -> None:
    exact = model().network
    pixels = torch.from_numpy(np.stack([picture[:64, :64] for picture in pictures(3)]).astype(np.float32))

    def run(network: torch.nn.Module, some: torch.Tensor = pixels) -> torch.Tensor:
        with torch.inference_mode():
            found: dict[str, torch.Tensor] = network(some.permute(0, 3, 1, 2))
        return found["heatmaps"]

    def run_all() -> int:
        for one in pixels:
            run(exact, one[None])
        return len(pixels)

    ranges = find_ranges(exact, run_all)
    assert set(ranges) == set(convolutions(exact))
    assert all(low <= high for low, high in ranges.values())
    network = copy.deepcopy(exact)
    set_ranges(network, ranges)
    assert ranges_of(network).keys() == ranges.keys()
    assert not ranges_of(exact)
    truth, rough = run(exact), run(network)
    assert not torch.equal(truth, rough)
    assert (truth - rough).abs().mean() < 0.2 * truth.std()
    mend_biases(network, exact, run)
    mended = run(network)
    assert (truth.mean((0, 2, 3)) - mended.mean((0, 2, 3))).abs().max() < 1e-4
    set_ranges(network, {})
    assert not ranges_of(network)


@needs_openvino
def test_quantised_from_pictures_kept_and_computed_as_integers(home: Path) -> None:
    given = model()
    rounded, worth = quantise(given, pictures(4))
    assert (worth.pictures, worth.measured, worth.ap_after) == (4, 4, None)
    assert worth.milliseconds_after > 0
    assert worth.people_found <= worth.people_before
    name = keep(rounded, worth, "MIT")
    assert name == f"{SMALL}.mine.int8"
    info = next(one for one in list_models() if one.name == name)
    assert info.licence == "MIT"
    assert "as fast" in info.description
    again = load_model(name, device="cpu")
    assert ranges_of(again.network) == ranges_of(rounded.network)
    plain = load_model(SMALL, weights=info.path, device="cpu")
    assert again.weights_id == plain.weights_id != given.weights_id
    one, other = (
        again.fields(pictures(1)[0], runtime=runtime, precision="float32")["heatmaps"].values
        for runtime in ("torch", "openvino")
    )
    exact = given.fields(pictures(1)[0], runtime="torch", precision="float32")["heatmaps"].values
    assert np.abs(one - other).max() < 0.1
    assert 0 < np.abs(one - exact).max() < 0.2
    with pytest.raises(QuantisingError, match="already"):
        quantise(again, pictures(1))


def test_ranges_of_a_file_are_checked(tmp_path: Path) -> None:
    given = model()
    path = tmp_path / "w.safetensors"
    save_weights(path, given.network, name="x", architecture=SMALL, ranges={"no.such": (0.0, 1.0)})
    with pytest.raises(WeightsError, match="8-bit range"):
        load_model(SMALL, weights=path)
    save_weights(path, given.network, name="x", architecture=SMALL, int8={"a": [2, 1]})
    with pytest.raises(WeightsError, match="cannot be understood"):
        load_model(SMALL, weights=path)


def test_what_cannot_be_quantised_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("posecore.extras.find_spec", lambda name: None)
        with pytest.raises(MissingExtraError, match=r"posecore\[openvino\]"):
            quantise(model(), pictures(1))
    (tmp_path / "broken.jpg").write_bytes(b"nonsense")
    if installed("openvino"):
        with pytest.raises(QuantisingError, match="none could be read"):
            quantise(model(), [tmp_path / "broken.jpg"])
    refused = CliRunner().invoke(app, ["quantise", SMALL])
    assert refused.exit_code
    assert "--pictures" in str(refused.exception)


@needs_openvino
def test_accuracy_is_measured_on_other_pictures_than_ranges(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    xy = np.random.default_rng(0).uniform(5, 45, (17, 2)).astype(np.float32)
    person = Person(xy, np.full(17, Label.VISIBLE, np.uint8), (0, 0, 50, 50), 900.0)
    images = [AnnotatedImage(tmp_path / f"{number}.png", (50, 50), (person,), number) for number in range(40)]
    dataset = PoseDataset("forty", COCO_17, tuple(images))
    learnt: list[int] = []
    judged: list[int] = []

    def read(image: AnnotatedImage) -> Picture:
        learnt.append(image.image_id)
        return np.zeros((50, 50, 3), np.uint8)

    def measured(_: PoseModel, some: PoseDataset, *_more: object) -> float:
        judged.extend(image.image_id for image in some)
        raise DataError("enough")

    monkeypatch.setattr("posecore.quantising.read_labelled", read)
    monkeypatch.setattr("posecore.quantising.rounded_model", lambda given, shots: given)
    monkeypatch.setattr("posecore.quantising.evaluate", measured)
    with pytest.raises(DataError, match="enough"):
        quantise(model(), dataset=dataset)
    assert learnt
    assert judged
    assert not set(learnt) & set(judged)
    few = replace(dataset, images=dataset.images[:8])
    assert parts_of(few) == (few, few)


def test_ranges_come_from_all_over_the_pictures() -> None:
    many = [np.full((32, 32, 3), number, np.uint8) for number in range(250)]
    calibrated, others = shots_of(many, None, False)
    seen = sorted(int(shot[0, 0, 0]) for shot, _ in calibrated)
    assert len(seen) == len(set(seen)) >= 50
    assert seen[0] < 25
    assert seen[-1] >= 225
    assert not set(seen) & {int(shot[0, 0, 0]) for shot, _ in others}
    assert [shot[0, 0, 0] for shot, _ in shots_of(many, None, False)[0]] == [shot[0, 0, 0] for shot, _ in calibrated]


def test_worth_in_words() -> None:
    worth = Worth(60, 20, 0.3, 0.29, "crops", 10, 9, 0.987, 8.0, 4.0)
    assert worth.sentence().startswith("2.0 × as fast, AP 0.300 → 0.290 (crops); 9 of 10 people")
    assert worth.to_dict()["gain"] == 2.0


def test_ranges_are_means_over_pictures() -> None:
    """Whatever the pictures' own extremes are: one outlier does not make the steps of all coarse."""
    given = model()
    shots = [(picture, None) for picture in pictures(2)]
    first, second, both = (ranges_of(rounded_model(given, some).network) for some in (shots[:1], shots[1:], shots))
    name = next(name for name in both if first[name][1] > 0 and second[name][1] > 0)
    assert both[name][1] == pytest.approx((first[name][1] + second[name][1]) / 2, rel=1e-4)


def test_convolutions_without_bias_are_rounded_all_the_same() -> None:
    family = family_of("openpose-mobilenet_thin")
    network = family.build("openpose-mobilenet_thin")
    given = PoseModel(
        "openpose-mobilenet_thin.mine", family, "openpose-mobilenet_thin", network, "0" * 16, device="cpu"
    )
    assert any(unit.conv.bias is None for unit in convolutions(given.network).values())
    rounded = rounded_model(given, [(picture[:96, :96], None) for picture in pictures(1)])
    assert ranges_of(rounded.network).keys() == convolutions(given.network).keys()
