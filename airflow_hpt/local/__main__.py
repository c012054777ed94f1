"""`python -m airflow_hpt.local` is the command `airflow-hpt`."""

from airflow_hpt.local.cli import app

app()
