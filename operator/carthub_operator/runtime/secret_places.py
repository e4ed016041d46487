"""Where AWS serves, and where it may be asked: a place that hangs slows no other.

Where AWS did not answer last time, one question at a time is asked; such places take turns, and so
many of them at once as the caller allows. Not safe for several threads: who asks holds a lock.
"""

from collections.abc import Collection

from carthub_operator.contracts import Place


class Places:
    """What is known of each region and role from the last answer there."""

    def __init__(self) -> None:
        self._serves: dict[Place, bool] = {}
        # When each was asked last.
        self._asked_at: dict[Place, float] = {}
        # One for each question under way.
        self._asked: list[Place] = []

    def may_serve(self, place: Place) -> bool:
        """Tell whether an answer is worth waiting for: nothing has failed there."""
        return self._serves.get(place, True)

    def askable(self, due: Collection[Place], *, most_tries: int) -> Collection[Place]:
        """Return where one of those due may be asked now: what serves, and one that does not."""
        serving = {place for place in due if self._has_served(place)}
        tried = {place for place in self._asked if not self._has_served(place)}
        untried = [place for place in due if place not in serving and place not in tried]
        if not untried or len(tried) >= most_tries:
            return serving
        # In turn: where AWS hangs, the next secret is always overdue already.
        return {*serving, min(untried, key=lambda place: self._asked_at.get(place, 0.0))}

    def begin(self, place: Place, now: float) -> None:
        """Note that a question is under way."""
        self._asked.append(place)
        self._asked_at[place] = now

    def end(self, place: Place) -> None:
        """Note that a question has come to its end, however it did."""
        self._asked.remove(place)

    def note(self, place: Place, *, serves: bool) -> None:
        """Remember whether AWS has answered there."""
        self._serves[place] = serves

    def forget(self, place: Place) -> None:
        """Nothing there is asked for any more."""
        self._serves.pop(place, None)
        self._asked_at.pop(place, None)

    def forget_all(self) -> None:
        """Know of no place what was known."""
        self._serves.clear()
        self._asked_at.clear()

    def _has_served(self, place: Place) -> bool:
        return self._serves.get(place, False)
