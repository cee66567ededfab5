"""United Imaging (UIH): the standard's attributes, and a count of slices.

ImageType holds the kind as a letter (``ORIGINAL\\PRIMARY\\M\\UCA\\IF``), the values behind it the coil's
uniformity correction and filters, which magnitude and phase need not share. NumberOfSlices (0054,0081), meant
for nuclear medicine, holds the slices of the acquisition. EchoTrainLength and AcquisitionNumber say nothing.
"""

from __future__ import annotations

from qsmnode.dicom.encodings.standard import by_the_standard

UIH = by_the_standard("UIH")
