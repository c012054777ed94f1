"""The layers of docs/architecture.md, read off the imports of every module."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "airflow_hpt"

# For every layer, the layers that it may import. A layer is the longest key that a module's dotted name starts with.
ALLOWED: dict[str, set[str]] = {
    "": set(),  # the package itself: lazy names only
    "errors": set(),
    "domain": {"errors"},
    "local.search": {"domain", "errors"},
    "local.store": {"domain", "errors"},
    "local.runner": {"local.runner.algorithms", "domain", "errors"},
    "local.runner.algorithms": {"errors"},  # programs that run in place of an image
    "local.service": {"local.search", "local.store", "local.runner", "local.runner.algorithms", "domain", "errors"},
    "local": {"local.service", "local.runner", "domain", "errors"},  # the command line puts the service together
    "_compat": {"errors"},
    "hooks": {"domain", "errors", "_compat"},
    "triggers": {"hooks", "domain", "errors", "_compat"},
    "assets": {"errors", "_compat"},
    "operators": {"triggers", "hooks", "links", "lineage", "assets", "domain", "errors", "_compat"},
    "sensors": {"triggers", "hooks", "links", "assets", "domain", "errors", "_compat"},
    "decorators": {"operators", "_compat", "errors"},
    "links": {"domain", "errors", "_compat"},
    "lineage": {"assets", "domain", "errors", "_compat"},
    "plugin": {"hooks", "links", "domain", "errors", "_compat"},
    "config": {"domain", "errors"},  # tuning_job_config(...) and its range classes
    "retries": {"errors"},
    "provider_info": set(),
    "testing": {"local", "errors"},
}

# Foreign packages that only some layers may import.
CONFINED: dict[str, set[str]] = {
    "airflow": {
        "_compat",
        "assets",
        "hooks",
        "triggers",
        "operators",
        "sensors",
        "decorators",
        "links",
        "lineage",
        "plugin",
        "retries",
    },
    "numpy": {"local.search", "local.runner.algorithms"},
    "scipy": {"local.search", "local.runner.algorithms"},
    "sqlite3": {"local.store"},
    "subprocess": {"local.runner", "local"},
    "fastapi": {"plugin"},
    "jinja2": {"plugin"},
    "starlette": {"local.service"},
    "uvicorn": {"local.service"},
    "typer": {"local"},
    "rich": {"local"},
}

# Standard library parts that have effects; the pure rules must not touch them.
IMPURE = {"os", "pathlib", "socket", "threading", "subprocess", "time", "random", "sqlite3", "asyncio", "shutil", "io"}


def modules() -> Iterator[str]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def source_of(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split(".")) if module else PACKAGE
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def layer_of(module: str) -> str:
    fitting = [layer for layer in ALLOWED if f"{module}.".startswith(f"{layer}.") or not layer]
    return max(fitting, key=len)


def imports_of(module: str, *, top_level_only: bool = False) -> set[str]:
    """Return the dotted names that a module imports, those inside functions included unless told otherwise."""
    tree = ast.parse(source_of(module).read_text())
    nodes = _eager_nodes(tree) if top_level_only else ast.walk(tree)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def _eager_nodes(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        is_typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) or is_typing_only:
            continue
        yield child
        yield from _eager_nodes(child)


def own_imports(module: str) -> set[str]:
    known = set(modules())
    found = set()
    for name in imports_of(module):
        if not name.startswith("airflow_hpt"):
            continue
        inner = name.removeprefix("airflow_hpt").removeprefix(".")
        found.add(inner if inner in known else inner.rpartition(".")[0])
    return found - {module}


@pytest.mark.parametrize("module", list(modules()))
def test_imports_point_down_the_layers(module: str) -> None:
    layer = layer_of(module)
    offending = {
        name
        for name in own_imports(module)
        if name and layer_of(name) != layer and layer_of(name) not in ALLOWED[layer]
    }
    assert not offending, f"{module} (layer {layer!r}) imports {sorted(offending)}; it may use {sorted(ALLOWED[layer])}"


@pytest.mark.parametrize("module", list(modules()))
def test_confined_packages_stay_in_their_layers(module: str) -> None:
    layer = layer_of(module)
    foreign = {name.partition(".")[0] for name in imports_of(module)}
    offending = {name for name in foreign if name in CONFINED and layer not in CONFINED[name]}
    assert not offending, f"{module} imports {sorted(offending)}"


@pytest.mark.parametrize("module", [name for name in modules() if layer_of(name) == "domain"])
def test_the_domain_is_pure(module: str) -> None:
    foreign = {name.partition(".")[0] for name in imports_of(module)}
    assert not foreign & IMPURE
    source = source_of(module).read_text()
    assert ".now(" not in source, "the domain has no clock; take `now` as an argument"


def test_there_are_no_import_rings() -> None:
    graph = {module: own_imports(module) for module in modules()}
    while leaves := {module for module, needs in graph.items() if not needs & graph.keys()}:
        graph = {module: needs for module, needs in graph.items() if module not in leaves}
    assert not graph, f"these modules import each other in a ring: {sorted(graph)}"


@pytest.mark.parametrize("heavy", ["boto3", "botocore", "airflow.providers"])
@pytest.mark.parametrize("module", [name for name in modules() if layer_of(name) in CONFINED["airflow"]])
def test_the_airflow_side_imports_nothing_heavy_at_module_level(module: str, heavy: str) -> None:
    eager = imports_of(module, top_level_only=True)
    assert not {name for name in eager if f"{name}.".startswith(f"{heavy}.")}
