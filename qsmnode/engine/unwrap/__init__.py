"""From wrapped to continuous phase; one file per method."""

from qsmnode.engine.unwrap import laplacian, romeo

__all__ = ["laplacian", "romeo"]
