"""Every command of the original description's Troubleshooting section, as a person types it."""

from tests.support.cluster import Cluster
from tests.support.markdown import commands, shell_blocks
from tests.support.terminal import run_in_terminal

# The original's last command, letter for letter; its bare string is what SQLAlchemy 2 refuses.
ORIGINAL_DATABASE_CHECK = """\
kubectl exec -it deployment/backend-deployment -n shopping-cart -- python -c "
import os
from sqlalchemy import create_engine
engine = create_engine(os.getenv('DATABASE_URL'))
with engine.connect() as conn:
    result = conn.execute('SELECT version();')
    print(result.fetchone())
"
"""

# What each command must show; `logs -f` never ends, so it is ended once it has shown this.
EXPECTED = {
    "kubectl describe cartservice": "Ready",
    "carthub status": "Ready",
    "kubectl get pods": "backend-deployment-",
    "kubectl logs -f": '"event"',
    "kubectl get service": "80/TCP",
    "kubectl describe deployment": "carthub-service",
    "kubectl exec -it": "PostgreSQL 1",
}


def test_every_documented_command_works_as_written(backend: Cluster) -> None:
    lines = [line for block in shell_blocks("troubleshooting.md") for line in commands(block)]
    assert len(lines) == len(EXPECTED)
    for line, (start, expected) in zip(lines, EXPECTED.items(), strict=True):
        assert line.startswith(start)
        follows = " -f " in line
        code, output = run_in_terminal(
            line, env=backend.environment, until=expected if follows else None
        )
        assert expected in output, f"{line}\n{output}"
        assert code == (None if follows else 0), f"{line}\n{output}"


def test_the_original_database_check_reaches_the_driver(backend: Cluster) -> None:
    code, output = run_in_terminal(ORIGINAL_DATABASE_CHECK, env=backend.environment)

    assert "ObjectNotExecutableError" in output
    assert code not in (0, None)
