"""qsmnode: a DICOM node for quantitative susceptibility mapping.

Importing this package imports nothing else: ``qsmnode.engine`` works in a notebook without DICOM.
"""

__version__ = "0.1.0"
