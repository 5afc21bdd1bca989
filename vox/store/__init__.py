"""The shelves: immutable blobs by digest, and the results that were computed."""
