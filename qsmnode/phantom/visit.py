"""Whom and when: the patient, the study and the clock of a simulated visit, all derived, none real."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pydicom import Dataset

from qsmnode.dicom.identity import derive_uid

PATIENT_NAME = "PHANTOM^HEAD"
_FIRST_DAY = datetime(2024, 3, 4, 9, 0, 0)  # noqa: DTZ001 - DICOM times are local to the scanner


@dataclass(frozen=True)
class Visit:
    """One simulated visit.

    Args:
        seed: of the head; gives the default PatientID and the study day.
        salt: another salt gives other UIDs: the same head visiting again, or a test of its own.
        patient_id: instead of ``QSM-PHANTOM-<seed>``.
    """

    seed: int
    salt: str = ""
    patient_id: str | None = None

    @property
    def identifier(self) -> str:
        """The PatientID."""
        return self.patient_id if self.patient_id is not None else f"QSM-PHANTOM-{self.seed}"

    @property
    def began(self) -> datetime:
        """When the study began."""
        return _FIRST_DAY + timedelta(days=self.seed % 700)

    def uid(self, *parts: object) -> str:
        """A UID of this visit, the same on every machine."""
        return derive_uid(
            "phantom", str(self.seed), self.salt, self.identifier, *(str(part) for part in parts)
        )

    def header(self) -> Dataset:
        """Patient and study elements, and the frame of reference that all series share."""
        day = self.began.strftime("%Y%m%d")
        ds = Dataset()
        ds.SpecificCharacterSet = "ISO_IR 100"
        ds.PatientName = PATIENT_NAME
        ds.PatientID = self.identifier
        ds.PatientBirthDate = "19700101"
        ds.PatientSex = "O"
        ds.StudyInstanceUID = self.uid("study")
        ds.StudyDate = day
        ds.StudyTime = clock(self.began)
        ds.StudyID = "1"
        ds.AccessionNumber = f"PH{self.seed:08d}"
        ds.ReferringPhysicianName = ""
        ds.StudyDescription = "Simulated head"
        ds.FrameOfReferenceUID = self.uid("frame of reference")
        ds.PositionReferenceIndicator = ""
        return ds


def clock(moment: datetime) -> str:
    """A DICOM time with microseconds."""
    return moment.strftime("%H%M%S.%f")
