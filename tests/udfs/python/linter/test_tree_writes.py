"""The journal of writes into the trees of other modules: by itself, and in the helper interpreter."""

import astroid
import pytest
from astroid import nodes

from recast.udfs.python.linter import lint, tree_writes


def node_of(name: str) -> nodes.ClassDef:
    """A class that astroid can have inferred something of: one of a module that is loaded."""
    return astroid.parse("class A: pass", module_name=name).body[0]


def test_writes_are_taken_back_and_what_was_there_before_stays() -> None:
    first, second, third = (node_of("written") for _ in range(3))
    attributes = {"kept": [first]}
    written = tree_writes.Journal()
    for name, node in (("kept", first), ("kept", second), ("new", third), ("new", third)):
        written.write(attributes, name, node)
    assert attributes == {"kept": [first, second], "new": [third]}
    written.undo()
    assert attributes == {"kept": [first]}
    written.undo()
    assert attributes == {"kept": [first]}


def test_the_first_write_of_a_file_drops_what_was_inferred_before_it_and_taking_it_back_what_was_inferred_under_it() -> (
    None
):
    before, under = node_of("loaded"), node_of("loaded")
    tree_writes.MANAGER.astroid_cache["loaded"] = before.root()
    try:
        written = tree_writes.Journal()
        before._type = "metaclass"
        written.inferred.append((before, "_type"))
        written.undo()
        assert vars(before)["_type"] == "metaclass", "nothing was written: it holds for the next file, too"
        written.write({}, "x", under)
        assert "_type" not in vars(before)
        under._type = "metaclass"
        written.inferred.append((under, "_type"))
        written.undo()
        assert "_type" not in vars(under)
    finally:
        del tree_writes.MANAGER.astroid_cache["loaded"]


def test_the_depth_of_the_stack_counts_the_caller() -> None:
    def below() -> int:
        return tree_writes.depth()

    assert below() == tree_writes.depth() + 1


# The first file makes the metaclass `type` a base of a class of the library; astroid then keeps in nodes of the library
# what it infers of them. In the second pair a kind of method is what is kept.
METACLASSES = (
    "import socketserver\nimport http.server\nsocketserver.TCPServer = type\n\n\n"
    "class A(http.server.HTTPServer):\n    def f(cls): return 1\n",
    "import http.server\n\n\nclass A(http.server.HTTPServer):\n    def f(cls): return 1\n",
)
METHODS = (
    "import abc\nimport email._policybase\n\n\nclass K(classmethod):\n    pass\n\n\nabc.abstractmethod = K\n"
    "email._policybase.Policy.fold('x', 'y')\n",
    "import email._policybase\n\nemail._policybase.Policy.fold('x', 'y')\n",
)


@pytest.mark.slow
@pytest.mark.parametrize("pair", [METACLASSES, METHODS], ids=["metaclasses", "methods"])
def test_what_was_inferred_under_a_files_writes_is_gone_with_them(pair: tuple[str, str]) -> None:
    def checked(text: str) -> object:
        result = next(lint.lint([text]))
        return result.lint_score, result.messages

    def alone(text: str) -> object:
        lint.close()
        return checked(text)

    writes, reads = ((text, alone(text)) for text in pair)
    lint.close()
    for text, result in (reads, writes, reads, writes, reads):
        assert checked(text) == result
