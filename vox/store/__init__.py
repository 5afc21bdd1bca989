"""The shelves: immutable blobs by digest, and the results that were computed."""

from vox.store.backends import open_store

__all__ = ["open_store"]
