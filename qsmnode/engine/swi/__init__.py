"""Susceptibility-weighted images; one file per method."""
