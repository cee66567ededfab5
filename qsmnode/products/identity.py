"""What every object starts with: the source's patient and study, this node as equipment, the time."""

from __future__ import annotations

import unicodedata
from datetime import datetime, timedelta, timezone
from typing import Protocol

from pydicom import Dataset, Sequence

from qsmnode import __version__
from qsmnode.products import codes
from qsmnode.products.patient import copy, patient_and_study

MANUFACTURER = "qsmnode"
_INSTITUTION = ("InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName")
_SCANNER = (
    *_INSTITUTION,
    "Manufacturer",
    "StationName",
    "ManufacturerModelName",
    "DeviceSerialNumber",
    "SoftwareVersions",
)
_STATION_LIMIT = 16  # VR SH


class Origin(Protocol):
    """What an object starts from."""

    @property
    def template(self) -> Dataset: ...

    @property
    def node(self) -> str: ...

    @property
    def created_at(self) -> datetime: ...

    @property
    def algorithm(self) -> str: ...


def identified(context: Origin) -> Dataset:
    """A data set with the source's patient and study and this node as equipment.

    Raises:
        NotEligible: the source names no study.
    """
    template = context.template
    made = patient_and_study(template)
    for keyword in _INSTITUTION:
        if template.get(keyword):
            copy(template, made, keyword)
    made.Manufacturer = MANUFACTURER
    made.ManufacturerModelName = MANUFACTURER
    made.DeviceSerialNumber = plain(context.node)
    made.StationName = plain(context.node)[:_STATION_LIMIT]
    made.SoftwareVersions = __version__
    made.ContributingEquipmentSequence = Sequence([_scanner(template), _node(context)])
    date, time = date_and_time(context)
    for moment in ("InstanceCreation", "Series", "Content"):
        setattr(made, f"{moment}Date", date)
        setattr(made, f"{moment}Time", time)
    return made


def date_and_time(context: Origin) -> tuple[str, str]:
    """DA and TM of the job, in the source's time zone where its header states one.

    Without TimezoneOffsetFromUTC in the source the clock of ``created_at`` is written as it stands: the
    object's other dates have no zone either, and it has to be the site's own clock.
    """
    when = context.created_at
    zone = str(context.template.get("TimezoneOffsetFromUTC") or "").strip()
    if zone and when.tzinfo is not None:
        minutes = int(zone[0] + "1") * (int(zone[1:3]) * 60 + int(zone[3:5]))
        when = when.astimezone(timezone(timedelta(minutes=minutes)))
    return _da(when), _tm(when)


def plain(text: str) -> str:
    """This node's own words in ASCII, which every SpecificCharacterSet holds."""
    stripped = unicodedata.normalize("NFKD", text.replace("±", "+-"))
    return "".join(c for c in stripped if not unicodedata.combining(c)).encode("ascii", "replace").decode()


def _da(when: datetime) -> str:
    return when.strftime("%Y%m%d")


def _tm(when: datetime) -> str:
    return when.strftime("%H%M%S.%f")


def _scanner(template: Dataset) -> Dataset:
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = codes.sequence_of(codes.ACQUISITION_EQUIPMENT)
    item.Manufacturer = ""
    for keyword in _SCANNER:
        if template.get(keyword):
            copy(template, item, keyword)
    if not item.Manufacturer:
        item.Manufacturer = "not stated"  # type 1 in this sequence
    return item


def _node(context: Origin) -> Dataset:
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = codes.sequence_of(codes.PROCESSING_EQUIPMENT)
    item.Manufacturer = MANUFACTURER
    item.ManufacturerModelName = MANUFACTURER
    item.StationName = plain(context.node)[:_STATION_LIMIT]
    item.SoftwareVersions = __version__
    item.ContributionDateTime = "".join(date_and_time(context))
    item.ContributionDescription = plain(context.algorithm)
    return item
