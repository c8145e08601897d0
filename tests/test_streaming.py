"""Training from shards, one window after the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posecore.data.annotations import PoseDataset
from posecore.data.augment import AugmentSettings, Draw
from posecore.data.batches import PackSettings, pack
from posecore.data.detect import open_dataset
from posecore.data.disk_cache import cache_folder
from posecore.data.source import Source
from posecore.data.synthetic import write_dataset
from posecore.data.webdataset import writing
from posecore.errors import DataError
from posecore.skeleton import COCO_17
from posecore.training.data import EpochBatches, EpochPlan, TrainingSet, hold_out, pack_sources, sample_sources
from posecore.training.streaming import ShardPack
from tests.batch_support import same

pytestmark = pytest.mark.usefixtures("home")

CUT = PackSettings(side=32, min_size=8, min_keypoints=1)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> PoseDataset:
    folder = tmp_path_factory.mktemp("drawn")
    write_dataset(folder, 12, seed=5, size=(160, 120))
    return open_dataset(folder)


@pytest.fixture
def tars(tmp_path: Path, drawn: PoseDataset, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six shards of two pictures."""
    monkeypatch.setattr(writing, "_PICTURES", 2)
    return writing.write_webdataset(drawn, tmp_path / "tars")


def streamed(tars: Path, mixed: int = 2) -> TrainingSet:
    return pack_sources([Source(annotations=str(tars), pack=CUT, mixed=mixed)], COCO_17, Path(), cache_folder())


def epoch(
    training: TrainingSet, number: int = 0, size: int = 3, settings: AugmentSettings | None = None
) -> EpochBatches:
    return EpochBatches(training, settings or AugmentSettings.none(), EpochPlan(65, size, seed=7, epoch=number))


def looks(draws: list[Draw]) -> set[bytes]:
    return {pixels.numpy().tobytes() for draw in draws for layer in draw.layers for pixels in layer.pixels}


def test_an_epoch_shows_everybody_once_whatever_the_windows(tars: Path, drawn: PoseDataset) -> None:
    whole = pack(drawn, COCO_17, CUT)
    training = streamed(tars)
    assert len(training) == len(whole)
    batches = epoch(training, size=1)
    draws = [batches[step] for step in range(len(batches))]
    assert looks(draws) == {pixels.tobytes() for pixels in whole.pixels}
    # Neighbours come from one window of two shards, and another epoch has other windows.
    shards = [batches.items[step][0, 0] for step in range(len(batches))]
    assert [len(set(shards[:at])) <= 2 for at in (1, 2, 3)] == [True] * 3
    assert shards != [items[0, 0] for items in epoch(training, 1, size=1).items]


def test_a_batch_depends_on_seed_epoch_and_step_alone(tars: Path) -> None:
    settings = AugmentSettings(mosaic=0.5, paste=0.5)
    first, second = epoch(streamed(tars), settings=settings), epoch(streamed(tars), settings=settings)
    wanted = [first[step] for step in range(len(first))]
    for step in reversed(range(len(second))):
        assert same(second[step], wanted[step])


def test_the_disk_holds_this_window_and_the_next(tars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECORE_DISK_CACHE_GB", "0.000001")
    batches = epoch(streamed(tars, mixed=1), size=1)
    place, most = cache_folder() / "packs", 0
    for step in range(len(batches)):
        batches[step]
        if batches.packs._ahead is not None:
            batches.packs._ahead.join()
        most = max(most, len([entry for entry in place.glob("shard-*") if entry.is_dir()]))
    assert most == 2


@pytest.mark.parametrize("mixed", [1, 6])
def test_shards_that_break_meanwhile_cost_their_own_pictures_alone(
    tars: Path, caplog: pytest.LogCaptureFixture, mixed: int
) -> None:
    training = streamed(tars, mixed)
    gone = sorted(tars.iterdir())
    for path in gone[:2]:
        path.write_bytes(b"gone")
    batches = epoch(training, size=2)
    assert all(batches[step].pictures == 2 for step in range(len(batches)))
    assert "set-000001.tar is left out" in caplog.text
    for path in gone:
        path.write_bytes(b"gone")
    shards = tuple(replace(shard) for shard in training.packs if isinstance(shard, ShardPack))
    with pytest.raises(DataError, match="None of the shards"):
        epoch(TrainingSet(shards, (1.0,) * len(shards)))[0]


def test_the_last_shards_are_held_out(tars: Path) -> None:
    training = streamed(tars)
    kept, held = hold_out(training, 0.2)
    assert len(kept.packs) + len(held.packs) == 6
    assert len(held.packs) >= 1
    assert sum(map(len, kept.packs)) + sum(map(len, held.packs)) == len(training)
    assert not {np.asarray(pixels).tobytes() for pack in held.packs for pixels in pack.pixels} & looks(
        [epoch(kept, size=1)[step] for step in range(len(kept))]
    )
    assert len(hold_out(training, 0.9, 1)[1].packs) == 1
    assert hold_out(training, 0.0)[1].packs == ()


def test_an_estimate_packs_a_few_shards_only(tars: Path) -> None:
    source = Source(annotations=str(tars), pack=CUT, repeat=2)
    sample, shown = sample_sources([source], COCO_17, Path(), cache_folder(), 1)
    assert (len(sample.packs), shown) == (1, 2 * len(streamed(tars)))


def test_shards_without_anybody_are_told(tars: Path) -> None:
    with pytest.raises(DataError, match="nobody in 6 shards"):
        pack_sources([Source(annotations=str(tars), pack=PackSettings(min_size=5000))], COCO_17, Path(), cache_folder())


def test_counting_is_done_once(tars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(streamed(tars))
    monkeypatch.setattr("posecore.training.streaming.unpack_shards", lambda *_, **__: pytest.fail("counted again"))
    assert len(streamed(tars)) == before
