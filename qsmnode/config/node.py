"""Who this node is, where it listens and where it keeps things."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from qsmnode.config.tls import NodeTls
from qsmnode.config.values import AETitle, FolderPath, Host, Port, Settings

_FORBIDDEN = tuple(Path(folder) for folder in ("/etc", "/boot", "/dev", "/proc", "/sys"))


def _check_store(path: Path) -> Path:
    for candidate in (path, path.resolve()):
        if candidate == Path(candidate.anchor):
            raise ValueError("the store cannot be the root of the file system: give it a folder of its own")
        for folder in _FORBIDDEN:
            if candidate.is_relative_to(folder):
                raise ValueError(f"a store under {folder} is refused: patient data do not belong there")
    return path


class NodeSettings(Settings):
    """Who this node is, where it listens and where it keeps things."""

    ae_title: AETitle = Field(
        "QSMNODE", description="AE title that scanners and archives call, and that this node calls with."
    )
    bind: Host = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for every network interface.")
    port: Port = Field(
        11112,
        description="TCP port to listen on without TLS; with node.tls it is open only where it is stated.",
    )
    tls: NodeTls | None = Field(None, description="TLS of this node; left out: it speaks none.")
    store: Annotated[FolderPath, AfterValidator(_check_store)] = Field(
        Path("qsmnode-data"),
        validate_default=True,
        description="Folder for received images, results and the ledger; created if missing.",
    )

    @property
    def plain_port(self) -> int | None:
        """The port without TLS; None where there is none."""
        return None if self.tls is not None and "port" not in self.model_fields_set else self.port
