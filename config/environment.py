"""Generates docs/settings.md: every environment variable that the product reads.

Name, type and default of a variable are read from the source, so they cannot be wrong; its
meaning is written here. A test keeps the two in step.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("config", "console", "commerce", "workflows", "ledger", "events")

# Read by the code, and not for operators to set.
INTERNAL = frozenset({"DJANGO_SETTINGS_MODULE"})

MEANINGS = {
    "Servers": {
        "DATABASE_URL": (
            "PostgreSQL 15 or later: `postgresql://user:password@host:port/name`, a socket's "
            "folder as `?host=`. With `REDIS_URL` set too, nothing is embedded."
        ),
        "DATABASE_OWNER_URL": (
            "The role that owns the tables and migrates. The role of `DATABASE_URL` should be "
            "another one, without the right to change append-only tables."
        ),
        "WEB_THREADS": "Requests that an ASGI process serves at a time; others wait.",
        "DATABASE_POOL": "Share connections between threads; for processes that serve ASGI.",
        "DATABASE_POOL_SIZE": "Connections in that pool.",
        "DATABASE_STATEMENT_TIMEOUT_MS": "The longest time that a statement may take.",
        "DATABASE_LOCK_TIMEOUT_MS": "The longest time that a statement may wait for a lock.",
        "DATABASE_IDLE_TIMEOUT_MS": "The longest time that a transaction may stay idle.",
        "REDIS_URL": "Valkey or Redis, the doorbell. May be lost at any time without harm.",
        "CELERY_BROKER_URL": "Another broker for Celery, such as RabbitMQ.",
        "PG_BINDIR": "Where the programs of an embedded PostgreSQL are, if not in its wheel.",
        "DAYBOOK_STATE": "The folder of the embedded servers; as `--state`.",
        "DAYBOOK_CARELESS": "Let the embedded servers lose data in a power failure. For tests.",
    },
    "Security": {
        "SECRET_KEY": (
            "Signs sessions and the addresses of callbacks, and seals secrets at rest. "
            "`up` makes one and keeps it in its state."
        ),
        "SECRET_KEY_FALLBACKS": "Former keys, while anything that they signed or sealed is in use.",
        "DJANGO_SUPERUSER_USERNAME": "For `createsuperuser --noinput`: the name.",
        "DJANGO_SUPERUSER_EMAIL": "Likewise: the address, if there is one.",
        "DJANGO_SUPERUSER_PASSWORD": "Likewise: the password; without it nobody can log in.",
        "DEBUG": "Show tracebacks on error pages. Never in production.",
        "ALLOWED_HOSTS": "Host names under which the product is served.",
        "HTTPS": "Whether it is served over TLS: redirects, HSTS, secure cookies.",
        "TRUST_FORWARDED_PROTO": (
            "Trust `X-Forwarded-Proto`. Only behind a proxy that sets it itself."
        ),
        "CSRF_TRUSTED_ORIGINS": "Other origins whose forms may be posted here.",
        "DAYBOOK_HTTP_ALLOW": (
            "Networks (CIDR) that webhooks and HTTP steps may reach beside the public internet, "
            "on any port and without TLS."
        ),
        "OPEN_ENGINE": "Serve `/engine` and `/webhook` without a key; as `--open-engine`.",
    },
    "Flows": {
        "DAYBOOK_RETRY_MAX": (
            "Retries of a step that does not set its own number; below 0: without end."
        ),
        "DAYBOOK_RETRY_INITIAL_BACKOFF": "Milliseconds before the first retry of a step.",
        "DAYBOOK_RETRY_MAX_BACKOFF": "Milliseconds between retries of a step, at most.",
        "DAYBOOK_RETRY_BACKOFF_TYPE": "How that grows: fixed, linear or exponential.",
        "DAYBOOK_FLOW_START_CHAIN_MAX": "How many starts on events may lead to each other.",
        "DAYBOOK_REMEMBERED_DAYS": (
            "Days after which the answers of memoizable steps are deleted, and asked for again."
        ),
        "DAYBOOK_STEP_TIMEOUT": "Milliseconds an HTTP step may take that does not set its own.",
        "DAYBOOK_WEBHOOK_BASE_URL": "Where steps that call back find this installation.",
        "DAYBOOK_HEALTH_INTERVAL": "Seconds between two health checks of steps; 0 for none.",
        "DAYBOOK_NODE": "The name of this installation in the health of steps.",
    },
    "Limits": {
        "API_BODY_BYTES_MAX": "The largest body of a request to the API.",
        "DAYBOOK_AGENT_KEY": "For `manage.py mcp`: the key of the agent that it serves.",
        "API_REQUESTS_PER_MINUTE_API_KEY": "Requests a minute for each API key.",
        "API_REQUESTS_PER_MINUTE_AGENT": "Requests a minute for each agent.",
        "API_REQUESTS_PER_MINUTE_USER": "Requests a minute for each user.",
        "API_REQUESTS_PER_MINUTE_ANONYMOUS": "Requests a minute for each address.",
    },
    "Live clients": {
        "LIVE_QUEUE_FRAMES": "Frames that may wait for a slow socket before it is closed.",
        "LIVE_QUEUE_BYTES": "And how many bytes they may have together: an event may have 1 MiB.",
        "LIVE_SUBSCRIPTIONS": "Subscriptions on one socket.",
        "LIVE_HEARTBEAT_S": "Seconds between two messages with the head of the log to a socket.",
        "LIVE_RECHECK_S": "Seconds between two checks of the permissions of an open socket.",
    },
    "The ledger": {
        "LEDGER_DATA_KEYS": (
            "Keys that seal the keys of people, under which all about them is, 32 bytes each in "
            "base64, separated by blanks: the first seals, all of them open."
        ),
        "LEDGER_SIGNING_KEY": (
            "Signs the checkpoints of the ledger: an Ed25519 seed, 32 bytes in base64. Only for "
            "the process that seals; without it, nothing is sealed there."
        ),
        "LEDGER_SIGNING_KEY_BEFORE": (
            "The former one, while it changes: it endorses its successor at the next seal."
        ),
        "LEDGER_WITNESSES": (
            "Where checkpoints are copied to: folders (`file:///…`), web servers that take a PUT "
            "(`https://…`), buckets of S3 (`s3://bucket/prefix`). Without credentials."
        ),
        "LEDGER_WITNESS_TOKENS": "Bearer tokens of web servers that are witnesses: `host=token`.",
        "LEDGER_WITNESS_S3_URL": (
            "The service of the buckets, if it is not Amazon's. Allow its network "
            "in `DAYBOOK_HTTP_ALLOW`."
        ),
        "LEDGER_WITNESS_S3_REGION": "The region of the buckets.",
        "LEDGER_WITNESS_S3_ACCESS_KEY": "The access key for the buckets.",
        "LEDGER_WITNESS_S3_SECRET_KEY": "The secret key for the buckets.",
        "LEDGER_WITNESS_S3_SESSION_TOKEN": "The session token of temporary credentials.",
        "LEDGER_WITNESS_S3_LOCK_DAYS": (
            "For how many days a bucket with object lock keeps each checkpoint; 0: its default."
        ),
    },
    "Commerce": {
        "COMMERCE_PAYMENT_URL": "The payment provider. `up` serves one; empty: there is none.",
        "COMMERCE_PAYMENT_WEBHOOK_SECRETS": (
            "The secrets (`whsec_…`, separated by blanks) with which the payment provider signs "
            "notifications; empty: none are accepted. Two while one is replaced by another."
        ),
        "COMMERCE_MAIL_URL": "Where documents are sent. `up` serves a sink.",
        "COMMERCE_CMS_URL": "The CMS that follows products. `up` serves one.",
        "COMMERCE_TIMETABLE": "Whether `migrate` installs the schedules of commerce.",
        "APPROVAL_MAIL_FROM": "The sender of mails about approvals; without it none are sent.",
        "EMAIL_HOST": "The mail server that sends them.",
        "EMAIL_PORT": "The port of the mail server.",
        "EMAIL_HOST_USER": "The user name for the mail server, if it needs one.",
        "EMAIL_HOST_PASSWORD": "The password for the mail server.",
        "EMAIL_USE_TLS": "Whether to use STARTTLS with the mail server.",
        "EMAIL_USE_SSL": "Whether to use TLS from the start with the mail server.",
        "PUBLIC_URL": "The URL of the console, for links in mails.",
        "APPROVAL_POLICIES": "Whether `migrate` activates the default approval policies.",
    },
    "Running": {
        "LOG_LEVEL": "How much is logged: DEBUG, INFO, WARNING, ERROR, CRITICAL.",
        "STATIC_ROOT": "Where `collectstatic` puts files for a server of your own.",
        "WORK_LEASE_S": "Seconds without a heartbeat after which a worker loses its work.",
        "WORK_PATIENCE_S": "Seconds after which an unanswered wake-up is sent again.",
        "WORK_HOUSEKEEPING_DAYS": (
            "Days, 1 at least, after which finished housekeeping that left nothing on record is "
            "deleted. See [runbook.md](runbook.md#what-grows)."
        ),
        "WORK_QUEUES": (
            "Kinds of work that wait in another queue than they declare, as `kind=queue`: "
            "`flow.invoke=flows`. `up --open-engine` routes steps so. "
            "See [runbook.md](runbook.md#workers-and-their-queues)."
        ),
        "WEBHOOK_CALLS_PER_RECEIVER": (
            "Messages on their way to one receiver at a time, 1 at least. Fewer than the threads "
            "of the workers that deliver them, or a slow receiver can hold all."
        ),
        "EVENTS_STRICT": "Refuse events that violate their schema, instead of logging them.",
        "BUS_SLOW_HANDLER_MS": "Warn of handlers of the bus that take longer.",
        "FAILPOINTS": "Die, stop or fail at named points. For fault tests.",
    },
}

_HEAD = """# Settings

Made by `manage.py settings_docs` from the source; do not edit. All of it is read from the
environment when a process starts; a value that makes no sense stops it. A *secret* may also
be given as the name of a file that holds it, in the variable with `_FILE` at its end.
"""

_KINDS = {
    "text": "text",
    "choice": "text",
    "networks": "comma-separated",
    "flag": "true or false",
    "integer": "whole number",
    "number": "number",
    "listing": "comma-separated",
    "secret": "secret",
    "hosts": "comma-separated",
    "label": "text",
    "mailbox": "text",
    "url": "URL",
    "valkey": "secret",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One place in the source where a variable is read."""

    name: str
    kind: str
    default: str
    is_peeked: bool = False
    """Read beside the settings, before there are any."""


def readings() -> dict[str, Variable]:
    """Return every variable that the product reads, by name."""
    sources = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    product = [path for path in sources if not {"testing", "test.py"} & set(path.parts)]
    texts = [text for text in (path.read_text() for path in product) if "env" in text]
    places = [each for text in texts for each in _in(ast.parse(text))]
    # What the settings say counts: others may peek at a variable before they are read.
    places.sort(key=lambda each: not each.is_peeked)
    found = {each.name: each for each in places}
    return {name: found[name] for name in sorted(found.keys() - INTERNAL)}


def markdown() -> str:
    """Return the text of docs/settings.md."""
    known = readings()
    sections = [_HEAD]
    for title, meanings in MEANINGS.items():
        sections.append(f"\n## {title}\n\n| variable | kind | default | meaning |\n")
        sections.append("| --- | --- | --- | --- |\n")
        sections += [_line(known[name], meaning) for name, meaning in meanings.items()]
    return "".join(sections)


def _line(reading: Variable, meaning: str) -> str:
    default = f"`{reading.default}`" if reading.default else ""
    return f"| `{reading.name}` | {reading.kind} | {default} | {meaning} |\n"


def _in(tree: ast.Module) -> Iterator[Variable]:
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = _name(node.args[0], constants)
        if name is None:
            continue
        called = ast.unparse(node.func)
        if called == "os.environ.get":
            yield Variable(name=name, kind=_KINDS["text"], default="", is_peeked=True)
        elif called.startswith("env.") and called.removeprefix("env.") in _KINDS:
            kind = _KINDS[called.removeprefix("env.")]
            yield Variable(name=name, kind=kind, default=_default(node))


def _name(node: ast.expr, constants: Mapping[str, object]) -> str | None:
    value: object = node.value if isinstance(node, ast.Constant) else None
    if isinstance(node, ast.Name):
        value = constants.get(node.id)
    return value if isinstance(value, str) and value.isupper() else None


def _default(call: ast.Call) -> str:
    given = [*call.args[1:], *(each.value for each in call.keywords if each.arg == "default")]
    if not given:
        return ""
    value = given[0]
    if isinstance(value, ast.Constant):
        return str(value.value).lower() if isinstance(value.value, bool) else str(value.value)
    # What is made of another setting goes by its name.
    return ast.unparse(value.args[0] if isinstance(value, ast.Call) and value.args else value)
