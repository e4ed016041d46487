"""The log: one JSON object a line, ours and that of the libraries below us."""

import logging
import sys

import structlog

# Their debug lines quote requests and answers, Secrets among them: never below warnings.
_QUIET = ("asyncio", "boto3", "botocore", "kopf", "kubernetes", "urllib3")

_QUIETER = {
    # Its one warning: that it leaves the signals to us, for it has a thread of its own.
    "kopf._core.reactor.running": logging.ERROR,
    # A line for every attempt of every watch; `streams` tells when one fails and when it is back.
    "kopf._cogs.clients.watching": logging.CRITICAL,
}


def configure_logging(level: str) -> None:
    """Write everything from this level on to standard output."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.EventRenamer("event"),
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    for name, least in _QUIETER.items():
        logging.getLogger(name).setLevel(least)
