"""From a route's setting to whoever draws."""

from __future__ import annotations

from pathlib import Path

from qsmnode.config import RegionFolder, RegionProgram, Regions
from qsmnode.dicom.source import Source
from qsmnode.engine.types import Maps
from qsmnode.node.regions.drawn import Drawn
from qsmnode.node.regions.folder import FolderLook
from qsmnode.node.regions.nuclei import draw_nuclei
from qsmnode.node.regions.program import draw_by_program


class Drawer:
    """Draws as a route says, and keeps what came of it for the job's log.

    Args:
        regions: the setting.
        series: UIDs of the source series.
        place: of a private folder, should one be needed; must not exist.
        threads: of the job.
    """

    def __init__(self, regions: Regions, series: tuple[str, ...], place: Path, threads: int) -> None:
        self._regions = regions
        self._series = series
        self._place = place
        self._threads = threads
        self.drawn = Drawn()

    def __call__(self, maps: Maps, source: Source) -> Drawn:
        """Draw on finished maps."""
        if isinstance(self._regions, RegionFolder):
            self.drawn = FolderLook(self._regions, self._series).draw(source)
        elif isinstance(self._regions, RegionProgram):
            self.drawn = draw_by_program(self._regions, self._place, self._threads, maps, source)
        else:
            self.drawn = draw_nuclei(maps, source.affine, source.stack.magnitude, source.stack.echo_times_s)
        return self.drawn
