"""Fixtures for all tests: those that users of the package get, too."""

pytest_plugins = ["airflow_hpt.testing"]
