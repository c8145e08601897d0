"""Whether a monotone map of each angle mends that lifting draws angles to the middle.

Maps are fitted on motions of those subjects from which the network learnt and tried on the others: *what errs least* is
the best monotone guess of the true angle from the found one; *without bias* turns round the median of what is found, by
the true angle; *half of it* goes half of that way.

Run with ``python -m benchmarks.lifting_maps --motions FOLDER [--weights FILE]``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from benchmarks.lifting import COUNTED, EXACT, LENGTH, NOISY, bodies_of, figures, temporal
from posecore.lifting.bodies import Bodies
from posecore.lifting.loss import angles_of
from posecore.lifting.scenes import SceneSettings, draw_scenes
from posecore.lifting.weights import LoadedLifter, load_lifter

Array = NDArray[np.float64]
Map = Callable[[Array], Array]

CONDITIONS = {"exact": EXACT, "errors of models": NOISY}
#: Degrees from one true angle at which a median is taken to the next, how far around it, and of how many angles.
_STEP, _AROUND, _FEWEST = 4.0, 6.0, 40


def angles_found(lifter: LoadedLifter, bodies: Bodies, settings: SceneSettings, count: int) -> tuple[Array, Array]:
    """Angles ``(N, 8)`` in degrees as they are found, and true joints ``(N, 17, 3)``."""
    scenes = draw_scenes(bodies, count, LENGTH, settings, np.random.default_rng(11))
    found = temporal(lifter)(scenes)[:, COUNTED].reshape(-1, 17, 3)
    return _degrees(found), scenes.joints[:, COUNTED].astype(np.float64).reshape(-1, 17, 3)


def _degrees(joints: Array) -> Array:
    return np.asarray(np.degrees(angles_of(torch.from_numpy(joints)).numpy()), np.float64)


def erring_least(found: Array, truth: Array) -> Map:
    """The monotone guess of ``truth`` (N,) from ``found`` (N,) with the least square error."""
    order = np.argsort(found)
    guess = isotonic_regression(truth[order]).x
    return lambda angles: np.interp(angles, found[order], guess)


def without_bias(found: Array, truth: Array, share: float = 1.0) -> Map:
    """The median of ``found`` (N,) by ``truth`` (N,), turned round; ``share`` of the way to it."""
    centres = np.arange(20.0, 180.0 + _STEP, _STEP)
    groups = [found[np.abs(truth - centre) < _AROUND] for centre in centres]
    known = [index for index, group in enumerate(groups) if len(group) >= _FEWEST]
    medians = isotonic_regression([float(np.median(groups[index])) for index in known]).x
    # Where the median stands still, any of the angles would do.
    medians = medians + 1e-3 * np.arange(len(medians))
    return lambda angles: angles + share * (np.interp(angles, medians, centres[known]) - angles)


def mapped(angles: Array, maps: dict[str, Map]) -> Array:
    """Knees and elbows, both sides alike, through their maps."""
    result = angles.copy()
    for name, columns in (("knee", slice(0, 2)), ("elbow", slice(2, 4))):
        result[:, columns] = maps[name](angles[:, columns])
    return result


def main() -> None:
    """Fit, try and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--motions", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    lifter = load_lifter(options.weights)
    seen, held = (bodies_of(options.motions, held_out) for held_out in (False, True))
    ways: dict[str, Callable[[Array, Array], Map]] = {
        "as found": lambda found, truth: lambda angles: angles,
        "what errs least": erring_least,
        "half of it": lambda found, truth: without_bias(found, truth, 0.5),
        "without bias": without_bias,
    }
    for fitted, settings in CONDITIONS.items():
        found, joints = angles_found(lifter, seen, settings, 900)
        truth = _degrees(joints)
        for tried, others in CONDITIONS.items():
            new, wanted = angles_found(lifter, held, others, 300)
            for way, fit in ways.items():
                maps = {
                    name: fit(found[:, part].ravel(), truth[:, part].ravel())
                    for name, part in (("knee", slice(0, 2)), ("elbow", slice(2, 4)))
                }
                sys.stdout.write(f"fitted on {fitted}, tried on {tried}, {way}: {_said(mapped(new, maps), wanted)}\n")


def _said(angles: Array, joints: Array) -> str:
    values = figures(angles, joints)
    return "; ".join(
        f"{name} {values[name][0]:.1f} / {values[name][1]:.0f}, bias "
        + " ".join("–" if one is None else f"{one:+.0f}" for one in values[f"{name}_bias"])
        for name in ("knee", "elbow")
    )


if __name__ == "__main__":
    main()
