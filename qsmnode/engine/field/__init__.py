"""From unwrapped phase to the field in Hz and the trust in it; one file per method."""

from qsmnode.engine.field import complex_fit, weighted_fit
from qsmnode.engine.field.field_map import FieldMap

__all__ = ["FieldMap", "complex_fit", "weighted_fit"]
