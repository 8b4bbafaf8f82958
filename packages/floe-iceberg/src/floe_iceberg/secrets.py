"""Properties that can be printed: passwords and keys are there, but not to be seen."""

from __future__ import annotations

import re

_SECRET = re.compile(
    r"password|passwd|secret|token|credential|access-key|account-key|\bkey$|sas|jwt|^header\.", re.IGNORECASE
)
_URL_PASSWORD = re.compile(r"(://[^:/?#\s]*):[^@\s]*@")
_NAMED_SECRET = re.compile(
    r"([\w.-]*(?:password|passwd|secret|token|credential|access[-_]key|account[-_]key|api[-_]key|authorization|jwt)[\w.-]*"
    r"[\"']?\s*[=:]\s*[\"']?)(?:(?:bearer|basic)\s+)?[^\s\"',;:&)}\]]+",
    re.IGNORECASE,
)
_USER_PASSWORD = re.compile(r"^([^:/?]*://[^:/?]*):.*@", re.DOTALL)
_OPTION_PASSWORD = re.compile(r"([?&](?:ssl)?password=)[^&]*", re.IGNORECASE)


def without_password(url: str) -> str:
    """The URL with ``***`` instead of its password.

    >>> without_password("postgresql://user:p%40ss@host:5432/db?sslmode=require")
    'postgresql://user:***@host:5432/db?sslmode=require'
    """
    return _OPTION_PASSWORD.sub(r"\1***", _USER_PASSWORD.sub(r"\1:***@", url))


def without_secrets(text: str) -> str:
    """A message with ``***`` instead of what looks like a password, a key or a token.

    >>> without_secrets("GET https://me:geheim@host/v1?token=abc: Authorization: Bearer xyz, s3.secret-access-key=a")
    'GET https://me:***@host/v1?token=***: Authorization: ***, s3.secret-access-key=***'
    """
    return _NAMED_SECRET.sub(r"\1***", _URL_PASSWORD.sub(r"\1:***@", text))


class CatalogProperties(dict[str, str]):
    """A catalog's properties, whose ``repr`` shows no secret.

    >>> properties = CatalogProperties(uri="postgresql://user:geheim@host/db", **{"s3.secret-access-key": "geheim"})
    >>> properties
    {'uri': 'postgresql://user:***@host/db', 's3.secret-access-key': '***'}
    >>> properties["uri"]
    'postgresql://user:geheim@host/db'
    """

    def __repr__(self) -> str:
        return repr({key: "***" if _SECRET.search(key) else without_password(value) for key, value in self.items()})

    __str__ = __repr__
