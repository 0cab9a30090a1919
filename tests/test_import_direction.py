"""Imports go one way, as far as the source text can tell; nothing is imported to find out."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "adls_magic"
PACKAGE = "adls_magic"
FRONT_LIBRARIES = {"IPython", "ipywidgets", "anywidget", "traitlets", "ipykernel"}
# What may know of IPython and widgets: what meets the user, and what reads a magic's line.
FRONTS = {
    "__init__", "__main__", "magics", "arguments", "line", "line_parser", "options", "completion",
    "commands.config", "form", "capture", "output", "unseen",
}  # fmt: skip
# From the bottom to the top: a module or a whole package imports only from its own layer and
# from those above it in this table.
LAYERS = (
    "core.secret",
    "core.errors",
    "core.text",
    "core.ends",
    "core.account",
    "core.service",
    "core.transfer",
)
# Within the packages, too, there is a top and a bottom.
ABOVE = {
    "core.account.address": {"core.account.account", "core.account.resolve"},
    "core.service.request": {"core.service.connections", "core.service.transport"},
    "core.service.connections": {"core.service.transport"},
    "core.service.transport": {"core.service.exchange", "core.service.client"},
    "core.service.exchange": {"core.service.client"},
    "core.transfer.plan": {"core.transfer.target", "core.transfer.pool", "core.transfer.upload"},
    "core.transfer.target": {
        "core.transfer.staged",
        "core.transfer.pool",
        "core.transfer.run",
        "core.transfer.upload",
    },
    "core.transfer.pool": {"core.transfer.run", "core.transfer.upload"},
}


@functools.cache
def modules() -> dict[str, Path]:
    """All modules by their dotted name without the package's own."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[-1] == "__init__" and len(parts) > 1:
            parts = parts[:-1]
        found[".".join(parts)] = path
    return found


@functools.cache
def imports_of(module: str) -> dict[str, bool]:
    """Imported names, dotted and whole → whether the import runs when the module is loaded."""
    path = modules()[module]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: dict[str, bool] = {}
    for node, at_load in _import_nodes(tree, at_load=True):
        for name in _names(node, module, is_package=path.name == "__init__.py"):
            found[name] = found.get(name, False) or at_load
    return found


def _import_nodes(node: ast.AST, *, at_load: bool) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child, at_load
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue  # for the type checker only
        else:
            is_function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from _import_nodes(child, at_load=at_load and not is_function)


def _names(node: ast.AST, module: str, *, is_package: bool) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    assert isinstance(node, ast.ImportFrom)
    base = node.module or ""
    if node.level:
        parts = [PACKAGE, *module.split(".")]
        parts = parts[: len(parts) - node.level + is_package]
        base = ".".join([*parts, base] if base else parts)
    for alias in node.names:
        yield f"{base}.{alias.name}"


def ours(module: str) -> dict[str, bool]:
    """The package's own modules among the imports of `module`."""
    found: dict[str, bool] = {}
    for name, at_load in imports_of(module).items():
        if name.split(".")[0] != PACKAGE:
            continue
        inner = name.removeprefix(PACKAGE + ".")
        while inner not in modules() and "." in inner:
            inner = inner.rpartition(".")[0]
        if inner in modules() and inner != module:
            found[inner] = found.get(inner, False) or at_load
    return found


def libraries(module: str) -> set[str]:
    return {name.split(".")[0] for name in imports_of(module)}


def in_part(part: str) -> list[str]:
    return [name for name in modules() if name == part or name.startswith(part + ".")]


def layer_of(module: str) -> int:
    return next(
        number
        for number, layer in enumerate(LAYERS)
        if module == layer or module.startswith(layer + ".")
    )


def test_the_reader_of_these_tests_reads():
    assert len(in_part("core")) > 30 and len(in_part("lake")) > 10
    assert "core.errors" in ours("core.service.transport")
    assert "requests" in libraries("core.service.route")
    assert ours("core.errors") == {"core.secret": True} and ours("core.secret") == {}
    assert imports_of("core.service.route")["requests"] is False  # inside a function


@pytest.mark.parametrize("module", in_part("core"))
def test_the_core_knows_no_front(module: str):
    assert not libraries(module) & FRONT_LIBRARIES
    assert [name for name in ours(module) if not name.startswith("core")] == []


@pytest.mark.parametrize("module", [name for name in in_part("core") if name != "core"])
def test_lower_layers_do_not_import_upper_ones(module: str):
    for name in ours(module):
        if name != "core":
            assert layer_of(name) <= layer_of(module), f"{module} imports {name}"


@pytest.mark.parametrize("module", ABOVE)
def test_what_a_module_needs_stays_below_it(module: str):
    assert not _all_needed(module) & ABOVE[module]


def _all_needed(module: str) -> set[str]:
    found: set[str] = set()
    left = [module]
    while left:
        for name in ours(left.pop()):
            if name not in found:
                found.add(name)
                left.append(name)
    return found - {module}


def test_the_core_has_no_circles():
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " → ".join([*above[above.index(module) :], module])
        if module not in done:
            for name in ours(module):
                visit(name, (*above, module))
            done.add(module)

    for module in in_part("core"):
        visit(module, ())


@pytest.mark.parametrize("module", in_part("lake"))
def test_the_lake_takes_nothing_of_the_core_but_the_account(module: str):
    """So that two independent readings of the rules check each other."""
    taken = {name for name in ours(module) if not name.startswith("lake")}
    assert taken <= {"core.account", "core.secret"}
    assert not libraries(module) & (FRONT_LIBRARIES | {"requests", "tqdm", "azure"})


def test_only_fronts_know_of_ipython_and_widgets():
    for module in modules():
        if libraries(module) & FRONT_LIBRARIES:
            part = module if module.startswith("commands.") else module.split(".")[0]
            assert part in FRONTS, module


def test_only_few_modules_touch_requests():
    users = {module for module in modules() if "requests" in libraries(module)}
    assert users == {f"core.service.{name}" for name in ("authorization", "proxied", "route")}


def test_heavy_libraries_are_imported_when_they_are_needed():
    heavy = {"tqdm", "ipywidgets", "anywidget", "pandas", "pyarrow", "polars", "matplotlib"}
    heavy |= {"azure", "keyring", "anycrc", "numpy"}
    for module in modules():
        at_load = {name.split(".")[0] for name, loads in imports_of(module).items() if loads}
        found = at_load & heavy
        # These are loaded only when the form is shown.
        assert not found or module.startswith("form"), f"{module} loads {found}"


def test_the_core_is_the_same_without_a_notebook():
    for module in in_part("core"):
        text = modules()[module].read_text(encoding="utf-8")
        assert "get_ipython()" not in text or module == "core.transfer.progress", module
