"""From a few knobs to a configuration that trains."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from posecore.data.batches import PackSettings
from posecore.data.source import Source, Sources
from posecore.errors import SettingsError
from posecore.families import FAMILIES, family_of
from posecore.runs import Registry
from posecore.settings import controls
from posecore.skeleton import COCO_17, OPENPOSE_18, Skeleton
from posecore.training.config import make_config
from posecore.training.recipe import (
    KEEPS,
    Recipe,
    recipe_class,
    skeleton_to_learn,
    suggest,
    to_config,
    trainable_bases,
)
from posecore.zoo import load_weights, save_weights
from tests.job_support import tiny

pytestmark = pytest.mark.usefixtures("home")

#: A small network of every family.
SMALL = {"posenet": "posenet-mobilenet_v1-050", "movenet": "movenet-lightning", "openpose": "openpose-mobilenet_fast"}
SOURCES = Sources((Source(synthetic=4, seed=7),), (Source(synthetic=2, seed=90),))
PET = Skeleton("pet", ("nose", "left_ear", "right_ear", "tail"), ((0, 1), (0, 2), (0, 3)), ((1, 2),))


@pytest.fixture
def base(home: Path) -> Any:
    """Makes a model of ours with random weights, as a run would leave it, and returns its name."""

    def make(family: str, skeleton: Skeleton | None = None, name: str = "base", **metadata: Any) -> str:
        torch.manual_seed(0)
        architecture = SMALL[family]
        skeleton = skeleton or FAMILIES[family].skeleton
        network = FAMILIES[family].build(architecture, skeleton)
        file = home / "runs" / name / "best.safetensors"
        save_weights(file, network, name=f"run:{name}", architecture=architecture, skeleton=skeleton, **metadata)
        Registry().add(name, {}, "finished")
        return f"run:{name}"

    return make


def test_every_model_here_that_can_be_trained_is_offered(base: Any) -> None:
    name = base("movenet")
    names = [info.name for info in trainable_bases()]
    assert name in names
    assert all(info.available for info in trainable_bases(PET))
    by_name = {control.name: control for control in controls(recipe_class(name))}
    assert by_name["base"].choices == tuple(names)
    assert by_name["base"].default == name
    # MoveNet's inputs are multiples of 32 pixels.
    assert by_name["input_side"].choices
    assert all(side % 32 == 0 for side in by_name["input_side"].choices)
    assert 0.0005 in by_name["learning_rate"].choices
    assert set(by_name) == set(Recipe.model_fields)


@pytest.mark.parametrize("people", [1, 20, 100, 1000, 100000])
def test_suggestions_are_possible_and_follow_the_size_of_the_data(base: Any, people: int) -> None:
    name = base("posenet")
    recipe = suggest(name, people, people, COCO_17)
    assert all(getattr(recipe, key) in choices for key, choices in _choices(name).items())
    more = suggest(name, 10 * people, 10 * people, COCO_17)
    assert more.epochs <= recipe.epochs
    assert more.batch_size >= recipe.batch_size
    other = suggest(name, people, people, PET)
    assert other.epochs > recipe.epochs
    assert other.learning_rate > recipe.learning_rate


@pytest.mark.parametrize("family", sorted(SMALL))
def test_parts_hold_everything_but_what_should_learn(base: Any, family: str) -> None:
    name = base(family)
    learning = {}
    parameters = dict(FAMILIES[family].build(SMALL[family], PET).named_parameters())
    for part in ("heads", "last_blocks", "all"):
        config = to_config(Recipe(base=name, part=part), name="x", sources=SOURCES, skeleton=PET)
        learning[part] = {one for one in parameters if not one.startswith(tuple(config.model.freeze))}
        assert all(any(one.startswith(start) for one in parameters) for start in config.model.freeze)
    heads = {one for one in parameters if one.startswith(FAMILIES[family].heads)}
    assert learning["heads"] == heads
    assert heads < learning["last_blocks"] < learning["all"] == set(parameters)
    slowly = tuple(config.optimizer.groups)
    assert {one for one in parameters if one.startswith(slowly)} == set(parameters) - heads


def test_a_model_of_ours_is_judged_as_when_it_was_trained(base: Any) -> None:
    own = base("posenet", name="own", config={"loss": {"heatmap_radius": 11.0}})
    other = base("posenet", name="other")
    configs = [to_config(Recipe(base=name), name="x", sources=SOURCES, skeleton=COCO_17) for name in (own, other)]
    assert configs[0].loss == {"heatmap_radius": 11.0}
    small = to_config(Recipe(base=other, input_side=129), name="x", sources=SOURCES, skeleton=COCO_17)
    assert small.loss["heatmap_radius"] < configs[1].loss["heatmap_radius"]


def test_mirroring_is_left_out_where_sides_are_not_known(base: Any) -> None:
    lopsided = Skeleton("lopsided", ("nose", "left_ear", "right_ear"))
    name = base("posenet")
    for skeleton, flip in ((lopsided, 0.0), (PET, 0.5)):
        config = to_config(Recipe(base=name), name="x", sources=SOURCES, skeleton=skeleton)
        assert config.augment.flip == flip


def test_a_base_keeps_its_skeleton_where_the_labels_say_all_about_it(base: Any) -> None:
    openpose, posenet = base("openpose", name="a"), base("posenet", name="b")
    # The neck is the middle of the shoulders.
    assert skeleton_to_learn(openpose, COCO_17) == OPENPOSE_18
    assert skeleton_to_learn(posenet, COCO_17) == COCO_17
    assert skeleton_to_learn(posenet, PET) == PET


def test_what_the_recipe_says_reaches_the_configuration(base: Any) -> None:
    name = base("posenet")
    recipe = Recipe(base=name, epochs=7, batch_size=3, input_side=129, seed=5, patience=4, augmentation="none")
    config = to_config(recipe, name="x", sources=SOURCES, skeleton=PET)
    assert make_config(config.model_dump(mode="json")) == config
    assert (config.schedule.epochs, config.training.batch_size, config.training.input_sides) == (7, 3, (129,))
    assert (config.training.seed, config.training.patience) == (5, 4)
    assert config.augment.rotation == config.augment.flip == 0
    assert config.skeleton.keypoints == PET.keypoints
    with pytest.raises(SettingsError, match="train"):
        to_config(recipe, name="x", sources=Sources(()), skeleton=PET)


def test_a_source_says_a_part_of_how_it_is_packed_and_the_recipe_the_rest(base: Any) -> None:
    recipe = Recipe(base=base("posenet"), input_side=193)
    said: list[dict[str, Any]] = [{}, {"min_keypoints": 2}, {"side": 96, "min_size": 5.0}, PackSettings().model_dump()]
    sources = tuple(Source(synthetic=4, pack=PackSettings(**one)) for one in said)
    packs = [
        source.pack.model_dump()
        for config in [to_config(recipe, name="x", sources=Sources(sources, sources), skeleton=COCO_17)]
        for source in (*config.data.train, *config.data.validation)
    ]
    usual = packs[0]
    assert usual["side"] > 193
    assert usual["min_size"] < PackSettings().min_size
    assert packs == [usual | one for one in said] * 2


def test_what_the_base_knew_is_kept_by_its_own_answers(base: Any) -> None:
    name = base("posenet")
    keep = {skeleton: _choices(name, skeleton)["keep"] for skeleton in (None, COCO_17, PET)}
    assert keep[None] == keep[COCO_17] == KEEPS
    # A model says nothing about keypoints that it does not have.
    assert keep[PET] == (0.0,)
    plain, kept = (
        to_config(Recipe(base=name, keep=weight), name="x", sources=SOURCES, skeleton=COCO_17) for weight in (0, 0.3)
    )
    assert plain.teacher is None
    assert kept.teacher is not None
    assert (kept.teacher.model, kept.teacher.weight) == (name, 0.3)


def _choices(name: str, skeleton: Skeleton | None = None) -> dict[str, tuple[Any, ...]]:
    return {control.name: control.choices for control in controls(recipe_class(name, skeleton)) if control.choices}


def _short(config: Any, **training: Any) -> Any:
    data = config.data.model_copy(update={"validation_limit": 4})
    quick = {"threads": 1, "device": "cpu", "overlays": 1, "batch_size": 4, **training}
    return config.model_copy(update={"training": config.training.model_copy(update=quick), "data": data})


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(SMALL))
def test_every_family_trains_from_a_recipe(base: Any, family: str, tmp_path: Path) -> None:
    from posecore.training.run import train

    name = base(family)
    side = family_of(SMALL[family]).training_side(129, family_of(SMALL[family]).network_settings(SMALL[family])())
    skeleton = skeleton_to_learn(name, COCO_17)
    recipe = Recipe(base=name, epochs=1, input_side=side, part="last_blocks", keep=0.3 if skeleton == COCO_17 else 0)
    config = _short(to_config(recipe, name="tuned", sources=SOURCES, skeleton=skeleton))
    folder = train(config, tmp_path)
    run = Registry().get("tuned")
    assert run is not None
    assert run.state == "finished"
    figures = dict(Registry().epochs("tuned"))
    assert set(figures) == {0, 1}
    assert "validation/oks" in figures[0]
    assert "train/loss" not in figures[0]
    tuned, old = load_weights(folder / "last.safetensors"), load_weights(folder.parent / "base" / "best.safetensors")
    assert tuned.header.skeleton == skeleton
    for key, value in tuned.state.items():
        if key.startswith(tuple(config.model.freeze)):
            torch.testing.assert_close(value, old.state[key], atol=1e-3, rtol=1e-3)
    assert any(not torch.allclose(value, old.state[key], atol=1e-5) for key, value in tuned.state.items())


def test_a_result_worse_than_the_base_is_not_kept(base: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When every epoch scores less, the base's own weights stay the best, and the run says so."""
    from posecore.training import measuring, module
    from posecore.training.run import train

    scores = iter([0.5, 0.2, 0.1])
    real = measuring.measure

    def measured(*arguments: Any, **options: Any) -> measuring.Measurement:
        result = real(*arguments, **options)
        return measuring.Measurement({**result.figures, "oks": next(scores)}, result.sheet)

    monkeypatch.setattr(module, "measure", measured)
    name = base("posenet")
    recipe = Recipe(base=name, epochs=2, input_side=65)
    folder = train(_short(to_config(recipe, name="worse", sources=SOURCES, skeleton=COCO_17)), tmp_path)
    run = Registry().get("worse")
    assert run is not None
    assert "did not get better than the model it started from" in run.message
    files = (folder / "best.safetensors", folder.parent / "base" / "best.safetensors", folder / "last.safetensors")
    best, old, last = (load_weights(file).state for file in files)
    # Weights are kept in half precision.
    assert all(torch.equal(value, old[key].half().float()) for key, value in best.items())
    assert not all(torch.equal(value, best[key]) for key, value in last.items())


# --- estimates ---


def test_an_estimate_takes_real_steps_and_leaves_no_run() -> None:
    from posecore.training.estimate import estimate

    config = tiny(schedule={"epochs": 10})
    found = estimate(config, steps=2)
    assert found.steps_measured == 2
    assert found.seconds == pytest.approx(10 * found.seconds_per_epoch)
    assert found.seconds_per_epoch > 0
    # A process with PyTorch in it, and no more than this small network needs.
    assert 50e6 < found.memory_bytes < 5e9
    assert "people per epoch" in found.note
    assert Registry().all() == []


def test_an_estimate_can_be_cancelled() -> None:
    from posecore.training.estimate import estimate

    cancel = threading.Event()
    cancel.set()
    with pytest.raises(SettingsError, match="cancelled"):
        estimate(tiny(), cancel=cancel)


@pytest.mark.slow
def test_an_estimate_says_what_is_wrong(tmp_path: Path) -> None:
    from posecore.training.estimate import estimate

    missing = {"train": [{"annotations": str(tmp_path / "gone.json")}]}
    with pytest.raises(SettingsError, match=r"gone\.json are gone"):
        estimate(tiny(data=missing))
