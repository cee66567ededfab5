"""Paramagnetic and diamagnetic parts of a susceptibility map; one file per method."""
