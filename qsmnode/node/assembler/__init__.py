"""The role that decides what belongs together, where it goes, and when it is whole."""

from qsmnode.node.assembler.role import Assembler

__all__ = ["Assembler"]
