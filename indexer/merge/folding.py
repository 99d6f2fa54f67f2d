"""Parts of FHIR's JSON that only make sense together, brought into one element for the merge and back again.

Source: FHIR R4 (4.0.1), 2.6.2 "JSON Representation of Resources": primitive elements, choice of datatypes.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Node = dict[str, Any]

VALUE, SIBLING = "", "_"
"""Names in the pair that stands for one primitive of an array and the element beside it."""

CHOICE = "value[x]"


def sibling_arrays(nodes: Iterable[Node]) -> set[str]:
    """Names of arrays of primitives beside which stands an array of elements, in any of the nodes."""
    return {name[1:] for node in nodes for name in node if name.startswith("_") and _is_beside_array(node, name)}


def _is_beside_array(node: Node, name: str) -> bool:
    return len(name) > 1 and isinstance(node[name], list) and isinstance(node.get(name[1:], []), list)


def zipped(node: Node, names: set[str]) -> Node:
    """The node with each of these arrays as one array of pairs, so that their elements stay together."""
    rest = {name: value for name, value in node.items() if name not in names and name[1:] not in names}
    for name in names:
        values, siblings = _array(node.get(name)), _array(node.get(f"_{name}"))
        pairs = [_pair(value, sibling) for value, sibling in zip_longest(values, siblings)]
        if pairs:
            rest[name] = pairs
    return rest


def unzipped(node: Node, names: set[str]) -> Node:
    """The node with two arrays again; one without any value is left out."""
    rest = {name: value for name, value in node.items() if name not in names}
    for name in names & node.keys():
        for key, part in ((name, VALUE), (f"_{name}", SIBLING)):
            array = [pair.get(part) for pair in node[name]]
            if any(value is not None for value in array):
                rest[key] = array
    return rest


def _array(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _pair(value: Any, sibling: Any) -> Node:
    return {name: part for name, part in ((VALUE, value), (SIBLING, sibling)) if part is not None}


def choice_names(nodes: Iterable[Node]) -> set[str]:
    """Names of the values of extensions, such as ``valueString``, without the elements beside them."""
    return {name.lstrip("_") for node in nodes for name in node if is_value(name)}


def folded(node: Node) -> Node:
    """The extension with its value as one element, because it may have only one."""
    value = {name: part for name, part in node.items() if is_value(name)}
    rest = {name: part for name, part in node.items() if name not in value}
    return rest | ({CHOICE: value} if value else {})


def unfolded(node: Node) -> Node:
    """The extension with its value by the name of its type again."""
    return {**{name: part for name, part in node.items() if name != CHOICE}, **node.get(CHOICE, {})}


def is_value(name: str) -> bool:
    """Whether an element of an extension is its value, or stands beside it."""
    return name.lstrip("_").startswith("value")
