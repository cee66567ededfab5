"""Whose study a product belongs to: copied from the source, never typed in."""

from __future__ import annotations

import hashlib
from copy import deepcopy

from pydicom import Dataset

from qsmnode.errors import NotEligible

# type 2 in the patient and study modules: present in every object, empty where the source has nothing
_ALWAYS = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
)
# patient, clinical trial subject, general study, patient study and clinical trial study modules (PS3.3 C.7)
_WHERE_PRESENT = (
    "SpecificCharacterSet",
    "TimezoneOffsetFromUTC",
    "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "TypeOfPatientID",
    "PatientBirthTime",
    "OtherPatientIDs",
    "OtherPatientIDsSequence",
    "OtherPatientNames",
    "EthnicGroup",
    "PatientComments",
    "QualityControlSubject",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified",
    "ClinicalTrialSponsorName",
    "ClinicalTrialProtocolID",
    "ClinicalTrialProtocolName",
    "ClinicalTrialSiteID",
    "ClinicalTrialSiteName",
    "ClinicalTrialSubjectID",
    "ClinicalTrialSubjectReadingID",
    "ClinicalTrialTimePointID",
    "ClinicalTrialTimePointDescription",
    "StudyDescription",
    "IssuerOfAccessionNumberSequence",
    "PhysiciansOfRecord",
    "ReferencedStudySequence",
    "ProcedureCodeSequence",
    "AdmittingDiagnosesDescription",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientState",
    "PregnancyStatus",
    "MedicalAlerts",
    "Allergies",
    "Occupation",
    "AdditionalPatientHistory",
    "AdmissionID",
)


def patient_and_study(template: Dataset) -> Dataset:
    """A new data set with every patient and study attribute of a source header.

    Raises:
        NotEligible: the source names no study; a product of it would belong nowhere.
    """
    if not template.get("StudyInstanceUID"):
        raise NotEligible("StudyInstanceUID: expected one in the source, got none")
    made = Dataset()
    made.StudyInstanceUID = template.StudyInstanceUID
    for keyword in _ALWAYS:
        if keyword in template:
            copy(template, made, keyword)
        else:
            setattr(made, keyword, "")
    for keyword in _WHERE_PRESENT:
        if keyword in template and not template[keyword].is_empty:
            copy(template, made, keyword)
    return made


def identity_digest(template: Dataset) -> str:
    """SHA-256 over what :func:`patient_and_study` copies: a corrected identity makes other objects."""
    return hashlib.sha256(patient_and_study(template).to_json().encode()).hexdigest()


def copy(template: Dataset, made: Dataset, keyword: str) -> None:
    """Take over one attribute where the source has it, without private elements inside it."""
    if keyword not in template:
        return
    element = deepcopy(template[keyword])
    if element.VR == "SQ":
        for item in element.value:
            item.remove_private_tags()
    made[keyword] = element
