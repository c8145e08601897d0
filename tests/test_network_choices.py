"""Network settings to choose among: what is offered has an effect, combinations are whole, nonsense is refused."""

from __future__ import annotations

import pytest

from posecore import load_model
from posecore.cli.settings import each_value
from posecore.errors import SettingsError
from posecore.evaluation.network_choices import changed_words, network_values, networks_among
from posecore.model import PoseModel

NAMES = (
    "posenet-mobilenet_v1-075",
    "movenet-lightning",
    "openpose-mobilenet_thin",
    "posenet-mobilenet_v1-075+movenet-lightning",
)


@pytest.fixture(scope="module", params=NAMES)
def model(request: pytest.FixtureRequest) -> PoseModel:
    return load_model(request.param, device="cpu")


def test_every_offered_value_is_one_that_the_model_takes(model: PoseModel) -> None:
    now = model.network_settings().model_dump()
    offered = network_values(model)
    assert any(name.endswith("input_size") for name in offered)
    for name, (control, values) in offered.items():
        assert control.name == name
        made = networks_among(model, now, {name: values})
        assert [one[name] for one in made] == list(values)
        assert all(control.applies(one) for one in made)


def test_combinations_keep_everything_else(model: PoseModel) -> None:
    now = model.network_settings().model_dump()
    names = list(network_values(model))[:2]
    values = {name: network_values(model)[name][1][:2] for name in names}
    made = networks_among(model, now, values)
    assert len(made) == len({str(one) for one in made}) == 2 ** len(names)
    assert all(one[name] == now[name] for one in made for name in now if name not in names)
    assert changed_words(made[0], names).startswith(f"{names[0]} {made[0][names[0]]}")
    assert networks_among(model, now, {}) == [now]


def test_what_cannot_be_chosen_among_is_refused() -> None:
    model = load_model("posenet-mobilenet_v1-075", device="cpu")
    now = model.network_settings().model_dump()
    assert networks_among(model, now, {"input_scale": [0.5]})[0]["input_by"] == "scale"
    with pytest.raises(SettingsError, match="no effect"):
        networks_among(model, now, {"input_size": [257], "input_scale": [0.5]})
    with pytest.raises(SettingsError, match="no network setting"):
        networks_among(model, now, {"pose_threshold": [0.1]})
    with pytest.raises(SettingsError):
        networks_among(model, now, {"output_stride": [3]})


def test_values_with_commas_are_parted_by_semicolons() -> None:
    assert each_value(["scales=1; 0.5, 1", "crop-expand=1.25,1.5"]) == {
        "scales": ["1", "0.5, 1"],
        "crop_expand": [1.25, 1.5],
    }
