"""The lanes that use the database: a few, each with a connection that it keeps.

A lane takes a request only while it has a connection, so that those that have one serve all.
What a broken connection cut off runs again from its start where nothing can have happened twice.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

import greenlet
import structlog

from app import deadlines
from app.db import outages
from app.db.connections import Database
from app.db.jobs import Effect, Job, Jobs
from app.db.lanes import Lane
from app.db.outages import Outage
from app.db.sessions import Session
from app.errors import AnswerLost, DatabaseUnavailable
from app.settings import Settings

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

T = TypeVar("T")

# How often requests that wait and connections that hang are looked at.
_LOOK_SECONDS = 0.1
# A statement that breaks every new connection is not repeated for ever.
_MOST_TRIES = 5
_STOP_SECONDS = 1.0
# Of the first in the queue: by then connections that are used have served hundreds.
_LONG_WAIT_SECONDS = 1.0
# How many go on trying after a failed login. One takes up to 90 ms of processor time here, most of
# it with the interpreter's lock held: sixteen at once kept the event loop from every deadline.
_SCOUTS = 2


class Workers:
    """Runs use cases in lanes; made and used on one event loop."""

    def __init__(
        self, database: Database, settings: Settings, note_wait_seconds: Callable[[float], object]
    ) -> None:
        self._database = database
        self._deadline_seconds = settings.request_deadline_seconds
        self._patience_seconds = settings.db_pool_timeout_seconds
        # Each connection that was open before may have to be found useless first.
        self._most_tries = settings.db_pool_size + _MOST_TRIES
        self._note_wait_seconds = note_wait_seconds
        self._loop = asyncio.get_running_loop()
        self._jobs = Jobs(settings.db_queue_size)
        self._outage: Outage | None = None
        # Who tries on behalf of all; None while logins succeed.
        self._scouts: set[Lane] | None = None
        self._is_stopping = False
        self._sessions: list[Session] = []
        self._lanes = {Lane(self._serve) for _ in range(settings.db_pool_size)}
        self._have_ended = asyncio.Event()
        for lane in self._lanes:
            lane.switch()
        self._next_look = self._loop.call_later(_LOOK_SECONDS, self._look)

    async def run(self, work: Callable[[], T], effect: Effect) -> T:
        """Return what a use case returns, or raise what it raises.

        One that is safe or idempotent runs again even if it may have happened. Where one that is
        not safe ends without an answer, AnswerLost speaks of all of its tries.
        """
        outage = self._outage
        if outage is not None and outage.is_hopeless(time.monotonic()):
            raise outage.refusal()
        future: asyncio.Future[T] = self._loop.create_future()
        ends_at = deadlines.ends_at(self._deadline_seconds)
        self._jobs.put(Job(work, future, ends_at, effect))
        return await future

    def state(self) -> str:
        """Return `ok`, or why requests are not taken: no connection opens, or none is free."""
        if self._outage is not None:
            return "unavailable"
        wait_seconds = self._jobs.longest_wait_seconds(time.monotonic())
        return "exhausted" if wait_seconds > _LONG_WAIT_SECONDS else "ok"

    async def close(self) -> None:
        """End the lanes; requests that still wait are answered first."""
        self._next_look.cancel()
        self._is_stopping = True
        self._jobs.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._have_ended.wait(), _STOP_SECONDS)
        for lane in list(self._lanes):
            lane.end()

    def _look(self) -> None:
        now = time.monotonic()
        outage = self._outage
        if outage is not None and outage.is_hopeless(now):
            self._jobs.refuse_all(outage.refusal)
        most_seconds = self._patience_seconds if outage is None else outage.most_seconds
        self._jobs.refuse_overdue(now, most_seconds)
        self._database.cut_overdue()
        self._next_look = self._loop.call_later(_LOOK_SECONDS, self._look)

    # From here on in the lanes.

    def _serve(self, lane: Lane) -> None:
        session = self._database.session()
        self._sessions.append(session)
        while session.is_open or self._connect(lane, session):
            job = self._jobs.take(lane)
            if job is None:
                break
            self._do(job, session)
        session.close()
        self._lanes.discard(lane)
        if not self._lanes:
            self._have_ended.set()

    def _connect(self, lane: Lane, session: Session) -> bool:
        """Open the lane's connection, however long it takes; False when the lane shall end."""
        failed_tries = 0
        while not self._is_stopping:
            if self._may_try(lane) and self._try_to_open(session):
                return True
            lane.pause(outages.pause_seconds(failed_tries))
            failed_tries += 1
        return False

    def _may_try(self, lane: Lane) -> bool:
        if self._scouts is None:
            return True
        if len(self._scouts) < _SCOUTS:
            self._scouts.add(lane)
        return lane in self._scouts

    def _try_to_open(self, session: Session) -> bool:
        try:
            session.open()
        except DatabaseUnavailable as error:
            self._note_failure(error)
        except Exception:
            # A lane that died would be missing for good.
            log.exception("connecting failed")
        else:
            self._note_success()
            return True
        if self._scouts is None:
            self._scouts = set()
        return False

    def _do(self, job: Job, session: Session) -> None:
        if job.tries == 0:
            self._note_wait_seconds(time.monotonic() - job.queued_at)
        job.tries += 1
        try:
            result = job.context.run(job.work)
        except greenlet.GreenletExit:
            raise
        except BaseException as error:  # noqa: BLE001 - the request raises it
            if self._runs_again(job, session, error):
                job.note_failure(error)
                self._jobs.put_back(job)
            elif isinstance(error, DatabaseUnavailable):
                job.refuse(error)
            else:
                self._finish(job, None, error)
        else:
            self._finish(job, result, None)

    def _runs_again(self, job: Job, session: Session, error: BaseException) -> bool:
        is_cut_off = isinstance(error, DatabaseUnavailable) and not session.is_open
        may_have_happened = isinstance(error, AnswerLost) and job.effect is Effect.ONCE
        return is_cut_off and not may_have_happened and job.tries < self._most_tries

    def _finish(self, job: Job, result: object, error: BaseException | None) -> None:
        if job.future.done():
            return
        if error is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(error)

    def _note_failure(self, error: DatabaseUnavailable) -> None:
        if any(session.is_open for session in self._sessions):
            return
        if self._outage is None:
            log.warning("database unreachable", reason=str(error))
        began_at = time.monotonic() if self._outage is None else self._outage.began_at
        self._outage = Outage(began_at, self._patience_seconds, error)

    def _note_success(self) -> None:
        self._scouts = None
        outage, self._outage = self._outage, None
        if outage is not None:
            log.info(
                "database reachable again", seconds=round(time.monotonic() - outage.began_at, 3)
            )
