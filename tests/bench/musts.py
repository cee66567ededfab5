"""What the engine has to show, as data, and the table that says whether it does."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.bench import chain, contrasts, inversion
from tests.bench.tables import Row, Table


@dataclass(frozen=True)
class Must:
    """One requirement: every head's number lies between ``low`` and ``high``.

    Attributes:
        text: what is required.
        table, column: where the numbers are, in the rows of the default recipe where a table has others.
        low, high: both included.
    """

    text: str
    table: str
    column: str
    low: float = -math.inf
    high: float = math.inf


_INVERSION = (
    Must("inversion: NRMSE / TKD's <= 0.5", "inversion", f"ratio_to {inversion.TKD}", high=0.5),
    Must("inversion: NRMSE / plain TV 50's <= 0.9", "inversion", f"ratio_to {inversion.TV50}", high=0.9),
    Must("inversion: slope 0.95 to 1.05", "inversion", "slope", 0.95, 1.05),
    Must("inversion: calcification 0.95 to 1.05", "inversion", "calcification_moment", 0.95, 1.05),
    Must("inversion: haemorrhage 0.95 to 1.05", "inversion", "haemorrhage_moment", 0.95, 1.05),
    Must("inversion: calcification streak <= 0.02", "inversion", "calcification_streak", high=0.02),
    Must("inversion: haemorrhage streak <= 0.02", "inversion", "haemorrhage_streak", high=0.02),
    Must("inversion: time <= 150 FFT pairs", "inversion", "pairs", high=150.0),
)
_CHAIN = (
    Must("chain: NRMSE / plain chain's <= 0.75", "chain", "ratio", high=0.75),
    Must("chain: slope 0.93 to 1.07", "chain", "slope", 0.93, 1.07),
    Must("chain: every nucleus within 10 % or 5 ppb", "chain", "nuclei_off", high=0.0),
    Must("chain: calcification >= 0.92", "chain", "calcification_moment", low=0.92),
    Must("chain: haemorrhage >= 0.92", "chain", "haemorrhage_moment", low=0.92),
    Must("chain: time <= 300 FFT pairs", "chain", "pairs", high=300.0),
    Must("chain: memory <= 2 GB", "chain", "peak_gb", high=2.0),
    Must("chain: coverage of the brain >= 92 %", "chain", "coverage", low=92.0),
)
_FURTHER = (
    Must("R2*: every tissue of 10 1/s and more within 5 %", "contrasts_r2star", "off", high=0.0),
    Must("SWI: veins along B0 darker than in the magnitude", "contrasts_swi_veins", "darker_ratio", low=1.0),
    Must("SWI: the projection is the least of its slices", "contrasts_swi_veins", "mip_differs", high=0.0),
    Must("SWI: blood told from chalk", "contrasts_swi_lesions", "told", low=1.0),
    Must("microbleeds: two sets of echo times within 10 %", "microbleeds", "change", -10.0, 10.0),
)
_NUCLEI = (
    Must("nuclei: overlap of each >= 0.80, red nucleus >= 0.70", "nuclei", "dice_over", low=0.0),
    Must("nuclei: mean error of each <= 10 ppb", "nuclei", "error", -10.0, 10.0),
    Must("nuclei: standard deviation of repeated means <= 2.4 ppb", "nuclei_repeated", "sd_ppb", high=2.4),
)
MUSTS = (*_INVERSION, *_CHAIN, *_FURTHER, *_NUCLEI)
# the rows that count, where not all of a table do
_ROWS = {
    "inversion": ("method", inversion.DEFAULT),
    "chain": ("method", chain.DEFAULT),
    "contrasts_swi_veins": ("veins", contrasts.ALONG),
}
_EASY = "easy"


def judged(tables: Mapping[str, Table], musts: Iterable[Must] = MUSTS) -> Table:
    """One line for each requirement whose table there is: lowest, mean and highest number, pass or FAIL.

    A requirement passes when every head fulfils it, and fails where there is no number at all or one is not a
    number. Easy heads do not count.
    """
    rows = [_line(must, tables[must.table]) for must in musts if must.table in tables]
    return Table("must_show", "Requirements of the default recipe, on every head of this run.", rows)


def _line(must: Must, table: Table) -> Row:
    wanted = [
        row for row in table.rows if _counts(must.table, row) and not str(row["head"]).startswith(_EASY)
    ]
    values = [float(row[must.column]) for row in wanted if must.column in row]
    passed = bool(values) and all(must.low <= value <= must.high for value in values)
    known = [value for value in values if not math.isnan(value)]
    return {
        "required": must.text,
        "lowest": min(known) if known else math.nan,
        "mean": sum(known) / len(known) if known else math.nan,
        "highest": max(known) if known else math.nan,
        "heads": float(len(values)),
        "verdict": "pass" if passed else "FAIL",
    }


def _counts(table: str, row: Row) -> bool:
    if table not in _ROWS:
        return True
    column, cell = _ROWS[table]
    return row[column] == cell
