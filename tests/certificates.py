"""Certificates for tests of TLS, made by the openssl program."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    """An authority's certificate, and one that it signed, with its key."""

    ca: Path
    certificate: Path
    key: Path

    def for_dask(self) -> list[str]:
        """Options of Dask's own commands."""
        files = ("--tls-ca-file", self.ca, "--tls-cert", self.certificate, "--tls-key", self.key)
        return [str(part) for part in files]

    def for_search(self) -> list[str]:
        """Options of `search worker`."""
        files = ("--tls-ca", self.ca, "--tls-cert", self.certificate, "--tls-key", self.key)
        return [str(part) for part in files]

    def in_study(self) -> str:
        """Keys of a study file's ``[cluster]``."""
        return f'tls_ca = "{self.ca}"\ntls_cert = "{self.certificate}"\ntls_key = "{self.key}"'


def make_certificates(directory: Path) -> Certificates:
    """An authority of its own for each call: what one signs, another doesn't know."""
    directory.mkdir()
    new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    _openssl(directory, *new, "-x509", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
    _openssl(directory, *new, "-subj", "/CN=peer", "-keyout", "peer.key", "-out", "peer.csr")
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "peer.pem"]
    _openssl(directory, "x509", "-req", "-in", "peer.csr", *signed)
    return Certificates(directory / "ca.pem", directory / "peer.pem", directory / "peer.key")


def _openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)
