"""Label Studio in its own virtual environment, on SQLite: loopback only, nothing sent anywhere."""

import os
import shutil
import sqlite3
import subprocess
import tempfile
from pathlib import Path

from earmark.local.credentials import Credentials
from earmark.local.health import http_answers
from earmark.local.ports import LOOPBACK
from earmark.local.service import Port, Service
from earmark.speech.errors import EarmarkError

PROJECT = Path(__file__).resolve().parents[3]
ENVIRONMENT = PROJECT / ".venv-label-studio"
TEMPLATE = ENVIRONMENT / "empty.sqlite3"
DATABASE = "label_studio.sqlite3"
SETTING = "EARMARK_LABEL_STUDIO_PORT"


def url(port: int) -> str:
    """Where people and programs reach it."""
    return f"http://{LOOPBACK}:{port}"


def service(*, var: Path, port: int, credentials: Credentials) -> Service:
    """The server over `var/label-studio`. Raises EarmarkError `local:label-studio:missing`."""
    data = var / "label-studio"
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    _require_installed()
    _start_from_template(data / DATABASE)
    return Service(
        name="label-studio",
        command=(
            *(str(_executable()), "start", "--no-browser"),
            *("--internal-host", LOOPBACK, "--port", str(port)),
        ),
        environment={
            **_bare_environment(data),
            "SECRET_KEY": credentials.label_studio_secret,
            "LABEL_STUDIO_HOST": url(port),
            "LABEL_STUDIO_USERNAME": credentials.label_studio_username,
            "LABEL_STUDIO_PASSWORD": credentials.label_studio_password,
            "LABEL_STUDIO_USER_TOKEN": credentials.label_studio_token,
            # acts once, when the organisation is created
            "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
            "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
            # audio and webhooks are on this very machine
            "SSRF_PROTECTION_ENABLED": "false",
            "ML_BLOCK_LOCAL_IP": "false",
        },
        directory=data,
        ready=lambda: http_answers(f"{url(port)}/health"),
        address=url(port),
        port=Port(port, SETTING),
    )


def make_template() -> None:
    """Create Label Studio's tables once, in a database without people or projects that fresh stacks copy.

    Creating them takes half a minute of computing. The file lives and dies with the environment whose version
    it belongs to. Raises EarmarkError `local:label-studio:template`.
    """
    _require_installed()
    with tempfile.TemporaryDirectory(prefix="earmark-label-studio-") as folder:
        # any command brings the tables up to date before it does its work
        done = subprocess.run(
            [str(_executable()), "version"],
            env=_bare_environment(Path(folder)),
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise EarmarkError(
                "local:label-studio:template",
                f"Label Studio could not create its tables: {done.stderr.strip()[-2000:]}",
                "Remove .venv-label-studio and run `make setup`.",
            )
        database = Path(folder) / DATABASE
        connection = sqlite3.connect(database)
        # readers do not wait for the one who writes; the mode stays with the file
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
        fresh = TEMPLATE.with_suffix(".new")
        shutil.copyfile(database, fresh)
        fresh.replace(TEMPLATE)


def _start_from_template(database: Path) -> None:
    if database.exists() or not TEMPLATE.exists():
        return
    fresh = database.with_suffix(".new")
    shutil.copyfile(TEMPLATE, fresh)
    fresh.replace(database)


def _executable() -> Path:
    return ENVIRONMENT / "bin" / "label-studio"


def _require_installed() -> None:
    if not _executable().exists():
        raise EarmarkError(
            "local:label-studio:missing",
            f"Label Studio is not installed: there is no {_executable()}.",
            "Run `make setup`.",
        )


def _bare_environment(data: Path) -> dict[str, str]:
    """Only what we mean: Label Studio reads bare names such as HOST, DEBUG and PORT."""
    return {
        "PATH": os.defpath,
        "HOME": str(data),
        "LANG": "C.UTF-8",
        "LABEL_STUDIO_BASE_DATA_DIR": str(data),
        "LOG_LEVEL": "INFO",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
    }
