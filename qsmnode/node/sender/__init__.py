"""The sender: takes deliveries from the ledger and brings them to archives and folders, object by object."""

from qsmnode.node.sender.files import FileResult, send_files
from qsmnode.node.sender.role import Sender

__all__ = ["FileResult", "Sender", "send_files"]
