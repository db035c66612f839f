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

# Read by the code, and set by nobody who runs the product.
INTERNAL = frozenset({"DJANGO_SETTINGS_MODULE"})

MEANINGS = {
    "Servers": {
        "DATABASE_URL": (
            "PostgreSQL 15 or later: `postgresql://user:password@host:port/name`, a socket's "
            "folder as `?host=`. With `REDIS_URL` set too, nothing is embedded."
        ),
        "DATABASE_OWNER_URL": (
            "The role that owns the tables and migrates. The role of `DATABASE_URL` should be "
            "another one, which cannot change what is append-only."
        ),
        "WEB_THREADS": "Requests that a process under ASGI answers at a time; others wait.",
        "DATABASE_POOL": "Share connections between threads; for processes that serve ASGI.",
        "DATABASE_POOL_SIZE": "Connections in that pool.",
        "DATABASE_STATEMENT_TIMEOUT_MS": "No statement takes longer.",
        "DATABASE_LOCK_TIMEOUT_MS": "No statement waits longer for a lock.",
        "DATABASE_IDLE_TIMEOUT_MS": "No transaction stays idle longer.",
        "REDIS_URL": "Valkey or Redis, the doorbell. May be lost at any time without harm.",
        "CELERY_BROKER_URL": "Another broker for Celery, such as RabbitMQ.",
        "PG_BINDIR": "Where the programs of an embedded PostgreSQL are, if not in its wheel.",
        "DAYBOOK_STATE": "The folder of the embedded servers; as `--state`.",
        "DAYBOOK_CARELESS": "Let the embedded servers lose data with the power. For tests.",
    },
    "Security": {
        "SECRET_KEY": (
            "Signs sessions and seals secrets at rest. `up` makes one and keeps it in its state."
        ),
        "SECRET_KEY_FALLBACKS": "Former keys, while what they signed and sealed is still about.",
        "DEBUG": "Show errors to whoever meets them. Never in production.",
        "ALLOWED_HOSTS": "Names under which the product is served.",
        "HTTPS": "Whether it is served encrypted: redirects, HSTS, secure cookies.",
        "TRUST_FORWARDED_PROTO": (
            "Believe `X-Forwarded-Proto`. Only behind a proxy that sets it itself."
        ),
        "CSRF_TRUSTED_ORIGINS": "Other origins whose forms may be posted here.",
        "DAYBOOK_HTTP_ALLOW": (
            "Networks (CIDR) that webhooks and HTTP steps may reach beside the public internet, "
            "on any port and without TLS."
        ),
        "OPEN_ENGINE": "Serve `/engine` without a key; as `--open-engine`.",
    },
    "Flows": {
        "DAYBOOK_RETRY_MAX": "How often a step is tried again, if it does not say so itself.",
        "DAYBOOK_RETRY_INITIAL_BACKOFF": "Milliseconds before the first retry of a step.",
        "DAYBOOK_RETRY_MAX_BACKOFF": "Milliseconds between retries of a step, at most.",
        "DAYBOOK_RETRY_BACKOFF_TYPE": "How that grows: fixed, linear or exponential.",
        "DAYBOOK_FLOW_START_CHAIN_MAX": "How many starts on events may lead to each other.",
        "DAYBOOK_STEP_TIMEOUT": "Milliseconds an HTTP step may take, if it does not say so itself.",
        "DAYBOOK_WEBHOOK_BASE_URL": "Where steps that call back find this installation.",
        "DAYBOOK_HEALTH_INTERVAL": "Seconds between two looks at the health of steps; 0 for none.",
        "DAYBOOK_NODE": "The name of this installation in the health of steps.",
    },
    "Limits": {
        "API_BODY_BYTES_MAX": "The largest body of a request to the API.",
        "DAYBOOK_AGENT_KEY": "Of `manage.py mcp`: the key of the agent that it serves.",
        "API_REQUESTS_PER_MINUTE_API_KEY": "Requests a minute for each API key.",
        "API_REQUESTS_PER_MINUTE_AGENT": "Requests a minute for each agent.",
        "API_REQUESTS_PER_MINUTE_USER": "Requests a minute for each user.",
        "API_REQUESTS_PER_MINUTE_ANONYMOUS": "Requests a minute for each address.",
    },
    "Live clients": {
        "LIVE_QUEUE_FRAMES": "Frames that may wait for a slow socket before it is closed.",
        "LIVE_SUBSCRIPTIONS": "Subscriptions on one socket.",
        "LIVE_HEARTBEAT_S": "How often a socket hears of the head of the log.",
        "LIVE_RECHECK_S": "How often the rights of an open socket are looked at again.",
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
            "(`https://…`), buckets of S3 (`s3://bucket/prefix`). Credentials never stand here."
        ),
        "LEDGER_WITNESS_TOKENS": "Bearer tokens of web servers that are witnesses: `host=token`.",
        "LEDGER_WITNESS_S3_URL": (
            "The service of the buckets, if it is not Amazon's. Allow its network "
            "in `DAYBOOK_HTTP_ALLOW`."
        ),
        "LEDGER_WITNESS_S3_REGION": "The region of the buckets.",
        "LEDGER_WITNESS_S3_ACCESS_KEY": "Who writes into the buckets.",
        "LEDGER_WITNESS_S3_SECRET_KEY": "Signs what is written there.",
        "LEDGER_WITNESS_S3_SESSION_TOKEN": "Of temporary credentials.",
        "LEDGER_WITNESS_S3_LOCK_DAYS": (
            "For how many days a bucket with object lock keeps each checkpoint; 0: as it says."
        ),
    },
    "Commerce": {
        "COMMERCE_PAYMENT_URL": "The payment provider. `up` serves one; empty: there is none.",
        "COMMERCE_PAYMENT_WEBHOOK_SECRETS": (
            "With which secrets (`whsec_…`, separated by blanks) the payment provider signs what "
            "it tells us; empty: it is not listened to. Two while one is replaced by another."
        ),
        "COMMERCE_MAIL_URL": "Where documents are sent. `up` serves a sink.",
        "COMMERCE_CMS_URL": "The CMS that follows products. `up` serves one.",
        "COMMERCE_TIMETABLE": "Whether `migrate` installs the schedules of commerce.",
        "APPROVAL_MAIL_FROM": "Whom mails about approvals come from; without it none are sent.",
        "EMAIL_HOST": "The mail server that sends them.",
        "EMAIL_PORT": "Its port.",
        "EMAIL_HOST_USER": "Who we are there, if it wants to know.",
        "EMAIL_HOST_PASSWORD": "The password that goes with it.",
        "EMAIL_USE_TLS": "Whether to ask the mail server for encryption (STARTTLS).",
        "EMAIL_USE_SSL": "Whether to speak to it encrypted from the first byte.",
        "PUBLIC_URL": "Where people find the console: the beginning of links in mails.",
        "APPROVAL_POLICIES": "Whether `migrate` puts the first policies of approvals into force.",
    },
    "Running": {
        "LOG_LEVEL": "How much is logged: DEBUG, INFO, WARNING, ERROR.",
        "STATIC_ROOT": "Where `collectstatic` puts files for a server of your own.",
        "WORK_LEASE_S": "A worker that is silent for so many seconds has lost its work.",
        "WORK_PATIENCE_S": "How many seconds a bell may go unanswered before it is rung again.",
        "WORK_QUEUES": (
            "Kinds of work that wait in another queue than they declare, as `kind=queue`: "
            "`flow.invoke=flows`. See [runbook.md](runbook.md#workers-and-their-queues)."
        ),
        "EVENTS_STRICT": "Refuse events that are not as declared, instead of logging that.",
        "BUS_SLOW_HANDLER_MS": "Warn of handlers of the bus that take longer.",
        "FAILPOINTS": "Die, stop or fail at named points. For fault tests.",
    },
}

_HEAD = """# Settings

Made by `manage.py settings_docs` from the source; do not edit. All of it is read from the
environment when a process starts; a value that makes no sense stops it. A *secret* may also
be given as the name of a file that holds it, in the variable with `_FILE` at its end.
"""

_PEEKED = "as it is"
_KINDS = {
    "text": "text",
    "flag": "true or false",
    "integer": "whole number",
    "number": "number",
    "listing": "comma-separated",
    "secret": "secret",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One place in the source where a variable is read."""

    name: str
    kind: str
    default: str


def readings() -> dict[str, Variable]:
    """Return every variable that the product reads, by name."""
    sources = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    product = [path for path in sources if not {"testing", "test.py"} & set(path.parts)]
    texts = [text for text in (path.read_text() for path in product) if "env" in text]
    places = [each for text in texts for each in _in(ast.parse(text))]
    # What the settings say counts: others may peek at a variable before they are read.
    places.sort(key=lambda each: each.kind != _PEEKED)
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
            yield Variable(name=name, kind=_PEEKED, default="")
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
