"""What the cloud takes of a file: its answer for this file, then its specification, then the docs.

Owns which of the three counts. Never cuts (`transfer.chunks` does) and never stops a file for a
specification that cannot be had. Used by `transfer.sending`, on the crew's workers.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress

from masv_watch.cloud.client import CloudClient
from masv_watch.cloud.wire import AddedFile, Spec
from masv_watch.errors import CloudError, CloudGarbled, CloudThrottled, CloudUnreachable
from masv_watch.model import MOST_CHUNKS
from masv_watch.transfer.chunks import Limits

log = logging.getLogger(__name__)

#: times that a specification is asked for which gets no answer
_TRIES = 3


class KnownLimits:
    """What holds where the answer for a file names no limit; asked for once, when first needed."""

    def __init__(self, cloud: CloudClient) -> None:
        """Begin with what is documented."""
        self._cloud = cloud
        self._limits = Limits()
        self._door = threading.Lock()
        self._tries_left = _TRIES

    def of(self, added: AddedFile, size: int) -> Limits:
        """Give the limits for a file of this size that was just added.

        Raises:
            CloudGarbled: no storage has such limits.
        """
        if None in {added.min_chunk, added.max_chunk, added.max_count}:
            # a specification that contradicts the answer for the file is not believed
            with suppress(CloudGarbled):
                return limits_of(added, size, self._known())
        return limits_of(added, size)

    def _known(self) -> Limits:
        with self._door:
            if self._tries_left:
                self._tries_left -= 1
                self._ask()
            return self._limits

    def _ask(self) -> None:
        try:
            self._limits = limits_of_spec(self._cloud.spec())
            self._tries_left = 0
        except CloudError as error:
            if not isinstance(error, CloudUnreachable | CloudThrottled):
                self._tries_left = 0
            log.info("the documented limits of chunks hold", extra={"reason": str(error)})


def limits_of_spec(spec: Spec) -> Limits:
    """Give the limits that a specification names, those that it does not as documented.

    Raises:
        CloudGarbled: no storage has such limits.
    """
    known = Limits()
    max_chunk = spec.max_chunk or known.max_chunk
    min_chunk = min(known.min_chunk, max_chunk) if spec.min_chunk is None else spec.min_chunk
    # every storage takes chunks as large as the least that S3 takes
    if min_chunk > max_chunk or max_chunk < known.min_chunk:
        raise CloudGarbled(f"the specification has chunks of {min_chunk} to {max_chunk} bytes")
    return Limits(
        min_chunk=min_chunk,
        max_chunk=max_chunk,
        max_count=spec.max_count or known.max_count,
    )


def limits_of(added: AddedFile, size: int, known: Limits | None = None) -> Limits:
    """Give the cloud's limits for a file of this size, `known` where its answer names none.

    Raises:
        CloudGarbled: no storage has such limits.
    """
    known = known or Limits()
    max_chunk = added.max_chunk or known.max_chunk
    min_chunk = min(known.min_chunk, max_chunk) if added.min_chunk is None else added.min_chunk
    if min_chunk > max_chunk or max_chunk < min(size, Limits().min_chunk):
        raise CloudGarbled(
            f"the cloud wants chunks of {min_chunk} to {max_chunk} bytes, which no storage takes"
        )
    max_count = min(added.max_count or known.max_count, MOST_CHUNKS)
    return Limits(min_chunk=min_chunk, max_chunk=max_chunk, max_count=max_count)
