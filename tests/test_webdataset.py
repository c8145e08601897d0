"""Shards of WebDataset: written by us and by hand, whole and damaged."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from posecore.cli.data import app
from posecore.data.annotations import PoseDataset
from posecore.data.detect import open_dataset
from posecore.data.library import Library
from posecore.data.synthetic import write_dataset
from posecore.data.webdataset import find_shards, names_shards, unpack_shards, writing
from posecore.errors import DataError


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> PoseDataset:
    folder = tmp_path_factory.mktemp("drawn")
    write_dataset(folder, 5, seed=3, size=(160, 120))
    return open_dataset(folder)


def tar(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as out:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    return path


def png(size: tuple[int, int] = (40, 30)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (9, 9, 9)).save(file, "PNG")
    return file.getvalue()


#: The least that labels of a sample say: COCO's keypoints of one person.
PLAIN = json.dumps({"annotations": [{"keypoints": [5, 6, 2] * 17, "bbox": [1, 2, 20, 25]}]}).encode()


def test_shards_are_full_after_so_many_pictures_and_are_the_same_bytes_again(
    home: Path, tmp_path: Path, drawn: PoseDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_PICTURES", 2)
    first, second = (writing.write_webdataset(drawn, tmp_path / name) for name in ("first", "second"))
    names = [path.name for path in sorted(first.iterdir())]
    assert names == [f"set-00000{number}.tar" for number in range(3)]
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)
    with tarfile.open(first / names[0]) as opened:
        assert [Path(member.name).suffix for member in opened] == [".jpg", ".json"] * 2
    pattern = first / "set-{000000..000002}.tar"
    for place in (first, pattern, first / "set-*.tar"):
        assert names_shards(place)
        assert [Path(shard).name for shard in find_shards(place)] == names
    assert [image.image_id for image in open_dataset(pattern)] == [image.image_id for image in drawn]


def test_labels_that_only_have_annotations_are_read(home: Path, tmp_path: Path) -> None:
    members = {
        "a/1.png": png(),
        "a/1.json": PLAIN,
        "a/1.txt": b"a caption",
        "a/2.json": PLAIN,
        "a/2.seg.png": b"",
        "a/2.png": png(),
    }
    dataset = open_dataset(tar(tmp_path / "x.tar", members))
    assert not dataset.problems
    assert [(image.size, len(image.people)) for image in dataset] == [((40, 30), 1)] * 2
    assert dataset.images[0].people[0].keypoints[0].tolist() == [5, 6]


def test_broken_members_are_counted_and_the_rest_is_read(home: Path, tmp_path: Path) -> None:
    good = {"good.png": png(), "good.json": PLAIN}
    broken = {
        "alone.png": png(),
        "torn.png": b"no picture",
        "torn.json": PLAIN,
        "odd.png": png(),
        "odd.json": b"{",
        "list.png": png(),
        "list.json": b'{"annotations": 3}',
    }
    tar(tmp_path / "shards" / "0.tar", {**broken, **good})
    whole = tar(
        tmp_path / "shards" / "1.tar",
        {f"{n}{end}": c for n in range(30) for end, c in ((".png", png()), (".json", PLAIN))},
    )
    whole.write_bytes(whole.read_bytes()[:30_000])
    (tmp_path / "shards" / "2.tar").write_bytes(b"no tar at all" * 100)
    dataset = open_dataset(tmp_path / "shards")
    assert len(dataset) > 5
    reasons = [problem.reason for problem in dataset.problems]
    assert len(reasons) == 7, reasons
    assert sum("damaged or cut off" in reason for reason in reasons) == 2
    # What was left out is told again when it is unpacked already.
    result = CliRunner().invoke(app, ["inspect", str(tmp_path / "shards")])
    assert result.exit_code == 1
    assert "has no labels" in result.output.replace("\n", " ")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone.tar", "does not exist"),
        ("gone-{00..02}.tar", "does not exist"),
        ("gone-*.tar", "There is no file"),
        ("gone-{2..0}.tar", "mend its range"),
        ("gone-{0..9}-{0..999999999}.tar", "mend its range"),
        ("http://127.0.0.1:9/gone.tar", "cannot be read"),
        ("nothing://gone.tar", "cannot be read"),
    ],
)
def test_shards_that_are_not_there_get_a_sentence(home: Path, tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        open_dataset(name if "://" in name else tmp_path / name)


def test_shards_are_read_from_where_fsspec_reaches(home: Path, tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    content = tar(tmp_path / "x.tar", {"a.png": png(), "a.json": PLAIN}).read_bytes()
    for number in range(2):
        with fsspec.open(f"memory://bucket/part-{number}.tar", "wb") as out:
            out.write(content)
    # Once as text and once as what options make of it, which has one slash.
    for place in ("memory://bucket/part-{0..1}.tar", Path("memory://bucket/part-*.tar")):
        assert len(open_dataset(place)) == 2


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    plain = tar(tmp_path / "x.tar", {"a.png": png() + bytes(1_000_000), "a.json": PLAIN})
    packed = tmp_path / "x.tar.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert unpack_shards([str(packed)], tmp_path / "fits", "x").is_dir()
    with pytest.raises(DataError, match="more than the 1 MB"):
        unpack_shards([str(packed)], tmp_path / "out", "x", 1_000_000)


def test_a_set_goes_through_commands_and_the_library(home: Path, tmp_path: Path, drawn: PoseDataset) -> None:
    source = drawn.images[0].path.parents[1]
    result = CliRunner().invoke(app, ["convert", str(source), str(tmp_path / "tars"), "--to", "webdataset"])
    assert result.exit_code == 0, result.output
    stored = Library().add("tars", tmp_path / "tars")
    assert (len(stored.dataset()), stored.dataset().people, stored.origin) == (5, drawn.people, "WebDataset")
