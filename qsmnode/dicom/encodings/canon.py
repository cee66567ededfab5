"""Canon (and Toshiba before it): the standard's attributes.

No count is declared, so completeness comes from grid, ended associations and settling. An image without
ComplexImageComponent and without a letter in ImageType (``ORIGINAL\\PRIMARY\\GDC``) stays unrecognised.
"""

from __future__ import annotations

from qsmnode.dicom.encodings.standard import by_the_standard

CANON = by_the_standard("Canon")
