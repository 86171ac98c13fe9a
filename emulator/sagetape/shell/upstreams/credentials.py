"""Where the upstream's credentials and its address come from: botocore, asked lazily, or given explicitly.

Refuses to log, print or keep a secret: values go from botocore to the signer.
"""

from __future__ import annotations

import threading
from typing import Any, Protocol

from yarl import URL

from ...core.signing import Key


class Credentials(Protocol):
    """Both may block (files, SSO, instance metadata): call them in a thread."""

    def key(self) -> Key:
        """The key to sign with now."""

    def endpoint(self, region: str) -> URL:
        """The address of SageMaker Runtime in a region."""


class Given:
    """A key from the configuration."""

    def __init__(self, key: Key) -> None:
        self._key = key

    def key(self) -> Key:
        return self._key

    def endpoint(self, region: str) -> URL:
        return Botocore(None).endpoint(region)


class Botocore:
    """What the user's own AWS set-up says: environment, profile, SSO, roles, instance."""

    def __init__(self, profile: str | None) -> None:
        self._profile = profile
        self._lock = threading.Lock()
        self._session: Any = None
        self._credentials: Any = None
        self._endpoints: dict[str, URL] = {}

    def key(self) -> Key:
        """The current key; refreshed by botocore when it is about to expire."""
        with self._lock:
            if self._credentials is None:
                self._credentials = self._open().get_credentials()
            if self._credentials is None:
                where = (
                    f"profile {self._profile}" if self._profile else "the environment, the default profile or a role"
                )
                raise LookupError(f"botocore found none in {where}")
            frozen = self._credentials.get_frozen_credentials()
        return Key(frozen.access_key, frozen.secret_key, frozen.token)

    def endpoint(self, region: str) -> URL:
        """By botocore's endpoint rules, FIPS and dual-stack settings included.

        Configured endpoint URLs are ignored: they are how clients find the emulator, which must not ask itself.
        """
        with self._lock:
            if region not in self._endpoints:
                from botocore.config import Config

                options: dict[str, Any] = {"ignore_configured_endpoint_urls": True}  # not in every stub
                client = self._open().create_client("sagemaker-runtime", region_name=region, config=Config(**options))
                self._endpoints[region] = URL(client.meta.endpoint_url)
                client.close()
            return self._endpoints[region]

    def _open(self) -> Any:
        if self._session is None:
            import botocore.session

            self._session = botocore.session.Session(profile=self._profile)
        return self._session
