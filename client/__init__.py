"""The hand at the bell: the command `vox`, the embedded engine, the Python face."""
