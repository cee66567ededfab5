"""What the objects of a refusal are made from: why an acquisition became no map. No number is in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydicom import Dataset

from qsmnode import __version__
from qsmnode.dicom.identity import derive_uid
from qsmnode.errors import Finding
from qsmnode.products import context
from qsmnode.products.patient import identity_digest

STATEMENT = "No susceptibility map was made of this acquisition."


@dataclass(frozen=True)
class SourceName:
    """One source object by its names."""

    sop_class_uid: str
    sop_instance_uid: str
    series_uid: str


@dataclass(frozen=True)
class RefusalContext:
    """One refused acquisition.

    Attributes:
        template: a header of its own: patient, study, equipment.
        sources: the objects of it that are here; at least one.
        findings: every reason, in order.
        description: the acquisition in words, without anything about the patient.
        content_sha256: over its objects.
        created_at: the time inside every object.
        node: name of this node.
    """

    template: Dataset
    sources: tuple[SourceName, ...]
    findings: tuple[Finding, ...]
    description: str
    content_sha256: str
    created_at: datetime
    node: str = "QSMNODE"

    def uid(self, *parts: str) -> str:
        """A UID that follows from content, identity, reasons, version and ``parts``; the time is no part."""
        reasons = [f"{finding.check}: {finding}" for finding in self.findings]
        identity = identity_digest(self.template)
        return derive_uid(self.content_sha256, identity, __version__, "refusal", *reasons, *parts)

    def series_number(self, offset: int) -> int:
        """A number that names the source's series."""
        return context.series_number(self.template, offset)

    @property
    def algorithm(self) -> str:
        """Which program refused."""
        return f"qsmnode {__version__}, acceptance checks"
