# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Finds the calls of modules as they are imported, and sends them through a switch."""

import ast
import dataclasses
import importlib.abc
import importlib.machinery
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from types import CodeType, ModuleType

from tests.wires import _switch

SWITCH = "__wires_switch__"
"""Name of the switch in the modules."""

CALLS: list["Call"] = []
"""The calls of all modules; the number of a call is its place here."""


@dataclasses.dataclass(frozen=True)
class Call:
    """A call as it stands in the source."""

    module: str
    path: str
    line: int
    callee: str
    """Such as `ingress.Facts`."""
    keywords: tuple[str, ...]
    positional: int
    """How many arguments stand before the first that is unpacked."""
    update: tuple[str, ...] = ()
    """Keys of the mapping that `model_copy` gets."""
    constants: Mapping[str | int, str] = dataclasses.field(default_factory=dict[str | int, str])
    """Keyword or number of an argument → its source, where that is a literal or a constant."""


class Finder(importlib.abc.MetaPathFinder):
    """Finds modules before Python does, and loads them with `Loader`.

    Args:
        patterns: of the modules' names, as `fnmatch` reads them.
    """

    def __init__(self, patterns: Sequence[str]):
        self._patterns = tuple(patterns)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a module; None: it has none of these names."""
        if not any(fnmatchcase(fullname, pattern) for pattern in self._patterns):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = Loader(fullname, spec.loader.path)
        return spec


class Loader(importlib.machinery.SourceFileLoader):
    """Compiles a module with its calls sent through the switch; never from a cache on disk."""

    def get_code(self, fullname: str) -> CodeType:
        """Return the module's code."""
        path = self.get_filename(fullname)
        return compiled(self.get_data(path).decode(), fullname, path)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code."""
        setattr(module, SWITCH, _switch.call)
        super().exec_module(module)


def compiled(source: str, module: str, path: str) -> CodeType:
    """Return the code of a module in which `callee(…)` is `switch(number, callee, …)`."""
    tree = _Rewriter(module, path).visit(ast.parse(source, path))
    return compile(tree, path, "exec", dont_inherit=True)


class _Rewriter(ast.NodeTransformer):
    """Rewrites the calls in the bodies of functions, and adds them to `CALLS`."""

    def __init__(self, module: str, path: str):
        self._module, self._path = module, path
        self._depth = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Visit the body; decorators, defaults and annotations stay as they are."""
        self._depth += 1
        node.body = [self.visit(statement) for statement in node.body]
        self._depth -= 1
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Rewrite a call of something that has a name."""
        self.generic_visit(node)
        callee = _dotted(node.func)
        if not self._depth or callee is None or not _has_wires(node, callee):
            return node
        CALLS.append(self._call(node, callee))
        rewritten = ast.Call(
            func=ast.Name(SWITCH, ast.Load()),
            args=[ast.Constant(len(CALLS) - 1), node.func, *node.args],
            keywords=node.keywords,
        )
        return ast.fix_missing_locations(ast.copy_location(rewritten, node))

    def _call(self, node: ast.Call, callee: str) -> Call:
        unpacked = [n for n, each in enumerate(node.args) if isinstance(each, ast.Starred)]
        return Call(
            module=self._module,
            path=self._path,
            line=node.lineno,
            callee=callee,
            keywords=tuple(each.arg for each in node.keywords if each.arg),
            positional=unpacked[0] if unpacked else len(node.args),
            update=_update(node) if callee.endswith(".model_copy") else (),
            constants=_constants(node),
        )


def _dotted(node: ast.expr) -> str | None:
    """Return a name with attributes as text; None for any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        below = _dotted(node.value)
        return None if below is None else f"{below}.{node.attr}"
    return None


def _has_wires(node: ast.Call, callee: str) -> bool:
    """Return whether there are keywords, or arguments of what is called like a class."""
    name = callee.rpartition(".")[2].lstrip("_")
    return bool(node.keywords) or (name[:1].isupper() and bool(node.args))


def _update(node: ast.Call) -> tuple[str, ...]:
    found = [each.value for each in node.keywords if each.arg == "update"]
    keys = found[0].keys if found and isinstance(found[0], ast.Dict) else []
    return tuple(str(key.value) for key in keys if isinstance(key, ast.Constant))


def _constants(node: ast.Call) -> Mapping[str | int, str]:
    arguments: list[tuple[str | int | None, ast.expr]] = [
        *enumerate(node.args),
        *((each.arg, each.value) for each in node.keywords),
    ]
    return {key: ast.unparse(v) for key, v in arguments if key is not None and _is_constant(v)}


def _is_constant(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple | ast.List):
        return not node.elts
    if isinstance(node, ast.Dict):
        return not node.keys
    name = _dotted(node) or ""
    return isinstance(node, ast.Constant) or name.rpartition(".")[2].isupper()
