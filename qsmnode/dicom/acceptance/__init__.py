"""Whether an acquisition is fit for a susceptibility map: its headers, its arrays, its reconstruction.

What looks at arrays and at what came of them stands apart in ``acceptance.data`` and ``acceptance.numbers``:
they need the engine, and a process that only receives has better use for that memory.
"""

from qsmnode.dicom.acceptance.header import header_findings
from qsmnode.dicom.acceptance.verdict import has, refuse_rejected, rejections

__all__ = ["has", "header_findings", "refuse_rejected", "rejections"]
