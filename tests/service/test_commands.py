import os
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import httpx2
import pytest
from sqlalchemy.engine import make_url

from app.__main__ import main
from tests.support import carts
from tests.support.proxy import Proxy

_ROOT = Path(carts.__file__).parents[2]


def test_service_serves_until_sigterm(migrated_url: str) -> None:
    environment = carts.service_environment(migrated_url, ENVIRONMENT="production")
    with carts.service_process("-m", "app", environment=environment) as process:
        listening = carts.log_line(process.stdout, "listening")
        api = f"http://127.0.0.1:{listening['port']}"
        metrics = f"http://127.0.0.1:{listening['metrics_port']}/metrics"
        with httpx2.Client(timeout=60) as client:
            assert client.get(f"{api}/health").status_code == 200
            assert client.get(f"{api}/metrics").status_code == 404
            assert "http_server_request_duration_seconds" in client.get(metrics).text
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_draining_service_answers_until_its_time_is_over(migrated_url: str) -> None:
    environment = carts.service_environment(migrated_url, DRAIN_SECONDS="60")
    with carts.service_process("-m", "app", environment=environment) as process:
        port = carts.log_line(process.stdout, "listening")["port"]
        process.send_signal(signal.SIGTERM)
        carts.log_line(process.stdout, "draining")
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            assert client.get("/health/ready").status_code == 503
            assert client.get("/").status_code == 200
        # A second signal is somebody who does not want to wait.
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_drained_service_stops_by_itself(migrated_url: str) -> None:
    environment = carts.service_environment(migrated_url, DRAIN_SECONDS="0.3")
    with carts.service_process("-m", "app", environment=environment) as process:
        carts.log_line(process.stdout, "listening")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_service_stops_while_the_database_is_asked_and_says_nothing(migrated_url: str) -> None:
    url = make_url(migrated_url)
    with Proxy(str(url.host), int(url.port or 0)) as proxy:
        given = url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
        environment = carts.service_environment(
            given, DB_CONNECT_TIMEOUT_SECONDS="1", HEALTH_TIMEOUT_SECONDS="1"
        )
        with carts.service_process("-m", "app", environment=environment) as process:
            port = carts.log_line(process.stdout, "listening")["port"]
            with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                carts.wait_until(lambda: client.get("/health").status_code == 200)
                proxy.swallow()
                carts.wait_until(lambda: client.get("/health").status_code == 503)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


def test_service_ends_at_ctrl_c_without_a_trace(migrated_url: str) -> None:
    environment = carts.service_environment(migrated_url)
    with carts.service_process("-m", "app", environment=environment) as process:
        carts.log_line(process.stdout, "listening")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert process.stdout is not None
        assert "Traceback" not in process.stdout.read()


def test_request_under_way_is_answered_after_sigterm(migrated_url: str) -> None:
    environment = carts.service_environment(migrated_url)
    body = '{"customer_id":"slow","product_id":"p","unit_price":1,"currency":"EUR","quantity":1}'
    request = (
        "POST /api/v1/cart/items HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )
    with (
        carts.service_process("-m", "app", environment=environment) as process,
        carts.open_transaction(migrated_url) as holder,
    ):
        port = carts.log_line(process.stdout, "listening")["port"]
        holder.exec_driver_sql("LOCK TABLE carts")
        with socket.create_connection(("127.0.0.1", port)) as waiting:
            waiting.sendall(request.encode())
            carts.wait_until(lambda: _is_waiting(migrated_url))
            process.send_signal(signal.SIGTERM)
            holder.rollback()
            with waiting.makefile() as answer:
                assert answer.readline() == "HTTP/1.1 201 Created\n"
        assert process.wait(60) == 0


def _is_waiting(url: str) -> bool:
    return bool(carts.run_sql(url, "SELECT 1 FROM pg_locks WHERE NOT granted"))


def test_uvicorn_starts_it_as_the_original_description_says(migrated_url: str) -> None:
    environment = carts.service_environment(migrated_url)
    arguments = ("-m", "uvicorn", "app.main:app", "--host", "127.0.0.1", "--port", "0")
    with carts.service_process(*arguments, environment=environment) as process:
        assert process.stdout is not None
        text = next(text for text in process.stdout if "Uvicorn running on" in text)
        address = text.partition("running on ")[2].split()[0]
        with httpx2.Client(timeout=60) as client:
            assert client.get(f"{address}/health").status_code == 200


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "DATABASE_URL is missing"),
        ("mysql://u:canary@h/d", "DATABASE_URL: starts with mysql://, must be postgresql://"),
    ],
)
@pytest.mark.parametrize("arguments", [[], ["serve"], ["migrate"]])
def test_wrong_setting_is_named_at_once(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    url: str,
    said: str,
    arguments: list[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert (ended.value.code, capsys.readouterr().err.strip()) == (2, said)


def test_importing_the_application_reads_nothing() -> None:
    assert _run("-c", "import app.main", environment=carts.kept_environment()).returncode == 0


def test_a_worker_does_without_alembic() -> None:
    program = "import sys, app.__main__; sys.exit('alembic' in sys.modules)"
    with carts.service_process("-c", program, environment=carts.service_environment("")) as process:
        assert process.wait(90) == 0


def test_migrate_command_makes_the_tables(empty_url: str) -> None:
    environment = carts.service_environment(empty_url)
    done = _run("-m", "app", "migrate", environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert '"event": "schema migrated"' in done.stdout
    assert carts.run_sql(empty_url, "SELECT count(*) FROM carts") == [(0,)]


def test_failed_migration_leaves_its_reason(empty_url: str, tmp_path: Path) -> None:
    reason = tmp_path / "termination-log"
    environment = carts.service_environment(
        empty_url, DB_OWNER_ROLE="nobody_s_role", TERMINATION_LOG=str(reason)
    )
    done = _run("-m", "app", "migrate", environment=environment)
    assert done.returncode == 1
    assert 'GRANT "nobody_s_role" TO "carthub_app";' in reason.read_text()
    password = empty_url.split(":")[2].partition("@")[0]
    assert password not in done.stdout + done.stderr + reason.read_text()


def test_tests_run_in_the_folder_of_the_service() -> None:
    done = _run(
        *("-m", "pytest", "tests/", "-q", "-p", "no:cacheprovider"),
        *("-k", "test_root_answers_without_a_database"),
        environment={**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_requirements_of_the_service_resolve_to_the_lock() -> None:
    text = (_ROOT / "service" / "requirements.txt").read_text()
    [reference] = [line for line in text.splitlines() if line.startswith("-r ")]
    lock = (_ROOT / "service" / reference.removeprefix("-r ")).resolve()
    assert lock == _ROOT / "requirements" / "service.lock"
    assert "fastapi==" in lock.read_text()


def test_console_script_is_the_same_command(capsys: pytest.CaptureFixture[str]) -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"]["carthub-service"] == f"app.__main__:{main.__name__}"
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "{serve,migrate}" in capsys.readouterr().out


def _run(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=_ROOT / "service",
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=160,
        check=False,
    )


def test_collections_of_garbage_spare_what_was_imported(migrated_url: str) -> None:
    code = """
import gc, json, runpy
freeze = gc.freeze
def told():
    freeze()
    print(json.dumps({"event": "frozen", "objects": gc.get_freeze_count()}), flush=True)
gc.freeze = told
runpy.run_module("app", run_name="__main__", alter_sys=True)
"""
    environment = carts.service_environment(migrated_url)
    with carts.service_process("-c", code, environment=environment) as process:
        assert carts.log_line(process.stdout, "frozen")["objects"] > 50_000
        carts.log_line(process.stdout, "listening")
