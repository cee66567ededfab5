"""How fast the signal decays; one file per method."""
