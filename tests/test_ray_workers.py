"""Batches from Ray's workers: those that one process makes, also when a worker is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from posecore.errors import DataError, MissingExtraError
from posecore.training.config import RunConfig, make_config, placed
from posecore.training.data import EpochBatches, EpochPlan, load_data
from posecore.training.data_workers import RayWorkers
from tests.batch_support import same


def config_of(annotations: Path) -> RunConfig:
    made = make_config(
        {
            "name": "far",
            "model": {"architecture": "posenet-mobilenet_v1-050"},
            "data": {
                "train": [{"annotations": str(annotations), "pack": {"side": 32, "min_size": 8, "min_keypoints": 1}}],
                "holdout": 0.2,
            },
            "augment": {"mosaic": 0.3, "paste": 0.3},
            "training": {"data_workers": "ray", "data_worker_count": 2},
        }
    )
    return placed(made, Path.cwd())


@pytest.fixture
def workers(home: Path, tmp_path: Path) -> Iterator[tuple[RunConfig, RayWorkers]]:
    pytest.importorskip("ray")
    from posecore.data.synthetic import write_dataset

    write_dataset(tmp_path / "drawn", 8, seed=2, size=(120, 90))
    config = config_of(tmp_path / "drawn")
    made = RayWorkers(config)
    yield config, made
    made.close()


def test_workers_make_the_batches_of_one_process(workers: tuple[RunConfig, RayWorkers], tmp_path: Path) -> None:
    config, made = workers
    training, _ = load_data(config)
    for epoch in range(2):
        plan = EpochPlan(65, 2, 3, epoch)
        wanted = EpochBatches(training, config.augment, plan)
        assert len(wanted) > 4
        far = made.batches(plan, len(wanted))
        count = 0
        for step, batch in enumerate(far):
            assert same(batch, wanted[step])
            assert len(far.in_flight) <= 4
            if step == 2:
                _kill_one(made)
            count += 1
        assert count == len(far) == len(wanted)
    # After a pause only the rest is made.
    rest = list(made.batches(plan, len(wanted), done=3))
    assert len(rest) == len(wanted) - 3
    assert same(rest[0], wanted[3])
    gone = RayWorkers(config_of(tmp_path / "gone"))
    with pytest.raises(DataError, match="are gone"):
        list(gone.batches(EpochPlan(65, 2, 3, 0), 4))
    gone.close()


def _kill_one(made: RayWorkers) -> None:
    import ray

    process = ray.get(made._workers[0].__ray_call__.remote(lambda _: os.getpid()))
    os.kill(process, signal.SIGKILL)


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("posecore.extras.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'posecore\[cluster\]'"):
        RayWorkers(config_of(tmp_path))
