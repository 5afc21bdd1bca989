"""The engine room: numpy and numba on words and voxels; no names of the language."""
