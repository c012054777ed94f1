"""What Airflow asks of a provider: light imports, truthful metadata, template fields that are left alone."""

import ast
import inspect
import json
import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points, metadata
from pathlib import Path
from typing import Any

import pytest

import airflow_hpt
from airflow_hpt._compat import PAGE_CONNECTIONS, SECTION
from airflow_hpt.provider_info import get_provider_info

pytestmark = pytest.mark.airflow

MOST_MODULES = 30
HEAVY = ("boto3", "botocore", "airflow.providers", "numpy", "scipy", "starlette", "pandas", "sklearn")

MODULES = (
    "airflow_hpt.operators.tuning",
    "airflow_hpt.operators.warm_start",
    "airflow_hpt.operators.stop",
    "airflow_hpt.sensors.tuning",
    "airflow_hpt.assets",  # every process that makes an asset of any kind imports it
    "airflow_hpt.config",
)

# Airflow is slow to import, so it is imported once and the process is copied for each module.
NEW_MODULES = """
import json, os, sys
from importlib import import_module
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator, task
before = set(sys.modules)
for module in sys.argv[1:]:
    if os.fork() == 0:
        import_module(module)
        print(json.dumps([module, sorted(set(sys.modules) - before)]), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def new_modules() -> dict[str, list[str]]:
    """What importing each module adds to a process that has imported airflow.sdk."""
    command = [sys.executable, "-c", NEW_MODULES, *MODULES]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(line) for line in done.stdout.splitlines() if line.startswith('["airflow_hpt'))


@pytest.mark.parametrize("module", MODULES)
def test_a_dag_file_pays_little_for_an_import(new_modules: dict[str, list[str]], module: str) -> None:
    new = new_modules[module]
    assert module in new
    assert len(new) <= MOST_MODULES, new
    assert not [name for name in new if f"{name}.".startswith(tuple(f"{heavy}." for heavy in HEAVY))]


def test_the_package_itself_imports_none_of_its_parts() -> None:
    script = "import sys; import airflow_hpt; print([name for name in sys.modules if name.startswith('airflow')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['airflow_hpt']"


@pytest.mark.parametrize("name", airflow_hpt.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(airflow_hpt, name) is not None


def test_a_name_that_is_not_there_lists_those_that_are() -> None:
    with pytest.raises(AttributeError, match=r"no 'TuningOperator'; it offers .*TuningJobOperator"):
        airflow_hpt.TuningOperator  # noqa: B018


def test_provider_info_is_valid_and_names_the_distribution() -> None:
    import airflow
    import jsonschema

    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    info = get_provider_info()
    jsonschema.validate(info, schema)
    assert info["package-name"] == metadata("airflow-hpt")["Name"]


def test_airflow_finds_the_provider() -> None:
    (entry,) = [each for each in entry_points(group="apache_airflow_provider") if each.dist.name == "airflow-hpt"]
    assert entry.load() is get_provider_info


def test_everything_that_provider_info_names_can_be_imported() -> None:
    info = get_provider_info()
    for kind in ("operators", "sensors", "hooks", "triggers"):
        for entry in info[kind]:
            for module in entry["python-modules"]:
                import_module(module)
    for link in info["extra-links"]:
        module, _, name = link.rpartition(".")
        assert hasattr(import_module(module), name)


def test_what_the_configuration_shows_as_default_is_what_the_pages_read() -> None:
    options = get_provider_info()["config"][SECTION]["options"]  # data only, so it cannot take it from the code
    assert options["page_connections"]["default"] == PAGE_CONNECTIONS


def test_the_registry_of_providers_is_told_what_there_is() -> None:
    import yaml

    told = yaml.safe_load((Path(__file__).parents[2] / ".airflow-registry.yaml").read_text())
    info = get_provider_info()
    described = (told["package-name"], told["display-name"], told["description"])
    assert described == (info["package-name"], info["name"], info["description"])
    listed = set()
    for entry in (*told["operators"], *told["other"]):
        module, _, name = entry["module"].rpartition(".")
        listed.add(getattr(import_module(module), name))
    assert set(operators()) <= listed


def operators() -> list[type]:
    from airflow.sdk import BaseOperator

    found = {getattr(airflow_hpt, name) for name in airflow_hpt.__all__}
    return sorted((each for each in found if inspect.isclass(each) and issubclass(each, BaseOperator)), key=repr)


@pytest.mark.parametrize("operator", operators())
def test_template_fields_are_assigned_as_they_are_given(operator: type) -> None:
    """They are rendered after the constructor has run, so it must not look at them."""
    assigned: dict[str, list[str]] = {}
    for kind in operator.__mro__:
        if kind.__module__.startswith("airflow_hpt"):
            for name, value in assignments(kind):
                assigned.setdefault(name, []).append(value)
    for field in operator.template_fields:
        assert assigned.get(field) == [field]


def assignments(kind: type) -> list[tuple[str, str]]:
    """Return what the constructor of a class assigns to members of the instance."""
    tree = ast.parse(inspect.cleandoc(inspect.getsource(inspect.unwrap(kind.__init__))))
    return [
        (target.attr, ast.unparse(node.value))
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Attribute)
    ]


@pytest.mark.parametrize("operator", operators())
def test_every_argument_is_documented(operator: Any) -> None:
    documented = " ".join(kind.__doc__ or "" for kind in operator.__mro__ if kind.__module__.startswith("airflow_hpt"))
    own = [
        name
        for kind in operator.__mro__
        if kind.__module__.startswith("airflow_hpt")
        for name, parameter in inspect.signature(kind.__init__).parameters.items()
        if name != "self" and parameter.kind is parameter.KEYWORD_ONLY
    ]
    assert [name for name in own if f":param {name}:" not in documented] == []
