"""Whether an acquisition is fit for a susceptibility map: its headers, its arrays, its reconstruction."""

from qsmnode.dicom.acceptance.data import data_findings
from qsmnode.dicom.acceptance.header import header_findings
from qsmnode.dicom.acceptance.numbers import number_findings
from qsmnode.dicom.acceptance.verdict import has, refuse_rejected, rejections

__all__ = ["data_findings", "has", "header_findings", "number_findings", "refuse_rejected", "rejections"]
