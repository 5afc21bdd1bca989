"""Where a V2 program touches the world: images and folders it reads, files it writes.

What is read is asked for while the program is reduced, so its names are known then: put together from
strings, parameters, system variables and listings of folders. What is written becomes a goal.
"""

from __future__ import annotations

from collections.abc import Sequence

from vox.digest import Digest
from vox.errors import Span
from vox.imgql import codes
from vox.imgql.check import Findings
from vox.imgql.forms import Forms, Trouble, named
from vox.imgql.graph import Place
from vox.imgql.graph2 import IMAGES, Graph2, Scalar
from vox.imgql.inputs import Inputs
from vox.imgql.parameters import image_path
from vox.operators.values import SourceInfo
from vox.plan import Type

_TEXTS = (".csv", ".txt", ".tsv")


class Outside:
    """Inputs and effects of a program."""

    def __init__(self, graph: Graph2, forms: Forms, inputs: Inputs, findings: Findings) -> None:
        self.graph = graph
        self.forms = forms
        self.inputs = inputs
        self.findings = findings
        self.effects: list[tuple[str, str, int, Place]] | None = []
        self.infos: dict[str, SourceInfo] = {}

    def text(self, node: int, what: str, code: str = codes.PATH_COMPUTED) -> str:
        """Return a string that is known while reducing."""
        value = self.graph.values.get(node)
        if isinstance(value, str):
            return value
        if self.graph.types[node] in (Type.STRING, Type.ANY):
            message = f"{what} is computed: it must be known before the program runs"
            raise Trouble(code, message, "put it together from strings, parameters and folder listings")
        raise Trouble(codes.ARGUMENT_KIND, f"{what} is {named(self.graph.types[node])}, not a string")

    def known(self, node: int, what: str) -> Scalar:
        """Return a scalar that is known while reducing."""
        value = self.graph.values.get(node)
        if value is None:
            raise Trouble(codes.ARGUMENT_KIND, f"{what} must be a constant")
        return value

    def image(self, path: str, place: Place) -> int:
        """Return the node of an image file.

        Raises
        ------
        InputError
            If there is none.
        """
        source, start, end = place
        if path not in self.infos:
            if self.inputs.resolve is None:
                self.infos[path] = pretended(path)
            else:
                self.infos[path] = self.inputs.resolve(path, source.span(start, end))
        info = self.infos[path]
        node = self.graph.source(info.digest, place)
        self.graph.located(node, info.geometry, place)
        return node

    def read_image(self, nodes: Sequence[int], place: Place) -> int:
        """`ReadImage(path)`; a pixel type as second argument changes nothing of what is read."""
        return self.image(self.text(nodes[0], "the path of an image"), place)

    def load(self, nodes: Sequence[int], place: Place) -> int:
        """`load(path)`: the lines of a text file, or an image; a sequence is itself."""
        if nodes[0] in self.graph.elements:
            return nodes[0]
        path = self.text(nodes[0], "the path of a file")
        if path.lower().endswith(_TEXTS):
            lines = () if self.inputs.read_lines is None else self.inputs.read_lines(path, _span(place))
            return self.graph.row([self.graph.scalar(line, place) for line in lines], place)
        if image_path(path) is None:
            message = f"`load` does not know what {path!r} holds"
            raise Trouble(codes.LOAD_KIND, message, "it reads .csv and .txt as lines, and image files")
        return self.image(path, place)

    def folder(self, nodes: Sequence[int], place: Place) -> int:
        """`dir(root, pattern, recursive, full paths)`: names in a folder, sorted."""
        root = self.text(nodes[0], "the path of a folder")
        pattern = self.text(nodes[1], "the pattern") if len(nodes) > 1 else "*"
        switches = [self.known(each, "a switch of `dir`") for each in nodes[2:]]
        recursive, full = (*switches, False, False)[:2]
        ask = self.inputs.list_folder
        found = () if ask is None else ask(root, pattern, bool(recursive), bool(full), _span(place))
        return self.graph.row([self.graph.scalar(name, place) for name in found], place)

    def write_image(self, nodes: Sequence[int], place: Place) -> int:
        """`WriteImage(image, path)`: a goal; gives the path."""
        kind = self.graph.types[nodes[0]]
        if kind not in (*IMAGES, Type.ANY):
            raise Trouble(codes.SAVE_TYPE, f"`WriteImage` writes images; this is {named(kind)}")
        path = self.text(nodes[1], "the path of a saved file", codes.WRITE_COMPUTED)
        if self.effects is not None:
            self.effects.append(("save", path, nodes[0], place))
        return nodes[1]

    def shown(self, nodes: Sequence[int], place: Place) -> int:
        """`print_primitive(label, value)`: a goal; gives the value."""
        label = self.text(nodes[0], "the label", codes.WRITE_COMPUTED)
        if self.effects is not None:
            self.effects.append(("print", label, nodes[1], place))
        return nodes[1]


def pretended(path: str) -> SourceInfo:
    """Return an image that is taken to be there, because nobody can be asked."""
    from vox.operators.values import Geometry

    geometry = Geometry((1, 1), (1.0, 1.0), (0.0, 0.0), (1.0, 0.0, 0.0, 1.0))
    return SourceInfo(Digest.of(path.encode()), geometry, 1, "float32")


def _span(place: Place) -> Span:
    source, start, end = place
    return source.span(start, end)
