"""The audit trail: who sent, received, deleted and was refused."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from qsmnode.config.tls import ClientTls
from qsmnode.config.values import FolderPath, Host, Port, Settings, WholeNumber


class SyslogSettings(Settings):
    """The server that collects the audit messages of the site."""

    host: Host = Field(description="Host name or IP address of the syslog server.")
    port: Port = Field(6514, description="Its port; 514 is usual with UDP.")
    protocol: Literal["tls", "udp"] = Field(
        "tls",
        description="How messages travel: tls (RFC 5425), or udp (RFC 5426), which nobody acknowledges.",
    )
    tls: ClientTls | None = Field(
        None, description="Authorities and certificate towards the server; what is left out is from node.tls."
    )


class AuditSettings(Settings):
    """The audit trail: who sent, received, deleted and was refused."""

    folder: FolderPath | None = Field(
        None,
        description="Folder of the audit files, readable by the node's user alone; left out: in the store.",
    )
    file_mb: WholeNumber = Field(10, ge=1, le=1000, description="Size in MB at which a new file is begun.")
    files: WholeNumber = Field(
        20, ge=2, le=10000, description="Files that are kept, also for a syslog server that is away."
    )
    syslog: SyslogSettings | None = Field(
        None, description="Server that gets every message as well; left out: none."
    )
