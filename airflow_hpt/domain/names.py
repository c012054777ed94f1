"""Names and ARNs of tuning jobs and training jobs; no other module builds or parses them."""

import hashlib
import re

NAME_LIMIT = 32
DIGEST_LENGTH = 8
TUNING_JOB_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,31}")
ACCOUNT = "000000000000"


def tuning_job_name(prefix: str, *identity: str | int) -> str:
    """Return a tuning job name that is a pure function of its arguments.

    The name is `prefix`, cut and cleaned to fit SageMaker's pattern, and a digest of `prefix` and `identity`, together
    at most 32 characters.

    >>> tuning_job_name("digits", "retrain", "scheduled__2026-11-01", "tune", -1, 0)
    'digits-6d6ce00f'
    """
    digest = hashlib.sha256("\x1f".join(map(str, (prefix, *identity))).encode()).hexdigest()[:DIGEST_LENGTH]
    clean = re.sub(r"[^a-zA-Z0-9]+", "-", prefix)[: NAME_LIMIT - DIGEST_LENGTH - 1].strip("-") or "tune"
    return f"{clean}-{digest}"


def training_job_name(tuning_job: str, index: int, seed: int) -> str:
    """Return the name of training job number `index` (from 1) as SageMaker forms it: `<tuning job>-001-<8 hex>`.

    `seed` makes the last part differ between tuning jobs that re-use a name.
    """
    digest = hashlib.sha256(f"{tuning_job}\x1f{index}\x1f{seed}".encode()).hexdigest()[:8]
    return f"{tuning_job}-{index:03d}-{digest}"


def tuning_job_arn(name: str, region: str) -> str:
    """Return the ARN of the tuning job `name` of the local account."""
    return f"arn:aws:sagemaker:{region}:{ACCOUNT}:hyper-parameter-tuning-job/{name}"


def training_job_arn(name: str, region: str) -> str:
    """Return the ARN of the training job `name` of the local account."""
    return f"arn:aws:sagemaker:{region}:{ACCOUNT}:training-job/{name}"


def name_of(arn: str) -> str:
    """Return the job name that an ARN ends in."""
    return arn.rpartition("/")[2]
