"""Who made a scanner."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom import Dataset


@dataclass(frozen=True)
class Maker:
    """Who made the scanner; ``models`` by field strength."""

    manufacturer: str
    models: dict[float, str]
    software: str | list[str]

    def elements(self, field_t: float) -> Dataset:
        """Its equipment elements."""
        ds = Dataset()
        ds.Manufacturer = self.manufacturer
        ds.ManufacturerModelName = self.models.get(field_t, "Simulated")
        ds.SoftwareVersions = self.software
        ds.DeviceSerialNumber = "00000"
        ds.StationName = "SIMULATED"
        ds.InstitutionName = "Simulated data"
        return ds
