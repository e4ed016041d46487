"""A rotation of the database password as AWS does it with alternating users.

A second login gets a fresh password first, then the secret's current version names it. The login
in use until then keeps working, so no connection is refused at any moment.
"""

import contextlib
import json
import secrets

import boto3
import psycopg2
from botocore.config import Config
from psycopg2 import sql

from carthub_dev import aws, manifests
from carthub_dev.database import OWNER
from carthub_dev.session import State

_ALTERNATE = {"carthub_blue": "carthub_green", "carthub_green": "carthub_blue"}


def rotate(state: State) -> str:
    """Give the demonstration's secret another login and password; return the login."""
    client = boto3.client(
        "secretsmanager",
        endpoint_url=state.aws,
        region_name=aws.REGION,
        aws_access_key_id=aws.ENVIRONMENT["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=aws.ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
        config=Config(proxies={}),
    )
    current = client.get_secret_value(SecretId=manifests.SECRET_ID, VersionStage="AWSCURRENT")
    value = json.loads(current["SecretString"])
    login, password = _ALTERNATE[value["username"]], secrets.token_urlsafe(24)
    _set_password(state.database, login, password)
    renewed = json.dumps({**value, "username": login, "password": password})
    client.put_secret_value(SecretId=manifests.SECRET_ID, SecretString=renewed)
    return login


def _set_password(admin_url: str, login: str, password: str) -> None:
    dsn = admin_url.replace("postgresql+psycopg2://", "postgresql://")
    role, secret = sql.Identifier(login), sql.Literal(password)
    with contextlib.closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [login])
            verb = sql.SQL("ALTER" if cursor.fetchone() else "CREATE")
            cursor.execute(sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, role, secret))
            cursor.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(OWNER), role))
