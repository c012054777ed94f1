"""What a script finds around it, and what becomes of its output: the contract of a training container."""

import json
import os
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_hpt.local.runner.artifacts import model_artifact
from airflow_hpt.local.runner.base import Ending, Launch, Sighting
from airflow_hpt.local.runner.container import Layout, toolkit_variables
from airflow_hpt.local.runner.hyperparameters import arguments, decode, users_own
from airflow_hpt.local.runner.objects import FolderObjects, S3Objects
from airflow_hpt.local.runner.processes import ProcessRunner
from airflow_hpt.local.runner.requirements import interpreter
from tests.contracts.runner import await_condition, await_ending, await_line, read_whole_log
from tests.contracts.runner_launches import make_channel, make_definition, make_launch_of

REPORT = """
import json, os, sys
from pathlib import Path
base = Path(os.environ["SAGEMAKER_BASE_DIR"])
print(json.dumps({
    "arguments": sys.argv[1:],
    "environment": dict(os.environ),
    "config": {path.stem: json.loads(path.read_text()) for path in (base / "input" / "config").iterdir()},
    "data": {
        str(path.relative_to(base / "input/data")): path.read_text()
        for path in (base / "input/data").rglob("*")
        if path.is_file()
    },
    "folder": os.getcwd(),
}))
"""


@pytest.fixture
def s3(tmp_path: Path) -> Path:
    (tmp_path / "s3" / "bucket").mkdir(parents=True)
    return tmp_path / "s3" / "bucket"


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    return tmp_path / "code"


@pytest.fixture
def runner(tmp_path: Path, s3: Path) -> ProcessRunner:
    return ProcessRunner(tmp_path / "jobs", FolderObjects(s3.parent), environment={"GIVEN": "yes"}, grace_seconds=1)


def run(runner: ProcessRunner, launch: Launch) -> Sighting:
    runner.start(launch)
    return await_ending(runner, launch.name)


def complete(runner: ProcessRunner, launch: Launch) -> list[str]:
    sighting = run(runner, launch)
    assert (sighting.ending, sighting.failure_reason) == (Ending.COMPLETED, None), read_whole_log(runner, launch.name)
    return read_whole_log(runner, launch.name)


def report(runner: ProcessRunner, code: Path, **changes: Any) -> dict[str, Any]:
    (code / "train.py").write_text(REPORT)
    found: dict[str, Any] = json.loads(complete(runner, make_launch_of(code, **changes))[-1])
    return found


# Hyperparameters


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("64", 64),
        ('"64"', "64"),
        ("1e-05", 1e-05),
        ("adam", "adam"),
        ('"adam"', "adam"),
        ("true", True),
        ("True", "True"),
        ("null", None),
        ("[1, 2]", [1, 2]),
        ("", ""),
        ("[" * 2500, "[" * 2500),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_each_value_is_decoded_on_its_own(text: str, value: Any) -> None:
    assert decode(text)[0] == value


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_a_value_that_was_encoded_is_decoded_to_itself(value: Any) -> None:
    assert decode(json.dumps(value)) == (value, True)


def test_the_toolkits_own_hyperparameters_are_not_the_users() -> None:
    wire = {"sagemaker_program": '"t.py"', "sagemaker_anything": "1", "_tuning_objective_metric": "m", "lr": "0.1"}
    wire |= {"default_user_module_name": "x", "_mine": "1"}
    assert users_own(wire) == {"lr": 0.1, "_mine": 1}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, []),
        ({"b": 1, "alpha": "x"}, ["--alpha", "x", "-b", "1"]),
        ({"flag": True, "nothing": None}, ["--flag", "True", "--nothing", ""]),
        ({"map": {"b": 1, "a": "x"}, "list": [1, "a"]}, ["--list", "[1, 'a']", "--map", "a=x,b=1"]),
        ({"learning-rate": 1e-05, "Z": "ü $HOME 'q'"}, ["-Z", "ü $HOME 'q'", "--learning-rate", "1e-05"]),
    ],
)
def test_arguments_are_sorted_pairs_of_name_and_value(values: Mapping[str, Any], expected: list[str]) -> None:
    assert arguments(values) == expected


# What the script sees


def test_a_script_finds_the_whole_contract(
    runner: ProcessRunner, code: Path, s3: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the service's own")
    monkeypatch.setenv("AIRFLOW_CONN_X", "secret")
    monkeypatch.setenv("DATABASE_PASSWORD", "secret")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    (s3 / "train").mkdir()
    (s3 / "train" / "rows.csv").write_text("1,2")
    wire = {"lr": "0.1", "opt": "adam", "n-est": "3", "_tuning_objective_metric": "score"}
    seen = report(
        runner,
        code,
        hyperparameters=wire,
        InputDataConfig=[make_channel("my-train", "s3://bucket/train", ContentType="text/csv")],
        Environment={"ASKED": "ünï", "LANG": "C"},
    )
    own = {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": json.dumps(str(code))}
    base = Path(seen["environment"]["SAGEMAKER_BASE_DIR"])
    assert seen["arguments"] == ["--lr", "0.1", "--n-est", "3", "--opt", "adam"]
    assert seen["config"]["hyperparameters"] == own | wire
    assert seen["config"]["inputdataconfig"] == {
        "my-train": {
            "ContentType": "text/csv",
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
        }
    }
    group = {"instance_group_name": "homogeneousCluster", "instance_type": "ml.m5.large", "hosts": ["algo-1"]}
    assert seen["config"]["resourceconfig"] == {
        "current_host": "algo-1",
        "current_instance_type": "ml.m5.large",
        "current_group_name": "homogeneousCluster",
        "hosts": ["algo-1"],
        "instance_groups": [group],
        "network_interface_name": "lo",
    }
    assert seen["data"] == {"my-train/rows.csv": "1,2"}
    assert Path(seen["folder"]) == base / "code"
    environment = seen["environment"]
    expected = {
        "GIVEN": "yes",
        "ASKED": "ünï",
        "LANG": "C",
        "TRAINING_JOB_NAME": "job",
        "TRAINING_JOB_ARN": "arn:aws:sagemaker:us-east-1:000000000000:training-job/job",
        "AWS_REGION": "us-east-1",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": str(os.cpu_count()),
        "SM_CHANNEL_MY-TRAIN": str(base / "input/data/my-train"),
        "SM_HP_LR": "0.1",
        "SM_HP_OPT": "adam",
        "SM_HP_N-EST": "3",
        "SM_MODEL_DIR": str(base / "model"),
    }
    assert expected.items() <= environment.items()
    assert "secret" not in environment.values()
    assert "AWS_SECRET_ACCESS_KEY" not in environment


def variables(tmp_path: Path, wire: Mapping[str, str], **definition: Any) -> dict[str, str]:
    launch = make_launch_of(tmp_path / "code", hyperparameters=wire, **definition)
    facts = {"name": launch.name, "hyperparameters": launch.hyperparameters, "definition": launch.definition, "cpus": 4}
    return toolkit_variables(Layout(tmp_path / "ml"), facts)


def test_every_variable_of_the_toolkit_is_made(tmp_path: Path) -> None:
    found = variables(
        tmp_path,
        {"lr": "0.1", "opt": '"adam"'},
        InputDataConfig=[make_channel("b", "s3://b/b"), make_channel("a", "s3://b/a", InputMode="FastFile")],
    )
    base = tmp_path / "ml"
    host = '["algo-1"]'
    group = '{"hosts":["algo-1"],"instance_group_name":"homogeneousCluster","instance_type":"ml.m5.large"}'
    expected = {
        "SM_HPS": '{"lr":0.1,"opt":"adam"}',
        "SM_HP_LR": "0.1",
        "SM_HP_OPT": "adam",
        "SM_CHANNELS": '["a","b"]',
        "SM_CHANNEL_A": f"{base}/input/data/a",
        "SM_CHANNEL_B": f"{base}/input/data/b",
        "SM_MODEL_DIR": f"{base}/model",
        "SM_OUTPUT_DIR": f"{base}/output",
        "SM_OUTPUT_DATA_DIR": f"{base}/output/data",
        "SM_OUTPUT_INTERMEDIATE_DIR": f"{base}/output/intermediate",
        "SM_INPUT_DIR": f"{base}/input",
        "SM_INPUT_CONFIG_DIR": f"{base}/input/config",
        "SM_HOSTS": host,
        "SM_CURRENT_HOST": "algo-1",
        "SM_CURRENT_INSTANCE_TYPE": "ml.m5.large",
        "SM_CURRENT_INSTANCE_GROUP": "homogeneousCluster",
        "SM_CURRENT_INSTANCE_GROUP_HOSTS": host,
        "SM_INSTANCE_GROUPS": '["homogeneousCluster"]',
        "SM_INSTANCE_GROUPS_DICT": f'{{"homogeneousCluster":{group}}}',
        "SM_DISTRIBUTION_INSTANCE_GROUPS": "[]",
        "SM_IS_HETERO": "false",
        "SM_NETWORK_INTERFACE_NAME": "lo",
        "SM_NUM_CPUS": "4",
        "SM_NUM_NEURONS": "0",
        "SM_MODULE_NAME": "train",
        "SM_MODULE_DIR": str(tmp_path / "code"),
        "SM_USER_ENTRY_POINT": "train.py",
        "SM_USER_ARGS": '["--lr","0.1","--opt","adam"]',
        "SM_FRAMEWORK_MODULE": "",
        "SM_LOG_LEVEL": "20",
    }
    assert expected.items() <= found.items()
    structured = ("SM_NUM_GPUS", "SM_FRAMEWORK_PARAMS", "SM_RESOURCE_CONFIG", "SM_INPUT_DATA_CONFIG", "SM_TRAINING_ENV")
    assert all(json.loads(found[name]) is not None for name in structured)
    assert json.loads(found["SM_TRAINING_ENV"])["hyperparameters"] == {"lr": 0.1, "opt": "adam"}
    assert json.loads(found["SM_INPUT_DATA_CONFIG"])["a"]["TrainingInputMode"] == "FastFile"


@pytest.mark.parametrize(
    ("definition", "instance_type"),
    [
        (
            {"ResourceConfig": None, "HyperParameterTuningResourceConfig": {"InstanceType": "ml.c5.large"}},
            "ml.c5.large",
        ),
        (
            {
                "ResourceConfig": None,
                "HyperParameterTuningResourceConfig": {"InstanceConfigs": [{"InstanceType": "ml.p3.2xlarge"}]},
            },
            "ml.p3.2xlarge",
        ),
        ({"ResourceConfig": {}}, "local"),
    ],
)
def test_the_instance_type_is_told_wherever_it_was_asked(
    tmp_path: Path, definition: dict[str, Any], instance_type: str
) -> None:
    assert variables(tmp_path, {}, **definition)["SM_CURRENT_INSTANCE_TYPE"] == instance_type


def test_names_that_no_environment_can_carry_are_left_out_of_it(tmp_path: Path) -> None:
    found = variables(tmp_path, {"a=b": "1", "c": "2"})
    assert [name for name in found if name.startswith("SM_HP_")] == ["SM_HP_C"]
    assert found["SM_HPS"] == '{"a=b":1,"c":2}'


def test_half_a_character_is_a_client_error(runner: ProcessRunner, code: Path) -> None:
    (code / "train.py").touch()
    sighting = run(runner, make_launch_of(code, hyperparameters={"raw": "\ud800"}))
    assert sighting.ending is Ending.FAILED
    assert "'raw' has a character that a command line cannot carry" in str(sighting.failure_reason)


def test_values_that_are_no_json_are_told_in_the_log(runner: ProcessRunner, code: Path) -> None:
    (code / "train.py").write_text("pass")
    lines = complete(runner, make_launch_of(code, hyperparameters={"opt": "adam", "n": "1"}))
    assert lines == ["Failed to parse hyperparameter opt value adam to Json. Returning the value itself"]


# Where the code comes from and how it is called


def pack(folder: Path, archive: Path) -> None:
    with tarfile.open(archive, "w:gz") as packed:
        for entry in folder.iterdir():
            packed.add(entry, entry.name)


@pytest.mark.parametrize("kind", ["s3 archive", "s3 folder", "s3 folder/", "local archive", "file: folder", "folder"])
def test_code_comes_from_archives_and_folders(runner: ProcessRunner, code: Path, s3: Path, kind: str) -> None:
    (code / "sub").mkdir()
    (code / "sub" / "helper.py").write_text("TEXT = 'helped'")
    (code / "train.py").write_text("from sub.helper import TEXT; print(TEXT)")
    (s3 / "src").symlink_to(code)
    pack(code, s3 / "source.tar.gz")
    directory = {
        "s3 archive": "s3://bucket/source.tar.gz",
        "s3 folder": "s3://bucket/src",
        "s3 folder/": "s3://bucket/src/",
        "local archive": str(s3 / "source.tar.gz"),
        "file: folder": f"file://{code}",
        "folder": str(code),
    }[kind]
    launch = make_launch_of(code, hyperparameters={"sagemaker_submit_directory": json.dumps(directory)})
    assert complete(runner, launch) == ["helped"]


def test_an_archive_cannot_write_outside_its_folder(runner: ProcessRunner, code: Path, s3: Path) -> None:
    with tarfile.open(s3 / "evil.tar.gz", "w:gz") as packed:
        packed.add(Path(__file__), "../../evil.py")
    wire = {"sagemaker_submit_directory": "s3://bucket/evil.tar.gz"}
    sighting = run(runner, make_launch_of(code, hyperparameters=wire))
    assert sighting.ending is Ending.FAILED
    assert "outside the destination" in str(sighting.failure_reason)


BACKEND = """
import zipfile
def build_wheel(folder, *_):
    with zipfile.ZipFile(folder + "/mine-1-py3-none-any.whl", "w") as wheel:
        for path in ("mine/__init__.py", "mine/train.py"):
            wheel.write(path)
        wheel.writestr("mine-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: mine\\nVersion: 1\\n")
        wheel.writestr("mine-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("mine-1.dist-info/RECORD", "")
    return "mine-1-py3-none-any.whl"
"""


def test_a_package_is_installed_and_runs_as_a_module(runner: ProcessRunner, code: Path) -> None:
    (code / "setup.py").touch()
    (code / "pyproject.toml").write_text(  # builds without anything from the network
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (code / "backend.py").write_text(BACKEND)
    (code / "mine").mkdir()
    (code / "mine" / "__init__.py").touch()
    script = "import sys, importlib.metadata as m; print(__name__, m.version('mine'), sys.argv[1:])"
    (code / "mine" / "train.py").write_text(script)
    lines = complete(runner, make_launch_of(code, program="mine.train", hyperparameters={"a": "1"}))
    assert lines[-1] == "__main__ 1 ['-a', '1']"


def test_other_programs_run_through_the_shell(runner: ProcessRunner, code: Path) -> None:
    (code / "train.sh").write_text('#!/bin/sh\necho "$1=$2"; echo "$SM_HP_NAME"; command -v python')
    lines = complete(runner, make_launch_of(code, program="train.sh", hyperparameters={"name": "\"a 'b' $HOME\""}))
    assert lines == ["--name=a 'b' $HOME", "a 'b' $HOME", str(Path(sys.executable).with_name("python"))]


# What scripts ask to be installed


def make_wheel(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}-1-py3-none-any.whl"
    facts = f"{name}-1.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", text)
        wheel.writestr(f"{facts}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        wheel.writestr(
            f"{facts}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{facts}/RECORD", "")
    return path


def test_requirements_are_installed_once_and_found(runner: ProcessRunner, code: Path, tmp_path: Path) -> None:
    wheel = make_wheel(code, "zz_made_up", "WHO = 'installed'")
    (code / "requirements.txt").write_text(f"--no-index\n./{wheel.name}\nnumpy\n")  # numpy is there already
    (code / "train.py").write_text("import numpy, zz_made_up; print(zz_made_up.WHO, zz_made_up.__file__)")
    first = complete(runner, make_launch_of(code, name="first"))
    second = complete(runner, make_launch_of(code, name="second"))
    assert first[-1].startswith("installed ")
    assert str(tmp_path / "jobs" / ".requirements") in first[-1]
    assert any("zz" in line for line in first[:-1])  # the installer's own words
    assert second == first[-1:]


@pytest.mark.parametrize(
    ("requirements", "is_new"),
    [("numpy", False), ("./wheel.whl", True), ("-r more.txt", True), ("x @ file:x.zip", True)],
)
def test_what_requirements_point_to_counts(code: Path, tmp_path: Path, requirements: str, is_new: bool) -> None:
    installed: list[str] = []

    def home() -> str:
        return interpreter(
            code, python=sys.executable, cache=tmp_path / "cache", run=lambda command: installed.append(command[-1])
        )

    (code / "requirements.txt").write_text(requirements)
    before = home()
    (code / "more.txt").write_text("changed")
    assert (home() != before) == is_new
    assert len(installed) == 1 + is_new


def test_requirements_that_cannot_be_installed_fail_clearly(runner: ProcessRunner, code: Path) -> None:
    (code / "requirements.txt").write_text("--no-index\nzz-no-such-package==9\n")
    (code / "train.py").write_text("print('ran')")
    sighting = run(runner, make_launch_of(code))
    assert sighting.ending is Ending.FAILED
    reason = str(sighting.failure_reason)
    assert reason.startswith("AlgorithmError: InstallRequirementsError:\nExitCode 1\nErrorMessage ")
    assert "zz-no-such-package==9" in reason
    assert "ran" not in read_whole_log(runner, "job")


# Input


MANIFEST = '[{"prefix": "s3://bucket/data/"}, "train/a", "other/b"]'


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        (make_channel("c", "s3://bucket/data/train"), {"c/a": "a", "c/deep/x": "x"}),
        (make_channel("c", "s3://bucket/data/train/a"), {"c/a": "a"}),
        (make_channel("c", "s3://bucket/data/train", InputMode="FastFile"), {"c/a": "a", "c/deep/x": "x"}),
        (make_channel("c", "s3://bucket/list", kind="ManifestFile"), {"c/train/a": "a", "c/other/b": "b"}),
    ],
)
def test_channels_are_brought(
    runner: ProcessRunner, code: Path, s3: Path, channel: dict[str, Any], expected: dict[str, str]
) -> None:
    for path, text in {"data/train/a": "a", "data/train/deep/x": "x", "data/other/b": "b", "list": MANIFEST}.items():
        (s3 / path).parent.mkdir(parents=True, exist_ok=True)
        (s3 / path).write_text(text)
    assert report(runner, code, InputDataConfig=[channel])["data"] == expected


def test_sharded_data_is_whole_on_one_host(runner: ProcessRunner, code: Path, s3: Path) -> None:
    for name in "abc":
        (s3 / name).write_text(name)
    channel = make_channel("c", "s3://bucket/")
    channel["DataSource"]["S3DataSource"]["S3DataDistributionType"] = "ShardedByS3Key"
    seen = report(runner, code, InputDataConfig=[channel])
    assert seen["data"] == {"c/a": "a", "c/b": "b", "c/c": "c"}
    assert seen["config"]["inputdataconfig"]["c"]["S3DistributionType"] == "ShardedByS3Key"


@pytest.mark.parametrize(
    ("manifest", "match"),
    [
        ("not json", "is not JSON"),
        ('["a"]', "is not a list such as"),
        ('[{"prefix": "s3://bucket/"}, "../x"]', "without '..'"),
        ('[{"prefix": "s3://bucket/"}, "none"]', "No objects are stored under s3://bucket/none"),
    ],
)
def test_a_manifest_that_is_none_fails_clearly(
    runner: ProcessRunner, code: Path, s3: Path, manifest: str, match: str
) -> None:
    (s3 / "list").write_text(manifest)
    (code / "train.py").touch()
    channel = make_channel("c", "s3://bucket/list", kind="ManifestFile")
    sighting = run(runner, make_launch_of(code, InputDataConfig=[channel]))
    assert sighting.ending is Ending.FAILED
    assert str(sighting.failure_reason).startswith("ClientError: ")
    assert match in str(sighting.failure_reason)


def test_input_that_vanished_since_the_request_fails_clearly(runner: ProcessRunner, code: Path) -> None:
    (code / "train.py").touch()
    sighting = run(runner, make_launch_of(code, InputDataConfig=[make_channel("c", "s3://bucket/gone")]))
    expected = "ClientError: No objects are stored under s3://bucket/gone."
    assert (sighting.ending, sighting.failure_reason) == (Ending.FAILED, expected)


# Output


SAVE = """
import os
for folder in (os.environ["SM_MODEL_DIR"], os.environ["SM_OUTPUT_DATA_DIR"]):
    os.mkdir(folder + "/sub")
    open(folder + "/sub/file ü", "w").write("content")
"""


@pytest.mark.parametrize("output", ["s3://bucket/out", "s3://bucket/out/"])
def test_model_and_output_are_packed(runner: ProcessRunner, code: Path, s3: Path, output: str) -> None:
    (code / "train.py").write_text(SAVE)
    launch = make_launch_of(code, OutputDataConfig={"S3OutputPath": output})
    complete(runner, launch)
    assert model_artifact(launch.definition, "job") == "s3://bucket/out/job/output/model.tar.gz"
    assert sorted(path.name for path in (s3 / "out/job/output").iterdir()) == ["model.tar.gz", "output.tar.gz"]
    for name in ("model.tar.gz", "output.tar.gz"):
        with tarfile.open(s3 / "out/job/output" / name) as packed:
            assert packed.getnames() == ["sub", "sub/file ü"]


def test_an_uncompressed_model_is_a_folder(runner: ProcessRunner, code: Path, s3: Path) -> None:
    (code / "train.py").write_text(SAVE)
    launch = make_launch_of(code, OutputDataConfig={"S3OutputPath": "s3://bucket/out", "CompressionType": "NONE"})
    complete(runner, launch)
    assert model_artifact(launch.definition, "job") == "s3://bucket/out/job/output/model/"
    assert (s3 / "out/job/output/model/sub/file ü").read_text() == "content"


def test_a_failed_script_leaves_its_output_but_no_model(runner: ProcessRunner, code: Path, s3: Path) -> None:
    (code / "train.py").write_text(SAVE + "raise SystemExit(1)")
    assert run(runner, make_launch_of(code)).ending is Ending.FAILED
    assert [path.name for path in (s3 / "out/job/output").iterdir()] == ["output.tar.gz"]


def test_a_script_that_saves_nothing_leaves_nothing(runner: ProcessRunner, code: Path, s3: Path) -> None:
    (code / "train.py").write_text("import os, shutil; shutil.rmtree(os.environ['SM_MODEL_DIR'])")
    complete(runner, make_launch_of(code))
    assert not (s3 / "out").exists()


# Checkpoints


WITH_CHECKPOINTS = """
import os, time
folder = os.environ["SAGEMAKER_BASE_DIR"] + "/{path}"
print(sorted(os.listdir(folder)), flush=True)
open(folder + "/new", "w").write("1")
print("saved", flush=True)
while not os.path.exists("go"): time.sleep(0.01)
os.remove(folder + "/old")
open(folder + "/last", "w").write("2")
"""


@pytest.mark.parametrize(
    ("local", "path"), [(None, "checkpoints"), ("/opt/ml/checkpoints/", "checkpoints"), ("/opt/ml/mine/x", "mine/x")]
)
def test_checkpoints_are_restored_and_kept_equal(
    runner: ProcessRunner, code: Path, s3: Path, tmp_path: Path, local: str | None, path: str
) -> None:
    (s3 / "points").mkdir()
    (s3 / "points" / "old").write_text("0")
    (code / "train.py").write_text(WITH_CHECKPOINTS.format(path=path))
    config = {"S3Uri": "s3://bucket/points"} | ({"LocalPath": local} if local else {})
    runner.start(make_launch_of(code, CheckpointConfig=config))
    await_line(runner, "job", "saved")
    await_condition((s3 / "points" / "new").exists)  # while the script still runs
    assert runner.sight("job").ending is None
    (tmp_path / "jobs" / "job" / "ml" / "code" / "go").touch()
    assert await_ending(runner, "job").ending is Ending.COMPLETED
    assert read_whole_log(runner, "job")[0] == "['old']"
    assert sorted(found.name for found in (s3 / "points").iterdir()) == ["last", "new"]


def test_a_python_of_the_users_own_runs_the_script(tmp_path: Path, s3: Path, code: Path) -> None:
    mine = tmp_path / "python"
    mine.write_text(f'#!/bin/sh\necho "my python"\nexec {sys.executable} "$@"\n')
    mine.chmod(0o755)
    (code / "train.py").write_text("print('ran')")
    runner = ProcessRunner(tmp_path / "jobs", FolderObjects(s3.parent), python=str(mine))
    assert complete(runner, make_launch_of(code)) == ["my python", "ran"]


def test_processors_are_shared_among_the_slots(tmp_path: Path, s3: Path, code: Path) -> None:
    runner = ProcessRunner(tmp_path / "jobs", FolderObjects(s3.parent), slots=64)
    seen = report(runner, code, Environment={"OMP_NUM_THREADS": "7"})
    assert (seen["environment"]["SM_NUM_CPUS"], seen["environment"]["OMP_NUM_THREADS"]) == ("1", "7")


def test_definitions_need_no_optional_member(runner: ProcessRunner, code: Path) -> None:
    (code / "train.py").touch()
    launch = make_launch_of(code)
    assert make_definition().keys() == launch.definition.keys()
    complete(runner, launch)


# The same with a real S3 store


@pytest.fixture
def s3_endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the service's own")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_a_training_job_lives_on_s3(s3_endpoint: str, tmp_path: Path, code: Path) -> None:
    objects = S3Objects(s3_endpoint)
    objects._client.create_bucket(Bucket="bucket")
    (code / "train.py").write_text(SAVE + REPORT)
    pack(code, tmp_path / "source.tar.gz")
    objects.put(tmp_path / "source.tar.gz", "s3://bucket/source.tar.gz")
    (tmp_path / "rows.csv").write_text("1,2")
    objects.put(tmp_path / "rows.csv", "s3://bucket/data/rows.csv")
    launch = make_launch_of(
        code,
        hyperparameters={"sagemaker_submit_directory": "s3://bucket/source.tar.gz"},
        InputDataConfig=[make_channel("train", "s3://bucket/data/")],
    )
    seen = json.loads(complete(ProcessRunner(tmp_path / "jobs", objects), launch)[-1])
    assert seen["data"] == {"train/rows.csv": "1,2"}
    assert seen["environment"]["S3_ENDPOINT_URL"] == s3_endpoint
    assert "AWS_SECRET_ACCESS_KEY" not in seen["environment"]
    assert objects.exists("s3://bucket/out/job/output/model.tar.gz")
    assert not (tmp_path / "jobs" / "job" / "ml" / "input" / "data").exists()  # copies are not kept
