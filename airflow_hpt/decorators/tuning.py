"""`@task.tuning_job`: a function that returns a request becomes a task that runs it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.bases.decorator import DecoratedOperator, TaskDecorator, task_decorator_factory
from airflow.sdk.definitions.context import context_merge

from airflow_hpt._compat import called_with
from airflow_hpt.operators.tuning import TuningJobOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class _TuningJobDecoratedOperator(DecoratedOperator, TuningJobOperator):
    """Calls a function for the request, when the task runs, and runs the tuning job."""

    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, *TuningJobOperator.template_fields)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **TuningJobOperator.template_fields_renderers,
    }
    custom_operator_name = "@task.tuning_job"
    overwrite_rtif_after_execution = True  # the request is known, and shown, only then

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, config=None, **kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        """Ask the function for the request and run it."""
        context_merge(context, self.op_kwargs)
        arguments = called_with(self.python_callable, self.op_args, context)
        self.config = self.python_callable(*self.op_args, **arguments)
        self.render_template_fields(context)  # the request may hold templates
        return TuningJobOperator.execute(self, context)


def tuning_job_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Turn a function that returns a CreateHyperParameterTuningJob request into a task that runs the tuning job.

    Takes the arguments of `TuningJobOperator` but `config`.
    """
    return task_decorator_factory(
        python_callable=python_callable,
        decorated_operator_class=_TuningJobDecoratedOperator,
        **kwargs,
    )
