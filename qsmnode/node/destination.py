"""Where `qsmnode reconstruct` puts its results: a folder of files, a BIDS dataset, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qsmnode.bids.scan import Scan
from qsmnode.errors import UsageError
from qsmnode.products import nifti, nifti_dataset, table
from qsmnode.products.context import ProductContext
from qsmnode.products.nifti import NiftiResult
from qsmnode.products.nifti_dataset import Place
from qsmnode.products.registry import PRODUCTS, usual
from qsmnode.products.storage import write


@dataclass(frozen=True)
class Destination:
    """What the command line asks for.

    Attributes:
        out: folder of files, or None.
        form: of those files: ``dicom`` (map, report and what else the recipe makes) or ``nifti``.
        dataset: folder of a BIDS dataset, or None.
        subject: its label where the sources do not name one, "" where not said.
        session: the same.
    """

    out: Path | None
    form: str
    dataset: Path | None = None
    subject: str = ""
    session: str = ""

    def folders(self, count: int) -> list[Path | None]:
        """Of the files of each result: with several, each has one of its own."""
        if self.out is None or count == 1:
            return [self.out] * count
        return [self.out / f"acquisition-{number}" for number in range(1, count + 1)]

    def places_of_acquisitions(self, count: int) -> list[Place | None]:
        """In the dataset, of DICOM acquisitions: nothing of the patient gets into a name.

        Raises:
            UsageError: nobody says which subject.
        """
        runs = [(f"run-{number}",) if count > 1 else () for number in range(1, count + 1)]
        return self._checked([(*self._labels(()), *run) for run in runs])

    def places_of_scans(self, scans: Sequence[Scan]) -> list[Place | None]:
        """In the dataset, of NIfTI scans: by what their own names say.

        Raises:
            UsageError: a name says no subject, or two maps would get the same name.
        """
        return self._checked([self._labels(scan.name.pieces) for scan in scans])

    def _labels(self, pieces: tuple[str, ...]) -> tuple[str, ...]:
        """Subject and session first, each as the source or else the command line says."""
        kept = pieces if any(piece.startswith("sub-") for piece in pieces) else ()
        subject = [piece for piece in kept if piece.startswith("sub-")] or [f"sub-{self.subject}"]
        session = [piece for piece in kept if piece.startswith("ses-")] or [f"ses-{self.session}"]
        rest = [piece for piece in kept if not piece.startswith(("sub-", "ses-"))]
        return tuple(piece for piece in (*subject, *session, *rest) if piece not in ("sub-", "ses-"))

    def _checked(self, names: Sequence[tuple[str, ...]]) -> list[Place | None]:
        if self.dataset is None:
            return [None] * len(names)
        places = [Place(name) for name in names]
        twice = nifti_dataset.collisions(places)
        if twice:
            raise UsageError(f"{twice[0]}: more than one scan would get this name; name them apart")
        return list(places)

    def refuse_without_header(self) -> None:
        """NIfTI files have no header that DICOM objects could be made from.

        Raises:
            UsageError: DICOM objects are asked for.
        """
        if self.out is not None and self.form == "dicom":
            raise UsageError(
                "--format dicom: DICOM output has no source header: NIfTI files name no patient, study or "
                "frame of reference; use --format nifti, or --bids DIR without --out"
            )

    def prepare(self, folder: Path | None, source: Path | None = None) -> None:
        """Make the folders, before anything is computed for them.

        Args:
            folder: of the files, or None.
            source: folder of the source's own dataset, where it lies in one.

        Raises:
            UsageError: one cannot be made, or holds another dataset.
        """
        if folder is not None:
            make_folder(folder)
        if self.dataset is not None:
            if source is not None and self.dataset.resolve() == source.resolve():
                where = f"--bids {self.dataset}"
                raise UsageError(f"{where}: the source's own dataset; choose a folder in its derivatives")
            nifti_dataset.start(self.dataset, source)

    def write_context(self, context: ProductContext, folder: Path | None, place: Place | None) -> list[Path]:
        """Write one reconstruction of DICOM images, and its numbers beside it."""
        written: list[Path] = []
        if folder is not None:
            written += nifti.write(context, folder) if self.form == "nifti" else _objects(context, folder)
            written += table.write(context, folder)
        return written + self._write_dataset(nifti.result_of(context), place)

    def write_result(self, result: NiftiResult, folder: Path | None, place: Place | None) -> list[Path]:
        """Write one reconstruction of a NIfTI scan, and its numbers beside it."""
        written = [] if folder is None else [*nifti.write(result, folder), *table.write(result, folder)]
        return written + self._write_dataset(result, place)

    def _write_dataset(self, result: NiftiResult, place: Place | None) -> list[Path]:
        if self.dataset is None or place is None:
            return []
        begun = nifti_dataset.start(self.dataset, result.dataset)
        return begun + nifti_dataset.write(result, self.dataset, place)


def _objects(context: ProductContext, folder: Path) -> list[Path]:
    """Map, report and every further image that the recipe asks for."""
    return [path for name in usual(context) for path in write(PRODUCTS[name].build(context), folder, name)]


def make_folder(folder: Path) -> None:
    """Make a folder for this user only, where it is missing.

    Raises:
        UsageError: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be made ({error.strerror}); choose another --out") from error
