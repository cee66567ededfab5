"""Images in NIfTI files, named and described as BIDS says: no DICOM.

What the words mean: https://bids-specification.readthedocs.io. ``scan`` finds what belongs together,
``sidecar`` reads the JSON beside it, ``placement`` says how the voxels lie, ``phase`` what a turn is, and
``recording`` reads all of it for the engine.
"""
