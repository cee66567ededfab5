"""How each vendor writes an image: one file per vendor, one image at a time or one object for many."""
