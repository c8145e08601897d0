# ruff: noqa: T201 - what it says is what it is for
"""usage: readme.py BIN   does what README.md and the pages of docs/ say, with the posecore that is installed in BIN.

Every line of their bash and Python blocks is run in a folder that holds the files it speaks of. A line is left out only
if it is among LEFT_OUT, with the reason, or was run for another page.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Pages beside the tutorials whose commands can be run here.
SUBJECTS = ("index", "evaluation", "export", "ros", "runtimes", "scale", "serving")
PAGES = (ROOT / "README.md", *(ROOT / f"docs/{name}.md" for name in SUBJECTS), *sorted(ROOT.glob("docs/*/*.md")))
#: Beginnings of commands, and of Python, that are not run here.
LEFT_OUT = {
    "git clone": "this is a clone",
    "make ": "part of .ci/run",
    "pip install": ".ci/wheel does that",
    "posecore app": ".ci/wheel opens it",
    "posecore webcam": "there is no camera",
    "posecore weights fetch": "needs a network",
    "posecore classify fit": "needs pictures sorted by hand",
    "posecore weights add": "needs a file of one's own",
    "posecore quantise": "asks before it keeps anything",
    "posecore evaluations compare NAME": "docs/evaluation.md does",
    "posecore ros 0": "there is no camera",
    "posecore ros rtsp": "there is no camera",
    "posecore ros walk.mp4 --bridge": "there is no robot",
    "posecore export movenet-lightning": "needs the extra onnx",
    "import rclpy": "needs ROS",
    "posecore calibrate --model run:": "needs a finished run",
    "posecore data complete": "needs weights of others",
    "posecore export run:": "needs a finished run",
    "posecore data convert instances_": "needs COCO",
    "posecore evaluate --model run:": "needs a finished run",
    "posecore image team.jpg -m run:": "needs a finished run",
    "posecore train configs/": "takes hours; make slow trains",
    "posecore train squats-1.yaml": "needs a file that the Train page makes",
    "posecore image photo.jpg -m run:": "needs a finished run",
}
#: Less of what takes long.
SHORTER = {"--count 200": "--count 4"}

PREPARE = """
import json, shutil, zipfile
from fractions import Fraction
from pathlib import Path
from matplotlib import cbook
from posecore.data.synthetic import render_clip
from posecore.video import ClipWriter, OutputSettings, VideoInfo

photo = cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
Path("holiday").mkdir()
Path("shots").mkdir()
for name in ("photo.jpg", "team.jpg", "holiday/beach.jpg", "holiday/hills.jpg", "shots/000000000001.jpg"):
    shutil.copy(photo, name)
Path("boxes.csv").write_text("picture,x,y,w,h\\nteam.jpg,90,40,380,540\\n")
detected = {"image_id": 1, "category_id": 1, "bbox": [20, 10, 150, 200], "score": 0.9}
Path("detections.json").write_text(json.dumps([detected]))
info = VideoInfo(320, 180, Fraction(20), None, None, Fraction(1, 20), "h264", None, 0)
writer = ClipWriter(Path("squats.mp4"), (320, 180), info, OutputSettings())
for index, scene in enumerate(render_clip(29, (320, 180), 40, 20, 1, "squat")):
    writer.write(scene.image, index, 1)
writer.finish(whole=True)
shutil.copy("squats.mp4", "walk.mp4")
Path("movenet.json").write_text(json.dumps({"img_size": 192, "batch_size": 8, "epochs": 2}))
"""
#: What is there once pictures with labels were drawn.
PREPARE_LABELS = """
import json, shutil, zipfile
from pathlib import Path
labels = next(Path("drawn").glob("*.json"))
people = json.loads(labels.read_text())["annotations"]
results = [{**{name: one[name] for name in ("image_id", "category_id", "keypoints")}, "score": 0.9} for one in people]
Path("others.json").write_text(json.dumps(results))
shutil.copy(labels, "val.json")
shutil.copytree(next(path for path in Path("drawn").iterdir() if path.is_dir()), "val")
for name in ("export.zip", "labels.zip"):
    with zipfile.ZipFile(name, "w") as archive:
        for path in Path("drawn").rglob("*"):
            archive.write(path, path.relative_to("drawn"))
"""


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of a page's blocks of code."""
    return re.findall(r"^```(bash|python)\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def commands(block: str) -> list[str]:
    """Its commands, without what is said about them."""
    lines = (re.split(r"\s+# ", line)[0].strip() for line in block.splitlines())
    return [line for line in lines if line]


def main() -> None:
    """Run everything; the first failure ends it."""
    tools = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="posecore-readme-") as folder:
        environment = os.environ | {
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "POSECORE_HOME": str(Path(folder, "home")),
        }

        def run(*words: str) -> None:
            subprocess.run(words, cwd=folder, env=environment, check=True)

        run(str(tools / "python"), "-c", PREPARE)
        run("posecore", "data", "synthesize", "drawn", "--count", "4")
        run(str(tools / "python"), "-c", PREPARE_LABELS)
        done: set[str] = set()
        for page in PAGES:
            found = blocks(page)
            assert found or page.name != "README.md", "README.md has no blocks of code"
            for language, block in found:
                name = page.relative_to(ROOT)
                if language == "python":
                    if not left_out(block):
                        print(f"== Python in {name}", flush=True)
                        run(str(tools / "python"), "-c", block)
                    continue
                for command in commands(block):
                    if command not in done:
                        done.add(command)
                        run_line(command, run)


def left_out(text: str) -> bool:
    """Whether a command or Python is not run here; why is said."""
    reason = next((why for start, why in LEFT_OUT.items() if text.startswith(start)), None)
    if reason is not None:
        print(f"-- left out ({reason}): {text.partition(chr(10))[0]}", flush=True)
    return reason is not None


def run_line(command: str, run: Callable[..., None]) -> None:
    """Run one command, or say why not."""
    if left_out(command):
        return
    for long, short in SHORTER.items():
        command = command.replace(long, short)
    print(f"== {command}", flush=True)
    run("bash", "-euc", command)


if __name__ == "__main__":
    main()
