"""The tissues around the nuclei, in susceptibility and R2*, and how far a voxel is from one to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmnode.engine.types import Float

_USUAL = np.array([[-30.0, 21.0], [15.0, 16.0], [15.0, 3.0]])
"""White matter, grey matter, fluid: where the search for their means begins (ppb, 1/s)."""
_USUAL_SPREAD = np.array([12.0, 4.0])
_ROUNDS = 12
_LEAST_SHARE = 0.01
_LEAST_SPREAD = np.array([1.0, 0.3])
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tissues:
    """What is found around.

    Attributes:
        means: (T, F), of each tissue in each image.
        spread: (F), standard deviation within a tissue.
    """

    means: Numbers
    spread: Numbers

    @classmethod
    def of(cls, samples: Float) -> Tissues:
        """By k-means from where they usually are.

        Args:
            samples: (F, N): susceptibility (ppb), and R2* (1/s) where it is known.
        """
        count = samples.shape[0]
        means = _USUAL if count == 2 else _USUAL[:2, :1]  # without R2* fluid cannot be told from grey matter
        spread = _USUAL_SPREAD[:count]
        groups: list[Float] = []
        for _ in range(_ROUNDS):
            away = [(((samples.T - mean) / spread) ** 2).sum(axis=1) for mean in means]
            nearest = np.argmin(away, axis=0)
            groups = [samples[:, nearest == number] for number in range(len(means))]
            means = np.array(
                [one.mean(axis=1) if one.size else mean for one, mean in zip(groups, means, strict=True)]
            )
        used = [n for n, group in enumerate(groups) if group.shape[1] > _LEAST_SHARE * samples.shape[1]]
        if not used:
            return cls(means, spread)
        within = np.concatenate([groups[n] - means[n][:, None] for n in used], axis=1)
        return cls(means[used], np.maximum(within.std(axis=1), _LEAST_SPREAD[:count]))

    def distance(self, tissue: Numbers, level: Numbers) -> float:
        """From a tissue's mean to a level, in spreads."""
        return float(np.linalg.norm((level - tissue) / self.spread))

    def part_of_the_way(self, images: Float, tissue: Numbers, level: Numbers) -> Float:
        """How far each voxel is from a tissue's mean (0) to a level (1).

        Args:
            images: (F, X, Y, Z).
        """
        way = (level - tissue) / self.spread**2
        length = max(float((way * (level - tissue)).sum()), 1e-9)
        along = sum((one - mean) * w for one, mean, w in zip(images, tissue, way, strict=True))
        return np.asarray(along / length, np.float32)
