"""The authorities that upstreams are trusted by, where a file names them: read once at start, so that a wrong file is a
problem of the configuration and not of every call."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import ConfigError


def check_authorities(path: Path) -> None:
    """Raises ConfigError for a file that no certificate of an authority can be read from."""
    import ssl  # slow to load, and needed only where a file is named

    try:
        context = ssl.create_default_context(cafile=path)
        problem = "" if context.cert_store_stats()["x509"] else "it holds no certificate"
    except ssl.SSLError:
        problem = "it holds no certificate in PEM form, or a broken one"
    except OSError as error:
        problem = f"{error.strerror}"
    if problem:
        raise ConfigError(
            f"{path} cannot be what upstreams are trusted by (--upstream-ca): {problem}. Name a file with certificates "
            "of authorities (-----BEGIN CERTIFICATE-----), or leave it out to trust the system's."
        )
