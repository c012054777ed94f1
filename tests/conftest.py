"""Settings for all tests, and the fixtures that users of the package get, too."""

from hypothesis import settings

pytest_plugins = ["airflow_hpt.testing"]

collect_ignore_glob = ["*/training/*", "*/dags/*"]  # what other processes run has no doctests

settings.register_profile("no-deadline", deadline=None)  # a slow machine is not a fault
settings.load_profile("no-deadline")
