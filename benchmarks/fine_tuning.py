"""What the suggested recipe makes of a few pictures: ``python benchmarks/fine_tuning.py TRAIN VAL --images FOLDER``.

Some pictures of TRAIN (COCO JSON) are added to the library as the app adds them, a fifth of them is held out, and the
run that the Train page suggests is done and measured on VAL. Sets and runs are kept in POSECORE_HOME, so use one of
its own. Minutes to an hour, depending on the machine.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

from posecore.data.coco import read_coco
from posecore.data.library import Library, StoredSet
from posecore.evaluation import evaluate
from posecore.training.recipe import skeleton_of, suggest, to_config
from posecore.training.run import train
from posecore.zoo import load_model, model_info


def chosen_set(labels: Path, images: Path, pictures: int, seed: int) -> StoredSet:
    """So many pictures of a set, in the library, split for training and validation."""
    data = json.loads(labels.read_text("utf-8"))
    places = sorted(random.Random(seed).sample(range(len(data["images"])), pictures))
    data["images"] = [data["images"][place] for place in places]
    kept = {image["id"] for image in data["images"]}
    data["annotations"] = [one for one in data["annotations"] if one["image_id"] in kept]
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "part.json"
        part.write_text(json.dumps(data), "utf-8")
        stored = Library().add(f"{labels.stem}-{pictures}-{seed}", part, images=images)
    stored.set_split(0.2, seed)
    return stored


def main() -> None:
    """Train and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path, metavar="TRAIN")
    parser.add_argument("validation", type=Path, metavar="VAL")
    parser.add_argument("--images", type=Path, required=True, help="folder that file names of both are relative to")
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--base", default="posenet-mobilenet_v1-075.google_quant2")
    parser.add_argument("--base-keypoints", action="store_true", help="learn the base's keypoints, not the labels'")
    parser.add_argument("--keep", type=float, default=0.0, help="weight of the base model's own answers")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    stored = chosen_set(options.train, options.images, options.pictures, options.seed)
    skeleton = skeleton_of(model_info(options.base)) if options.base_keypoints else stored.skeleton
    recipe = suggest(options.base, stored.parts()["train"], stored.dataset().people, skeleton)
    recipe = recipe.model_copy(update={"keep": options.keep})
    config = to_config(recipe, name=f"{stored.name}-run", sources=stored.sources(), skeleton=skeleton)
    folder = train(config, Path.cwd())
    validation = read_coco(options.validation, options.images)
    for name in (options.base, f"run:{folder.name}"):
        found = evaluate(load_model(name), validation)
        figures = f"AP {found.precision['AP'] or 0:.3f}, PCK@0.2 {found.pck or 0:.3f}"
        sys.stdout.write(f"{name}: {figures} on {found.people} people\n")


if __name__ == "__main__":
    main()
