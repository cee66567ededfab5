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
        pair_columns: of the table of structures with two sides.
        region_names: of the whole brain and of structures, by their English names.
        region_reasons: why a region has no number, by the kind of the issue.
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
    pair_columns: tuple[str, ...]
    side_names: Mapping[str, str]
    both_sides: str
    enlarged: str
    experimental: str
    all_experimental: str
    no_number: str
    region_reasons: Mapping[str, str]
    offsets: str
    offset_names: Mapping[str, str]
    not_known: str
    decimal_sign: str
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

    def decimals(self, value: float) -> str:
        """A number with one decimal as the language writes it."""
        return f"{round(value, 1) + 0.0:.1f}".replace(".", self.decimal_sign)


_ENGLISH = Words(
    title="Quantitative susceptibility map",
    purpose="Research use, not for diagnosis",
    planes=("axial", "coronal", "sagittal"),
    sides=("R", "A"),
    magnitude="magnitude, outline of the map",
    window="window {centre:g}/{width:g} ppb: {low:g} black, {high:g} white",
    regions="Susceptibility in ppb",
    columns=("region", "mean", "SD", "median", "P5 to P95", "volume"),
    pair_columns=("region", "left \u00b1 SD", "volume", "right \u00b1 SD", "volume"),
    side_names=MappingProxyType({"left": "left", "right": "right"}),
    both_sides="(both sides)",
    enlarged="regions, enlarged",
    experimental="\u2020 drawn by an experimental method; repeatability limit {limit} ppb on one scanner",
    all_experimental="All regions: experimental method; repeatability limit {limit} ppb on one scanner",
    no_number="no number",
    region_reasons=MappingProxyType(
        {
            "empty": "not drawn",
            "outside_view": "outside the field of view",
            "outside_mask": "outside the map",
            "no_values": "no finite value in the map",
            "too_small": "smaller than the voxels",
            "not_found": "not found",
            "size": "size not plausible",
            "sides": "sides too unlike in size",
            "estimates": "estimates of the mean too far apart",
            "cut": "cut by the map",
            "edge": "at the edge of the images",
            "left_out": "voxels left out",
            "experimental": "experimental method",
            "regions_none": "no regions came",
            "regions_several": "more than one file fits",
            "regions_unusable": "regions cannot be used",
            "regions_unavailable": "regions cannot be looked for",
            "program_failed": "the program failed",
            "program_late": "the program took too long",
            "program_nothing": "the program left none",
            "not_meant": "not meant for this examination",
        }
    ),
    offsets="Relative to this zero",
    offset_names=MappingProxyType(
        {"whole brain": "whole brain", "cerebrospinal fluid": "cerebrospinal fluid"}
    ),
    not_known="not known, see the report",
    decimal_sign=".",
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
        "Smallest real change of a region between two visits: {same} ppb on the same scanner, "
        "{across} ppb between sites (2.77 x SD between repeats, 3 T)"
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
    pair_columns=("Region", "links \u00b1 SD", "Volumen", "rechts \u00b1 SD", "Volumen"),
    side_names=MappingProxyType({"left": "links", "right": "rechts"}),
    both_sides="(beidseits)",
    enlarged="Regionen, vergrößert",
    experimental="\u2020 experimentelle Methode; Wiederholbarkeit {limit} ppb am selben Gerät",
    all_experimental="Alle Regionen: experimentelle Methode; Wiederholbarkeit {limit} ppb am selben Gerät",
    no_number="ohne Zahl",
    region_reasons=MappingProxyType(
        {
            "empty": "nicht eingezeichnet",
            "outside_view": "außerhalb des Bildfelds",
            "outside_mask": "außerhalb der Karte",
            "no_values": "ohne gültigen Wert in der Karte",
            "too_small": "kleiner als die Voxel",
            "not_found": "nicht gefunden",
            "size": "Größe nicht plausibel",
            "sides": "Seiten zu verschieden groß",
            "estimates": "Schätzungen des Mittels zu verschieden",
            "cut": "von der Karte abgeschnitten",
            "edge": "am Rand der Bilder",
            "left_out": "Voxel ausgelassen",
            "experimental": "experimentelle Methode",
            "regions_none": "keine Regionen gekommen",
            "regions_several": "mehr als eine Datei passt",
            "regions_unusable": "Regionen nicht verwendbar",
            "regions_unavailable": "Regionen nicht suchbar",
            "program_failed": "Programm gescheitert",
            "program_late": "Programm brauchte zu lange",
            "program_nothing": "Programm hinterließ keine",
            "not_meant": "für diese Untersuchung nicht gedacht",
        }
    ),
    offsets="Bezogen auf diesen Nullpunkt",
    offset_names=MappingProxyType({"whole brain": "ganzes Gehirn", "cerebrospinal fluid": "Liquor"}),
    not_known="nicht bekannt, siehe Bericht",
    decimal_sign=",",
    region_names=MappingProxyType(
        {
            "whole brain": "ganzes Gehirn",
            "caudate": "Nucleus caudatus",
            "caudate nucleus": "Nucleus caudatus",
            "putamen": "Putamen",
            "globus pallidus": "Globus pallidus",
            "external globus pallidus": "Pallidum externum",
            "internal globus pallidus": "Pallidum internum",
            "red nucleus": "Nucleus ruber",
            "substantia nigra": "Substantia nigra",
            "subthalamic nucleus": "Ncl. subthalamicus",
            "dentate nucleus": "Nucleus dentatus",
            "thalamus": "Thalamus",
            "choroid plexus": "Plexus choroideus",
            "cerebrospinal fluid": "Liquor",
            "white matter": "weiße Substanz",
            "gray matter": "graue Substanz",
            "lateral ventricle": "Seitenventrikel",
            "vein": "Vene",
        }
    ),
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
        "Kleinste echte Änderung zwischen zwei Untersuchungen: {same} ppb am selben Gerät, "
        "{across} ppb zwischen Standorten (2,77 x SD, 3 T)"
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
