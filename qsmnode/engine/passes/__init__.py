"""More than one inversion for one map; one file per way."""

from qsmnode.engine.passes import two

__all__ = ["two"]
