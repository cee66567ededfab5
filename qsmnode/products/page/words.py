"""The page's words in each language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from qsmnode.products import codes


@dataclass(frozen=True)
class Words:
    """Everything that the page says by itself.

    Attributes:
        purpose: what it is for and not for.
        planes: axial, coronal, sagittal.
        sides: letters at the left edge of an axial and of a sagittal picture.
        columns: of the table of regions.
        lights: of the quality lights, by name.
        reasons: of departures, by the name of the acceptance check.
    """

    title: str
    purpose: str
    planes: tuple[str, str, str]
    sides: tuple[str, str]
    magnitude: str
    window: str
    regions: str
    columns: tuple[str, ...]
    region_names: Mapping[str, str]
    quality: str
    lights: Mapping[str, str]
    no_departure: str
    more: str
    doubtful: str
    no_regions: str
    zero: str
    change: str
    withheld: str
    nothing_measured: str
    patient: str
    study: str
    source: str
    made: str
    reasons: Mapping[str, str]


_ENGLISH = Words(
    title="Quantitative susceptibility map",
    purpose="Research use, not for diagnosis",
    planes=("axial", "coronal", "sagittal"),
    sides=("R", "A"),
    magnitude="magnitude, outline of the map",
    window="window {centre:g}/{width:g} ppb: {low:g} black, {high:g} white",
    regions="Susceptibility in ppb",
    columns=("region", "mean", "SD", "median", "P5 to P95", "volume"),
    region_names=MappingProxyType({"whole brain": "whole brain"}),
    quality="Quality",
    lights=MappingProxyType(
        {"acquisition": "acquisition", "phase": "phase", "signal": "signal", "mask": "mask", "fit": "fit"}
    ),
    no_departure="no departure from what a good acquisition is like",
    more="... {count} more in the report",
    doubtful="* doubtful, see the report",
    no_regions="regions of interest: none, see the report for the reason",
    zero="Zero of the scale",
    change=(
        "Smallest real change of a region between two visits: {same:.1f} ppb on the same scanner, "
        "{across:.1f} ppb between sites (2.77 x SD between repeats, 3 T)"
    ),
    withheld="Numbers of susceptibility are withheld: the reasons stand beside.",
    nothing_measured="Nothing could be measured: the map is empty.",
    patient="Patient ID",
    study="Study",
    source="Source series",
    made="Made",
    reasons=MappingProxyType({check: code.meaning for check, code in codes.REASONS.items()}),
)
_GERMAN = Words(
    title="Quantitative Suszeptibilitätskarte",
    purpose="Nur für die Forschung, nicht zur Diagnose",
    planes=("axial", "koronal", "sagittal"),
    sides=("R", "A"),
    magnitude="Magnitude, Umriss der Karte",
    window="Fenster {centre:g}/{width:g} ppb: {low:g} schwarz, {high:g} weiß",
    regions="Suszeptibilität in ppb",
    columns=("Region", "Mittel", "SD", "Median", "P5 bis P95", "Volumen"),
    region_names=MappingProxyType({"whole brain": "ganzes Gehirn"}),
    quality="Qualität",
    lights=MappingProxyType(
        {"acquisition": "Aufnahme", "phase": "Phase", "signal": "Signal", "mask": "Maske", "fit": "Anpassung"}
    ),
    no_departure="keine Abweichung von einer guten Aufnahme",
    more="... {count} weitere im Bericht",
    doubtful="* fraglich, siehe Bericht",
    no_regions="Regionen von Interesse: keine, Grund siehe Bericht",
    zero="Nullpunkt der Skala",
    change=(
        "Kleinste echte Änderung einer Region zwischen zwei Untersuchungen: {same:.1f} ppb am selben Gerät, "
        "{across:.1f} ppb zwischen Standorten (2,77 x SD zwischen Wiederholungen, 3 T)"
    ),
    withheld="Zahlen der Suszeptibilität werden zurückgehalten; die Gründe stehen daneben.",
    nothing_measured="Nichts war messbar: Die Karte ist leer.",
    patient="Patienten-ID",
    study="Studie",
    source="Quellserie",
    made="Erstellt",
    reasons=MappingProxyType(
        {
            "complete": "Bilder der Aufnahme fehlen",
            "ambiguous": "Bilder lassen sich nicht sicher paaren",
            "phase_scaling": "Skalierung der Phase nicht bekannt",
            "gaps": "Lücken zwischen den Schichten",
            "slices": "Schichten bilden kein regelmäßiges Gitter",
            "field_strength": "Feldstärke oder Mittenfrequenz nicht bekannt",
            "b0_axis": "Richtung des Hauptfelds nicht bekannt",
            "magnitude": "Magnitude leer oder negativ",
            "filtered_phase": "Phase vom Gerät gefiltert",
            "other": "Kann nicht rekonstruiert werden",
            "dimensions": "Keine 3-D-Aufnahme",
            "echoes": "Zu wenige Echos",
            "first_echo": "Erstes Echo zu spät",
            "echo_spacing": "Echos nicht gleich verteilt",
            "last_echo": "Letztes Echo außerhalb des Bereichs",
            "in_plane": "Voxel in der Ebene zu groß",
            "anisotropy": "Voxel zu anisotrop",
            "coverage": "Abdeckung zu kurz",
            "contrast_agent": "Kontrastmittel gegeben",
            "neck": "Hals untersucht",
            "unwrapped_phase": "Phase vom Gerät entfaltet",
            "poles": "Pole der Spulenkombination",
            "bipolar": "Bipolare Auslese korrigiert",
            "snr": "Signal-Rausch-Verhältnis zu klein",
            "ghosting": "Geisterbilder oder Bewegung",
            "mask": "Maske ist kein plausibles Gehirn",
            "fit": "Anpassung der Echos außerhalb des Bereichs",
            "streaks": "Streifen im Bild außerhalb des Bereichs",
            "quality": "Qualitätszahl außerhalb des Bereichs",
        }
    ),
)
LANGUAGES: Mapping[str, Words] = MappingProxyType({"en": _ENGLISH, "de": _GERMAN})
