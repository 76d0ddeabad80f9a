"""TLS between driver, scheduler and workers."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from distributed import Security

from studies.errors import MachineError
from studies.sections.cluster import Cluster


def security_of(section: Cluster, directory: Path) -> Any:
    """Dask's security for the section's certificates; ``None`` where it has none.

    With it, every connection is encrypted and both ends show a certificate that the authority signed:
    ``require_encryption`` refuses all others.

    Args:
        section: the study file's ``[cluster]``.
        directory: where relative files start.

    Raises:
        MachineError: where a file is missing, or is no certificate or key.
    """
    if section.tls_ca is None or section.tls_cert is None or section.tls_key is None:
        return None
    ca, certificate, key = (
        str(_file(directory / name, f"cluster.{what}"))
        for name, what in (
            (section.tls_ca, "tls_ca"),
            (section.tls_cert, "tls_cert"),
            (section.tls_key, "tls_key"),
        )
    )
    security = Security(
        require_encryption=True,
        tls_ca_file=ca,
        tls_client_cert=certificate,
        tls_client_key=key,
        tls_scheduler_cert=certificate,
        tls_scheduler_key=key,
        tls_worker_cert=certificate,
        tls_worker_key=key,
    )
    try:
        security.get_connection_args("client")
    except (OSError, ssl.SSLError) as error:
        raise MachineError(
            f"the certificates can't be used: {error.strerror or getattr(error, 'reason', error)}",
            where="cluster.tls_ca, tls_cert and tls_key",
            allowed="PEM files; the key that of the certificate, and without a password",
        ) from None
    return security


def _file(path: Path, where: str) -> Path:
    if not path.is_file():
        raise MachineError(f"there is no file {path}", where=where, allowed="a PEM file")
    return path.absolute()
