"""The few places where Airflow 3.1, 3.2 and 3.3 differ."""


def defers_by_default() -> bool:
    """Return Airflow's `[operators] default_deferrable`."""
    try:
        from airflow.sdk.configuration import conf
    except ImportError:  # before Airflow 3.2
        from airflow.configuration import conf
    return bool(conf.getboolean("operators", "default_deferrable", fallback=False))
