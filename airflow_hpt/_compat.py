"""The few places where Airflow 3.1, 3.2 and 3.3 differ."""

SECTION = "airflow_hpt"


def defers_by_default() -> bool:
    """Return Airflow's `[operators] default_deferrable`."""
    return _flag("operators", "default_deferrable", default=False)


def shares_polls() -> bool:
    """Return this provider's `[airflow_hpt] shared_polling`; Airflow before 3.3 never asks."""
    return _flag(SECTION, "shared_polling", default=True)


def _flag(section: str, option: str, *, default: bool) -> bool:
    try:
        from airflow.sdk.configuration import conf
    except ImportError:  # before Airflow 3.2
        from airflow.configuration import conf
    return bool(conf.getboolean(section, option, fallback=default))
