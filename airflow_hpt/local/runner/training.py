"""One training job's content: its inputs, its command and its outputs, without regard to time and signals."""

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow_hpt.errors import ObjectUnavailable
from airflow_hpt.local.runner import artifacts, channels, requirements, source
from airflow_hpt.local.runner.checkpoints import Checkpoints
from airflow_hpt.local.runner.container import Layout, environment, write_configuration
from airflow_hpt.local.runner.failures import client_error
from airflow_hpt.local.runner.hyperparameters import arguments, decode, users_own
from airflow_hpt.local.runner.objects import objects_from


class Training:
    """What a training job reads, runs and leaves."""

    def __init__(self, launch: Mapping[str, Any], layout: Layout) -> None:
        self._launch = launch
        self._definition: Mapping[str, Any] = launch["definition"]
        self._objects = objects_from(launch["objects"])
        self._layout = layout
        self._python: str = launch["python"]
        config = self._definition.get("CheckpointConfig")
        self.checkpoints = Checkpoints(config, self._objects, layout=layout) if config else None

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of the training command; its interpreter is also the one that a shell script finds."""
        variables = environment(self._layout, self._launch)
        search_path = (str(Path(self._python).parent), variables.get("PATH", os.defpath))
        return variables | {"PATH": os.pathsep.join(search_path)}

    @property
    def installing(self) -> dict[str, str]:
        """Return the environment of an installer: its own settings too, and none of the user's modules."""
        settings = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_"))}
        return {name: value for name, value in self.environment.items() if name != "PYTHONPATH"} | settings

    def bring_inputs(self) -> None:
        """Fill the folder that stands for /opt/ml, from nothing."""
        shutil.rmtree(self._layout.base, ignore_errors=True)
        self._layout.make()
        write_configuration(self._layout, self._launch)
        try:
            for channel in self._definition.get("InputDataConfig") or ():
                channels.bring(channel, self._objects, into=self._layout.channel(channel["ChannelName"]))
            if self.checkpoints:
                self.checkpoints.restore()
        except ObjectUnavailable as fault:
            raise client_error(fault) from fault

    def command(self, run: Callable[[Sequence[str]], None], say: Callable[[str], None]) -> list[str]:
        """Return the command that trains; `run` runs what has to be installed for it, `say` writes to the log."""
        if self._launch["module"]:
            return [sys.executable, "-P", "-m", self._launch["module"]]
        wire = self._launch["hyperparameters"]
        code = self._layout.code
        source.unpack_code(wire, self._objects, into=code)
        cache = Path(self._launch["cache"])
        self._python = requirements.interpreter(code, python=self._python, cache=cache, run=run)
        for name, text in wire.items():
            if not decode(text)[1]:
                say(f"Failed to parse hyperparameter {name} value {text} to Json. Returning the value itself")
        return source.command_line(code, source.program_of(wire) or "", arguments(users_own(wire)), python=self._python)

    @property
    def folder(self) -> Path:
        """Return the folder that the training command runs in."""
        return self._layout.code

    def store_outputs(self, *, has_failed: bool) -> None:
        """Store the output and, unless it failed, the model; what is stored, or was brought, is removed here."""
        name = self._launch["name"]
        try:
            artifacts.upload(self._layout.output_data, artifacts.output_artifact(self._definition, name), self._objects)
            if not has_failed:
                artifacts.upload(self._layout.model, artifacts.model_artifact(self._definition, name), self._objects)
                shutil.rmtree(self._layout.model, ignore_errors=True)
            if self.checkpoints:
                self.checkpoints.sync()
        except (ObjectUnavailable, OSError) as fault:
            raise client_error(f"The output could not be stored: {fault}") from fault
        finally:
            shutil.rmtree(self._layout.channel(""), ignore_errors=True)
