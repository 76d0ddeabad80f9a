"""Gives the study's rows to workers that don't see its directory: once a machine, and in no task.

The driver leaves them with the scheduler, as :mod:`workers.machine.rows` reads them, when the first worker
turns out not to see them; or, where ``cluster.rows`` names a store that all reach, there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studies.errors import MachineError
from workers.machine.dask_internals import set_metadata
from workers.machine.places import open_place
from workers.machine.rows import FILES, KEY, PART_BYTES


@dataclass
class Shipment:
    """The rows of one study on one cluster.

    Args:
        client: the driver's.
        directory: the driver's cache directory of the rows, named by their hash.
        url: of the store, as the study file has it: with ``${NAME}`` for what only the environment knows.
        bytes: that were sent.
    """

    client: Any
    directory: Path
    url: str | None = None
    bytes: int = 0
    _sent: bool = False
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def driver(self) -> str:
        """Whose they are: another driver's are never taken back. The scheduler knows it by its client."""
        return str(self.client.id)

    async def announce(self) -> None:
        """Announce that rows are available: a worker that needs them waits until they are there."""
        await self._offer({})

    async def send(self) -> bool:
        """Leave the rows where workers find them, if they are not there yet; whether that was now."""
        async with self._lock:
            if self._sent:
                return False
            if self.url is None:
                await self._offer({"parts": await self._leave_with_scheduler()})
            else:
                await asyncio.to_thread(self._upload, self.url)
                await self._offer({"url": f"{self.url.rstrip('/')}/{self.directory.name}"})
            self._sent = True
            return True

    async def take_back(self) -> None:
        """Free the scheduler's memory of them."""
        await self._offer(None)
        await self._metadata([self.driver], None)

    async def _leave_with_scheduler(self) -> dict[str, int]:
        parts = {}
        for name in FILES:
            count = 0
            for content in _parts(self.directory / name):
                await self._metadata([self.driver, name, count], content)
                self.bytes += len(content)
                count += 1
            parts[name] = count
        return parts

    def _upload(self, url: str) -> None:
        try:
            place = open_place(f"{url.rstrip('/')}/{self.directory.name}", "cluster.rows")
            system, folder = place.system, place.folder
            system.makedirs(folder, exist_ok=True)
            for name in FILES:
                size = (self.directory / name).stat().st_size
                self.bytes += size
                # Named by their hash: what is there and as long is what would be put.
                if not (system.exists(f"{folder}/{name}") and system.size(f"{folder}/{name}") == size):
                    system.put_file(str(self.directory / name), f"{folder}/{name}")
        except (OSError, ValueError, ImportError) as error:
            # The message may hold the address, and with it a password.
            raise MachineError(
                f"the rows can't be put there: {type(error).__name__}",
                where="cluster.rows",
                allowed="a URL of fsspec's that this machine may write to, its package installed here and on "
                "the workers",
            ) from None

    async def _offer(self, what: Mapping[str, Any] | None) -> None:
        await self._metadata(["index", self.driver], what)

    async def _metadata(self, keys: list[Any], value: Any) -> None:
        await set_metadata(self.client, [KEY, self.directory.name, *keys], value)


def _parts(file: Path) -> Iterator[bytes]:
    with file.open("rb") as content:
        while part := content.read(PART_BYTES):
            yield part
