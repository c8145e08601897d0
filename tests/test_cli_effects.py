"""Options that could have no effect are refused in a sentence, before any work."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from posecore.cli import app

LABELS = ("--annotations", "labels.json")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("video", "clip.mp4", "--no-clip", "--crf", "30"), "--crf is about the drawn clip: leave --no-clip out"),
        (("video", "clip.mp4", "--no-clip", "--boxes"), "--boxes is about the drawn clip"),
        (("video", "clip.mp4", "--min-travel", "0.2"), "--min-travel belongs to --count"),
        (("video", "clip.mp4", "--no-track", "--max-age", "3"), "--max-age has an effect only with --track"),
        (("video", "clip.mp4", "--cutoff", "3"), "--cutoff has an effect only with --smooth offline"),
        (("video", "clip.mp4", "--no-smart-crop", "--find-every", "3"), "--find-every has an effect only with --smart"),
        (("webcam", "--overwrite"), "--overwrite belongs to --record"),
        (("image", "photo.jpg", "--save", "csv", "--boxes"), "--boxes is about drawn pictures: name png in --save"),
        (("evaluate", "--results", "r.json", *LABELS, "--protocol", "crops"), "leave --protocol crops out"),
        (("evaluate", "--results", "r.json", *LABELS, "--keypoint-threshold", "0.3"), "takes no --keypoint-threshold"),
        (("evaluate", "--results", "r.json", *LABELS, "--device", "cpu"), "--results need no --device"),
        (("benchmark", "-m", "movenet-lightning", "-m", "movenet-thunder", "--weights", "w.bin"), "of one model"),
        (("tune", *LABELS, "--bound", "0.8"), "--bound belongs to --goal precision or false-people"),
        (("export", "movenet-lightning", "--to", "out", "--port", "80"), "--port belongs to --serve"),
        (("config", "convert", "theirs.json", "--overwrite"), "--overwrite belongs to --output"),
        (("data", "convert", "labels.json", "out", "--quality", "80"), "--quality belongs to --pictures reencode"),
        (("data", "split", "labels.json", "out", "--quality", "80"), "--quality belongs to --pictures reencode"),
        (("data", "prelabel", ".", "out.json", "--model", "any", "--images", "."), "leave it out"),
        (
            ("compare", "movenet-lightning", "movenet-thunder", "a.jpg", "--to", "out", "--every", "3"),
            "--every is about",
        ),
    ],
)
def test_options_without_an_effect_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    assert result.exit_code != 0
    assert sentence in " ".join(f"{result.output} {result.exception}".replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []
