"""Terms, values and plans as plain JSON: the form in which the committed test vectors hold them.

Another implementation reads the same files and checks itself against the bytes and digests in them.
"""

import base64
import math

import numpy as np

from vox.operators.values import FileBytes, Geometry, Image, Mask


def term_of(document):
    """Read a term: JSON for what JSON can say, one-key objects for the rest."""
    if isinstance(document, list):
        return [term_of(item) for item in document]
    if not isinstance(document, dict):
        return document
    ((kind, value),) = document.items()
    if kind == "float":
        return float(value)
    if kind == "integer":
        return int(value)
    if kind == "bytes":
        return bytes.fromhex(value)
    assert kind == "map"
    return {term_of(key): term_of(item) for key, item in value}


def document_of(term):
    """Write what `term_of` reads."""
    if isinstance(term, bool) or term is None or isinstance(term, str):
        return term
    if isinstance(term, int):
        return term if abs(term) < 2**53 else {"integer": str(term)}
    if isinstance(term, float):
        return {"float": "nan" if math.isnan(term) else repr(term)}
    if isinstance(term, bytes):
        return {"bytes": term.hex()}
    if isinstance(term, dict):
        return {"map": [[document_of(key), document_of(item)] for key, item in term.items()]}
    return [document_of(item) for item in term]


def value_of(document):
    """Read a value: a scalar as a term, everything else as its fields and a payload in base64."""
    kind = document["kind"]
    if kind == "scalar":
        return term_of(document["value"])
    if kind == "file":
        return FileBytes(document["media_type"], base64.b64decode(document["data"]))
    place = Geometry(*(tuple(document[name]) for name in ("size", "spacing", "origin", "direction")))
    if kind == "geometry":
        return place
    payload = base64.b64decode(document["payload"])
    z, y, x = place.shape
    if kind == "mask":
        return Mask(place, np.frombuffer(payload, "<u8").reshape(z, y, -1))
    components = document["components"]
    shape = (z, y, x) if components == 1 else (z, y, x, components)
    dtype = np.dtype(document["dtype"]).newbyteorder("<")
    return Image(place, np.frombuffer(payload, dtype).reshape(shape))


def document_of_value(value):
    """Write what `value_of` reads."""
    if isinstance(value, FileBytes):
        return {"kind": "file", "media_type": value.media_type, "data": base64.b64encode(value.data).decode()}
    if not isinstance(value, Geometry | Mask | Image):
        return {"kind": "scalar", "value": document_of(value)}
    place = value if isinstance(value, Geometry) else value.geometry
    fields = {name: list(getattr(place, name)) for name in ("size", "spacing", "origin", "direction")}
    if isinstance(value, Geometry):
        return {"kind": "geometry", **fields}
    array = value.words if isinstance(value, Mask) else value.voxels
    payload = base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()
    if isinstance(value, Mask):
        return {"kind": "mask", **fields, "payload": payload}
    described = {"dtype": array.dtype.name, "components": value.components}
    return {"kind": "image", **fields, **described, "payload": payload}
