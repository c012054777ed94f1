"""What a training container finds around it: the configuration files of /opt/ml and the environment variables.

One host is all there is: a request for several instances runs on one.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_hpt.local.runner.endings import MARK
from airflow_hpt.local.runner.hyperparameters import arguments, decode, setting, users_own

HOST = "algo-1"
GROUP = "homogeneousCluster"
NETWORK_INTERFACE = "lo"
INFO = 20

# What of the service's own environment reaches training code: nothing else does, above all no credentials.
INHERITED = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "CONDA_PREFIX"),
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    }
)
INHERITED_PREFIXES = ("LC_", "CUDA_", "NVIDIA_", "OMP_", "MKL_", "OPENBLAS_", "NUMEXPR_")


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders below `base`, which stands for /opt/ml."""

    base: Path

    @property
    def config(self) -> Path:
        """Return the folder of the three configuration files."""
        return self.base / "input" / "config"

    @property
    def code(self) -> Path:
        """Return the folder of the user's script."""
        return self.base / "code"

    @property
    def model(self) -> Path:
        """Return the folder that becomes the model artifact."""
        return self.base / "model"

    @property
    def output_data(self) -> Path:
        """Return the folder that becomes the output artifact."""
        return self.base / "output" / "data"

    @property
    def failure(self) -> Path:
        """Return the file in which training code explains its failure."""
        return self.base / "output" / "failure"

    def channel(self, name: str) -> Path:
        """Return the folder of an input channel."""
        return self.base / "input" / "data" / name

    def make(self) -> None:
        """Make every folder that a container finds."""
        intermediate = self.base / "output" / "intermediate"
        for folder in (self.config, self.code, self.model, self.output_data, intermediate, self.channel("")):
            folder.mkdir(parents=True, exist_ok=True)


def write_configuration(layout: Layout, launch: Mapping[str, Any]) -> None:
    """Write hyperparameters.json, resourceconfig.json and inputdataconfig.json."""
    files = {
        "hyperparameters": launch["hyperparameters"],
        "resourceconfig": resources(launch["definition"]),
        "inputdataconfig": inputs(launch["definition"]),
    }
    for name, content in files.items():
        (layout.config / f"{name}.json").write_text(json.dumps(content, indent=2))


def resources(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of resourceconfig.json."""
    asked = definition.get("ResourceConfig") or definition.get("HyperParameterTuningResourceConfig") or {}
    several = asked.get("InstanceConfigs") or asked.get("InstanceGroups") or [{}]
    instance_type = asked.get("InstanceType") or several[0].get("InstanceType") or "local"
    group = {"instance_group_name": GROUP, "instance_type": instance_type, "hosts": [HOST]}
    return {
        "current_host": HOST,
        "current_instance_type": instance_type,
        "current_group_name": GROUP,
        "hosts": [HOST],
        "instance_groups": [group],
        "network_interface_name": NETWORK_INTERFACE,
    }


def input_mode(channel: Mapping[str, Any], definition: Mapping[str, Any]) -> str:
    """Return the input mode of a channel: its own, or the one of the algorithm."""
    return str(channel.get("InputMode") or definition["AlgorithmSpecification"].get("TrainingInputMode", "File"))


def inputs(definition: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the content of inputdataconfig.json."""
    return {channel["ChannelName"]: _input(channel, definition) for channel in definition.get("InputDataConfig") or ()}


def _input(channel: Mapping[str, Any], definition: Mapping[str, Any]) -> dict[str, str]:
    source = channel["DataSource"].get("S3DataSource", {})
    content_type = {"ContentType": channel["ContentType"]} if channel.get("ContentType") else {}
    return content_type | {
        "TrainingInputMode": input_mode(channel, definition),
        "S3DistributionType": source.get("S3DataDistributionType") or "FullyReplicated",
        "RecordWrapperType": channel.get("RecordWrapperType") or "None",
    }


def environment(layout: Layout, launch: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment variables of the training command."""
    inherited = {name: value for name, value in os.environ.items() if _is_inherited(name)}
    threads = {} if "OMP_NUM_THREADS" in inherited else {"OMP_NUM_THREADS": str(launch["cpus"])}
    endpoint = launch["objects"].get("endpoint_url")
    storage = {"S3_ENDPOINT_URL": endpoint, "AWS_ENDPOINT_URL_S3": endpoint} if endpoint else {}
    asked = {**storage, **launch["environment"], **(launch["definition"].get("Environment") or {})}
    platform = {
        "PYTHONUNBUFFERED": "1",
        "AWS_REGION": launch["region"],
        "AWS_DEFAULT_REGION": launch["region"],
        "TRAINING_JOB_NAME": launch["name"],
        "TRAINING_JOB_ARN": launch["arn"],
        MARK: str(layout.base),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(layout.code), asked.get("PYTHONPATH", "")))),
    }
    return inherited | threads | asked | toolkit_variables(layout, launch) | platform


def _is_inherited(name: str) -> bool:
    return name in INHERITED or name.startswith(INHERITED_PREFIXES) or name.lower().endswith("_proxy")


def toolkit_variables(layout: Layout, launch: Mapping[str, Any]) -> dict[str, str]:
    """Return the SM_ variables that the training toolkit makes for a script."""
    wire: Mapping[str, str] = launch["hyperparameters"]
    own = users_own(wire)
    facts = _facts(layout, launch)
    channels = {name: str(layout.channel(name)) for name in sorted(inputs(launch["definition"]))}
    values = {
        **facts,
        "channels": list(channels),
        "hps": own,
        "user_args": arguments(own),
        "framework_params": {name: decode(text)[0] for name, text in wire.items() if name.startswith("sagemaker_")},
        "instance_groups": [GROUP],
        "distribution_instance_groups": [],
        "training_env": facts | {"channel_input_dirs": channels, "hyperparameters": own, "is_master": True},
        **{f"channel_{name}": path for name, path in channels.items()},
        **{f"hp_{name}": value for name, value in own.items()},
    }
    made = {f"SM_{name}".upper(): _variable(value) for name, value in values.items()}
    return {name: value for name, value in made.items() if "=" not in name}  # no environment can carry it


def _facts(layout: Layout, launch: Mapping[str, Any]) -> dict[str, Any]:
    wire = launch["hyperparameters"]
    cluster = resources(launch["definition"])
    program = setting(wire, "sagemaker_program") or ""
    return {
        "model_dir": str(layout.model),
        "output_dir": str(layout.base / "output"),
        "output_data_dir": str(layout.output_data),
        "output_intermediate_dir": str(layout.base / "output" / "intermediate"),
        "input_dir": str(layout.base / "input"),
        "input_config_dir": str(layout.config),
        "hosts": cluster["hosts"],
        "current_host": HOST,
        "current_instance_type": cluster["current_instance_type"],
        "current_instance_group": GROUP,
        "current_instance_group_hosts": [HOST],
        "instance_groups_dict": {GROUP: cluster["instance_groups"][0]},
        "is_hetero": False,
        "network_interface_name": NETWORK_INTERFACE,
        "num_cpus": launch["cpus"],
        "num_gpus": len(list(Path("/dev").glob("nvidia[0-9]*"))),
        "num_neurons": 0,
        "module_name": program.removesuffix(".py"),
        "module_dir": setting(wire, "sagemaker_submit_directory") or str(layout.code),
        "user_entry_point": program,
        "framework_module": None,
        "resource_config": cluster,
        "input_data_config": inputs(launch["definition"]),
        "log_level": _log_level(wire),
        "job_name": launch["name"],
    }


def _log_level(wire: Mapping[str, str]) -> int:
    level = setting(wire, "sagemaker_container_log_level") or ""
    return int(level) if level.isdecimal() else INFO


def _variable(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
