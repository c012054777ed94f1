"""What Airflow's provider discovery reads: data only, and the one entry point that every Airflow process loads."""

from typing import Any

INTEGRATION = "Hyperparameter tuning"


def get_provider_info() -> dict[str, Any]:
    """Describe this provider; were `package-name` not the distribution's name, no provider would be found at all."""
    return {
        "package-name": "airflow-hpt",
        "name": "Hyperparameter tuning (SageMaker or local)",
        "description": "Tuning jobs with warm start, on Amazon SageMaker or on a local service with the same API.",
        "integrations": [
            {
                "integration-name": INTEGRATION,
                "external-doc-url": "https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning.html",
                "tags": ["service"],
            }
        ],
        "operators": [
            _modules("airflow_hpt.operators.tuning", "airflow_hpt.operators.warm_start", "airflow_hpt.operators.stop")
        ],
        "sensors": [_modules("airflow_hpt.sensors.tuning", "airflow_hpt.sensors.data")],
        "hooks": [_modules("airflow_hpt.hooks.tuning", "airflow_hpt.hooks.data")],
        "triggers": [_modules("airflow_hpt.triggers.tuning", "airflow_hpt.triggers.data")],
        "task-decorators": [
            {"name": "tuning_job", "class-name": "airflow_hpt.decorators.tuning.tuning_job_task"},
        ],
        "asset-uris": [
            {
                "schemes": ["sagemaker-hpt"],
                "handler": "airflow_hpt.assets.normalized",
                "factory": "airflow_hpt.assets.tuning_asset",
                "to_openlineage_converter": "airflow_hpt.assets.openlineage_dataset",
            }
        ],
        "extra-links": ["airflow_hpt.links.TuningJobLink", "airflow_hpt.links.TuningPageLink"],
        "config": {
            "airflow_hpt": {
                "description": "Hyperparameter tuning jobs.",
                "options": {
                    "shared_polling": {
                        "description": "Follow all deferred tuning jobs on one connection by one listing per interval"
                        " instead of a call for each (Airflow 3.3 or later).",
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": None,
                        "default": "True",
                    },
                    "page_connections": {
                        "description": "Connections that the tuning pages read tuning jobs with, separated by commas;"
                        " `connection@region` for another region than the connection's own. Whoever may read a DAG sees"
                        " its tuning jobs with the rights of these connections.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "aws_default, aws_default@eu-west-1",
                        "default": "aws_default, hpt_local",
                    },
                },
            },
        },
    }


def _modules(*names: str) -> dict[str, Any]:
    return {"integration-name": INTEGRATION, "python-modules": list(names)}
