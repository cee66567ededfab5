"""The recipes that have a name. A preset is frozen by its version: a changed number is a new version."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

Choice = Mapping[str, Any]
Choices = Mapping[str, Choice]

# exact unwrapping with echoes combined before background removal (10.1002/mrm.30006)
_FIELD: Choices = {
    "offset": {"method": "mcpc3ds"},
    "unwrap": {"method": "romeo"},
    "field": {"method": "weighted_fit"},
}

# the two example pipelines of 10.1002/mrm.30006 up to their inversion
_CONSENSUS: Choices = {
    **_FIELD,
    "mask": {"method": "bet", "erode": 1},
    "background": {"method": "vsharp", "largest_mm": 12.0, "smallest_mm": 1.0},
    "reference": {"method": "whole_brain"},
}

VERSIONS: Mapping[str, str] = MappingProxyType(
    {
        "default": "default/5",
        "fast": "fast/3",
        "consensus-fansi": "consensus-fansi/2",
        "consensus-medi": "consensus-medi/2",
        "single-echo": "single-echo/3",
        "phantom": "phantom/3",
    }
)

PRESETS: Mapping[str, Choices] = MappingProxyType(
    {
        # the best by measurement: python -m tests.bench chain combinations
        "default": {
            **_FIELD,
            "mask": {"method": "brain"},
            "background": {"method": "pdf"},
            "inversion": {
                "method": "tv",
                # what background removal leaves or takes is refitted, and may go outside the mask;
                # it outweighs the noise
                "refinements": 3,
                "projections": 12,
                "outside": 0.05,
                "model_error_ppm": 0.0015,
                "edges": 0.5,
                "at_edge": 0.2,
                "flat": 3.0,
                # a tenth less iterations than 1, for maps as accurate
                "data_coupling": 0.5,
                "tolerance": 0.004,
            },
            "reference": {"method": "whole_brain"},
        },
        # a preview
        "fast": {
            **_FIELD,
            "mask": {"method": "brain"},
            "background": {"method": "vsharp"},
            "inversion": {"method": "tkd"},
            "reference": {"method": "whole_brain"},
        },
        "consensus-fansi": {
            **_CONSENSUS,
            "inversion": {
                "method": "fansi",
                "data_term": "nonlinear",
                "alpha": 5e-4,
                "coupling": 100.0,
                "weak_harmonics": True,
                "beta": 150.0,
                "muh": 3.0,
            },
        },
        "consensus-medi": {
            **_CONSENSUS,
            "inversion": {"method": "medi", "fidelity": 2000.0, "smv_mm": 5.0, "merit": True},
        },
        # of one echo the phase at echo time 0 stays in: spherical means take the smooth part of it out
        "single-echo": {
            **_FIELD,
            "mask": {"method": "brain"},
            "background": {"method": "vsharp"},
            "inversion": {"method": "tv", "outside": 0.1, "model_error_ppm": 0.002, "tolerance": 0.006},
            "reference": {"method": "whole_brain"},
        },
        # tubes in a jar of water: no anatomy; values are uniform and large, so that model errors at walls
        # outweigh noise, only walls have edges, and strong tubes need more iterations
        "phantom": {
            **_FIELD,
            "field": {"method": "weighted_fit", "noise_limit": 20.0},
            "mask": {"method": "signal"},
            "background": {"method": "pdf"},
            "inversion": {
                "method": "tv",
                "alpha": 2e-4,
                "model_error_ppm": 0.01,
                "coupling": 100.0,
                "refinements": 3,
                "outside": 0.1,
                "edges": 0.2,
                "at_edge": 0.1,
                "flat": 3.0,
                "tolerance": 0.002,
                "iterations": 300,
            },
            # the water around the tubes, which the caller has to point out
            "reference": {"method": "none"},
        },
    }
)
