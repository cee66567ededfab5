"""Regions of interest of a finished map: found in a folder, drawn by a program or by the atlas."""
