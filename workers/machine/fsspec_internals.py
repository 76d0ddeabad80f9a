"""All that is used of fsspec without its makers having promised it.

``tests/workers/machine/test_fsspec_internals.py`` says what has moved when another version is installed, and
``docs/moving-versions.md`` what to do then.
"""

from __future__ import annotations

from typing import Any


def take_apart(kind: Any, url: str) -> tuple[dict[str, Any], str]:
    """What an address says to a kind of file system, and the folder on it.

    ``fsspec.core.url_to_fs`` does the same and makes the file system at once. Here values of the environment
    are filled in between, so that each is one part of the address whatever is in it.
    """
    return dict(kind._get_kwargs_from_urls(url)), str(kind._strip_protocol(url))
