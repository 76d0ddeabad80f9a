"""Which of Spark's own properties a study file may not set, and why.

What decides how rows lie in partitions decides the last bits of every gradient, and what opens the session
to the network is no setting of a search. Both have a key of their own or none.
"""

from __future__ import annotations

import re

_PARTITIONS = "it decides how the rows lie in partitions, and with that the last bits of every gradient"
_PAGES = "it would serve pages without a login on every interface"
_LOOPBACK = "a local master is bound to the loopback interface, where nobody else reaches it"

_REFUSED = (
    (r"spark\.master", "use the key spark.master"),
    (r"spark\.remote|spark\.api\.mode", 'use spark.master = "sc://HOST:PORT"'),
    (r"spark\.(driver|executor)\.memory", "use the key spark.memory"),
    (r"spark\.submit\.deployMode", "the driver is this process"),
    (r"spark\.default\.parallelism", _PARTITIONS),
    (r"spark\.sql\.(adaptive|files|shuffle|codegen)\..*", _PARTITIONS),
    (r"spark\.sql\.(leafNodeDefaultParallelism|inMemoryColumnarStorage\..*)", _PARTITIONS),
    (r"spark\.ui\..*|spark\.history\..*|spark\.metrics\..*", _PAGES),
    (r"spark\.log\.level", "a search keeps Spark silent"),
)

_REFUSED_LOCALLY = ((r"spark\.driver\.(host|bindAddress|port)|spark\.blockManager\.port", _LOOPBACK),)

_LOCAL = re.compile(r"local(\[(\d+|\*)\])?")
_MASTER = re.compile(r"local(\[([1-9]\d*|\*)\])?|spark://[^\s/,]+:\d+(,[^\s/,]+:\d+)*|sc://[^\s/]+(/\S*)?")

MASTERS = "local, local[K], spark://HOST:PORT, sc://HOST:PORT"
"""What ``spark.master`` can be, for a message."""


def is_master(text: str) -> bool:
    """Whether it is one of :data:`MASTERS`."""
    return bool(_MASTER.fullmatch(text))


def is_local(master: str | None) -> bool:
    """Whether the session's tasks run in its own JVM; ``None`` is the default, which is local."""
    return master is None or bool(_LOCAL.fullmatch(master))


def why_refused(key: str, master: str | None) -> str | None:
    """Why a study may not set this property with this master, or nothing."""
    if not key.startswith("spark."):
        return "Spark knows only properties that begin with spark."
    rules = (*_REFUSED, *_REFUSED_LOCALLY) if is_local(master) else _REFUSED
    return next((reason for pattern, reason in rules if re.fullmatch(pattern, key)), None)
