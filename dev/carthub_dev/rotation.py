"""A rotation of the database password as AWS does it with alternating users.

A second login gets a fresh password first, then the secret's current version names it. The login
in use until then keeps working, so no connection is refused at any moment.
"""

import contextlib
import json
import secrets

import psycopg2

from carthub_dev import aws, logins, manifests
from carthub_dev.session import State

_ALTERNATE = {"carthub_blue": "carthub_green", "carthub_green": "carthub_blue"}


def rotate(state: State) -> str:
    """Give the demonstration's secret another login and password; return the login."""
    client = aws.secrets_manager(state.aws)
    current = client.get_secret_value(SecretId=manifests.SECRET_ID, VersionStage="AWSCURRENT")
    value = json.loads(current["SecretString"])
    login, password = _ALTERNATE[value["username"]], secrets.token_urlsafe(24)
    _set_password(state.database, login, password)
    renewed = json.dumps({**value, "username": login, "password": password})
    client.put_secret_value(SecretId=manifests.SECRET_ID, SecretString=renewed)
    return login


def _set_password(admin_url: str, login: str, password: str) -> None:
    dsn = admin_url.replace("postgresql+psycopg2://", "postgresql://")
    with contextlib.closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True
        logins.set_login(connection, login, password)
