"""What can be wrong with a scan, as switches: in the signal, the images, the files."""
