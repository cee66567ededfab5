"""Hitachi (Fujifilm after it): the standard's attributes.

No count is declared, and ImageType says OTHER for every image: ComplexImageComponent decides, and without it
an image stays unrecognised.
"""

from __future__ import annotations

from qsmnode.dicom.encodings.standard import by_the_standard

HITACHI = by_the_standard("Hitachi")
