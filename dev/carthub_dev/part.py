"""What all parts of the platform have in common: started, used, closed."""

import abc
from types import TracebackType
from typing import Self


class Part(abc.ABC):
    """Something that runs between `start` and `close`; a context manager over both.

    A start that fails leaves nothing behind.
    """

    @abc.abstractmethod
    def start(self) -> Self:
        """Start it, and return once it can be used."""

    @abc.abstractmethod
    def close(self) -> None:
        """End it and remove what it made; twice is as good as once."""

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
