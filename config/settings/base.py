"""All settings. What differs between installations comes from the environment."""

import django_stubs_ext
from csp.constants import NONE, SELF

from config import checkout
from config.settings import env
from config.settings.installed import *  # noqa: F403 - a setting as it stands.
from config.settings.mail import *  # noqa: F403
from config.settings.pool import DATABASE_POOL, DATABASE_POOL_OPTIONS
from workflows.work import queues

django_stubs_ext.monkeypatch()  # Lets ModelAdmin[Model] run, not only type-check.

FILES = checkout.FILES

DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env.secret("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.listing("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")

# Encrypted unless somebody says otherwise, as `up` does: it serves its own machine only.
HTTPS = env.flag("HTTPS", default=True)
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_AGE = 12 * 3600
# Only behind a proxy that sets the header itself: otherwise any client could set it.
if env.flag("TRUST_FORWARDED_PROTO", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CSRF_TRUSTED_ORIGINS = env.listing("CSRF_TRUSTED_ORIGINS")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# More threads than a few only take the interpreter from each other.
WEB_THREADS = env.integer("WEB_THREADS", 8, at_least=1)
MIDDLEWARE = [
    "config.web.middleware.RequestId",
    "django.middleware.security.SecurityMiddleware",
    "config.web.static_files.StaticFiles",
    "config.web.middleware.ContentSecurityPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    # Before whoever reads the form first: a form in parts can be read once.
    "config.web.middleware.TextOfForms",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.web.middleware.ActingPrincipal",
    "config.web.middleware.PageRefusals",
    "config.web.middleware.ResponseHeaders",
    "config.web.middleware.IdempotentExchange",
    "config.web.middleware.PageMessages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [FILES / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "console.navigation.navigation",
            ]
        },
    }
]

# One transaction per public service, opened by the service: never by the request.
DATABASE_URL = env.secret("DATABASE_URL")
# The role that owns the tables and migrates. The product itself runs with fewer rights.
DATABASE_OWNER_URL = env.secret("DATABASE_OWNER_URL", DATABASE_URL)
env.database(DATABASE_OWNER_URL, name="DATABASE_OWNER_URL")  # Whoever migrates would find out.
DATABASES = {
    "default": env.database(
        DATABASE_URL,
        pool=DATABASE_POOL_OPTIONS if DATABASE_POOL else None,
        session={
            "statement_timeout": env.integer(
                "DATABASE_STATEMENT_TIMEOUT_MS", 30_000, at_least=0, at_most=env.INT_MAX
            ),
            "lock_timeout": env.integer(
                "DATABASE_LOCK_TIMEOUT_MS", 5_000, at_least=0, at_most=env.INT_MAX
            ),
            "idle_in_transaction_session_timeout": env.integer(
                "DATABASE_IDLE_TIMEOUT_MS", 10_000, at_least=0, at_most=env.INT_MAX
            ),
        },
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.valkey("REDIS_URL")
# What is counted per minute. Nothing in it is missed when it is lost.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "daybook",
        "OPTIONS": {"socket_timeout": 1},
    }
}
# Networks that outgoing HTTP (webhooks, HTTP steps) may reach beside the public internet.
HTTP_ALLOW = env.networks("DAYBOOK_HTTP_ALLOW")

# Kinds of work that wait in another queue than they declare: workflows/work/queues.py.
WORK_QUEUES = queues.routes(env.listing("WORK_QUEUES"))

# A message is a doorbell: JSON, ids only, no result, no ETA; losing it costs latency, nothing else.
CELERY_BROKER_URL = env.secret("CELERY_BROKER_URL", env.as_broker(REDIS_URL))
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# A request must not hang because the broker does: kombu's own retry would wait for minutes.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_CONNECTION_TIMEOUT = 1
CELERY_BROKER_TRANSPORT_OPTIONS = env.broker_options(CELERY_BROKER_URL)
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
# Celery would connect anew for every task; config.celery_context looks after connections instead.
CELERY_DB_REUSE_MAX = 1_000_000_000
CELERY_TASK_DEFAULT_QUEUE = "daybook"
# A worker without -Q takes from all of them.
CELERY_TASK_QUEUES = queues.declared(CELERY_TASK_DEFAULT_QUEUE, WORK_QUEUES)
CELERY_TIMEZONE = "UTC"
# Beat is the backup of the sweeper, and asks the doctor. A bell nobody heard in time is stale.
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "work.sweep", "schedule": 5.0, "options": {"expires": 5}},
    "checkup": {"task": "work.checkup", "schedule": 300.0, "options": {"expires": 300}},
    "forget-housekeeping": {
        "task": "work.forget_housekeeping",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "forget-answers": {
        "task": "flows.forget_answers",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "seal-entries": {"task": "ledger.seal_entries", "schedule": 5.0, "options": {"expires": 5}},
    "expire-payloads": {
        "task": "ledger.expire_payloads",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "expire-webhook-bodies": {
        "task": "webhooks.expire_bodies",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "forget-idempotency-keys": {
        "task": "ledger.prune_idempotency_keys",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    # A step of a flow may be given seconds for its approval, and the flow waits for the end.
    "expire-approvals": {
        "task": "ledger.expire_approvals",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "expire-reversals": {
        "task": "ledger.expire_reversals",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
}

AUTHENTICATION_BACKENDS = [
    "ledger.access.grants.GrantsBackend",
    "guardian.backends.ObjectPermissionBackend",
]
# Memory-hard, and in the standard library; the others are for passwords made elsewhere.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"
CSRF_FAILURE_VIEW = "console.views.refusals.csrf_failure"

# Nothing inline, nothing from elsewhere. 'self' covers the WebSocket of the same host.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = True
FORMAT_MODULE_PATH = "config.formats"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = env.text("STATIC_ROOT", "") or None  # Only for those who serve them elsewhere.
STATICFILES_DIRS = [FILES / "static"]
WHITENOISE_USE_FINDERS = True  # No collecting step: a clean clone serves its own files.

# Grants are the business of `ledger.access.authority`; an anonymous caller never has any.
ANONYMOUS_USER_NAME = None

# Requests a minute; a caller is a key, a user, or the address of who is neither.
API_REQUESTS_PER_MINUTE = {
    "api_key": env.integer("API_REQUESTS_PER_MINUTE_API_KEY", 6000, at_least=1),
    "agent": env.integer("API_REQUESTS_PER_MINUTE_AGENT", 600, at_least=1),
    "user": env.integer("API_REQUESTS_PER_MINUTE_USER", 3000, at_least=1),
    "anonymous": env.integer("API_REQUESTS_PER_MINUTE_ANONYMOUS", 600, at_least=1),
}
API_BODY_BYTES_MAX = env.integer("API_BODY_BYTES_MAX", 1_048_576, at_least=1)
PROBLEM_DOCS_URL = "/docs/errors.md"

REST_FRAMEWORK = {
    # The first one writes the challenge of a 401.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "ledger.api.authentication.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "ledger.api.permissions.HoldsCapability",
        "ledger.api.permissions.TakesNoBodyInVain",
        "ledger.api.permissions.HonoursIdempotencyKey",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["ledger.api.throttling.CallerThrottle"],
    # Strangers are counted by the address that uvicorn found. DRF would believe what they say in
    # X-Forwarded-For, and count whoever says something else each time from the beginning.
    "NUM_PROXIES": 0,
    "DEFAULT_PARSER_CLASSES": ["config.web.strict_json.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "config.web.pagination.KeysetPagination",
    "DEFAULT_FILTER_BACKENDS": ["config.web.filters.StrictFilters"],
    "DEFAULT_METADATA_CLASS": "config.web.negotiation.AllowedMethods",
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "config.web.negotiation.Negotiation",
    "DEFAULT_SCHEMA_CLASS": "config.web.openapi.OperationSchema",
    "EXCEPTION_HANDLER": "config.web.problems.problem_response",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "TEST_REQUEST_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Daybook",
    "DESCRIPTION": "What happened, what must still happen, and who answers for it.",
    "VERSION": "1",
    "SERVERS": [{"url": "/", "description": "This installation."}],
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    # Enums stay where they are used: as components each would need a name of its own.
    "POSTPROCESSING_HOOKS": ["config.web.openapi.add_problems"],
}

# Whether an undeclared event or wrong data raises, or is logged and recorded all the same.
EVENTS_STRICT = env.flag("EVENTS_STRICT", default=DEBUG)
BUS_SLOW_HANDLER_MS = env.integer("BUS_SLOW_HANDLER_MS", 100, at_least=0)

# How long a silent worker keeps its work, and a bell may go unanswered; workflows/work/conf.py.
WORK_LEASE_S = env.number("WORK_LEASE_S", 15, at_most=3600)
WORK_PATIENCE_S = env.number("WORK_PATIENCE_S", 1.5, at_most=3600)
# How long finished housekeeping is kept; workflows/work/retention.py.
WORK_HOUSEKEEPING_DAYS = env.number("WORK_HOUSEKEEPING_DAYS", 30, at_most=36_500)

# How many messages are sent to one receiver at a time; workflows/webhooks/crowding.py.
WEBHOOK_CALLS_PER_RECEIVER = env.integer(
    "WEBHOOK_CALLS_PER_RECEIVER", 4, at_least=1, at_most=10_000
)

# What a live client may ask, and how long we wait for it: events/fanout/limits.py.
EVENTS_LIVE = {
    "queue_frames": env.integer("LIVE_QUEUE_FRAMES", 1_000, at_least=1),
    "queue_bytes": env.integer("LIVE_QUEUE_BYTES", 33_554_432, at_least=1),
    "subscriptions": env.integer("LIVE_SUBSCRIPTIONS", 100, at_least=1),
    "heartbeat_s": env.integer("LIVE_HEARTBEAT_S", 5, at_least=1),
    "recheck_s": env.integer("LIVE_RECHECK_S", 30, at_least=1),
}

# The engine of flows without a key, for who tries it out on this machine.
OPEN_ENGINE = env.flag("OPEN_ENGINE", default=False)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "ids": {"()": "config.logs.WithIds"},
        "callers": {"()": "config.logs.WithoutTracesOfCallers"},
        "secrets": {"()": "config.logs.WithoutSecrets"},
    },
    "formatters": {"line": {"()": "config.logs.LineFormatter"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "filters": ["ids", "callers", "secrets"],
            "formatter": "line",
        }
    },
    "root": {
        "handlers": ["stderr"],
        "level": env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")),
    },
    "loggers": {
        # Their own handlers would print everything twice, or mail it, or leave secrets in it.
        "django": {"handlers": [], "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        "uvicorn": {"handlers": [], "propagate": True},
        "uvicorn.error": {"handlers": [], "propagate": True},
        "uvicorn.access": {"handlers": [], "propagate": True},
        # Outgoing requests are logged by their callers.
        "httpx2": {"level": "WARNING"},
    },
}

# Keys that seal the keys of the people whom entries are about: the first seals, all of them open.
LEDGER_DATA_KEYS = env.secret("LEDGER_DATA_KEYS", "").replace(",", " ").split()
# Signs the checkpoints of the ledger: 32 bytes in base64, for the process that seals only.
LEDGER_SIGNING_KEY = env.secret("LEDGER_SIGNING_KEY", "")
LEDGER_SIGNING_KEY_BEFORE = env.secret("LEDGER_SIGNING_KEY_BEFORE", "")
LEDGER_WITNESSES = env.listing("LEDGER_WITNESSES")
LEDGER_WITNESS_TOKENS = [
    pair.strip() for pair in env.secret("LEDGER_WITNESS_TOKENS", "").split(",") if pair.strip()
]
LEDGER_WITNESS_S3_URL = env.url("LEDGER_WITNESS_S3_URL")
LEDGER_WITNESS_S3_REGION = env.label("LEDGER_WITNESS_S3_REGION", "us-east-1")
LEDGER_WITNESS_S3_ACCESS_KEY = env.secret("LEDGER_WITNESS_S3_ACCESS_KEY", "")
LEDGER_WITNESS_S3_SECRET_KEY = env.secret("LEDGER_WITNESS_S3_SECRET_KEY", "")
LEDGER_WITNESS_S3_SESSION_TOKEN = env.secret("LEDGER_WITNESS_S3_SESSION_TOKEN", "")
LEDGER_WITNESS_S3_LOCK_DAYS = env.integer(
    "LEDGER_WITNESS_S3_LOCK_DAYS", 0, at_least=0, at_most=36_500
)

# URLs of commerce's peers; `up` serves all three. Empty: there is none.
COMMERCE_PAYMENT_URL = env.url("COMMERCE_PAYMENT_URL")
# Standard Webhooks secrets (whsec_…) with which the payment provider signs what it tells us.
COMMERCE_PAYMENT_WEBHOOK_SECRETS = (
    env.secret("COMMERCE_PAYMENT_WEBHOOK_SECRETS", "").replace(",", " ").split()
)
COMMERCE_MAIL_URL = env.url("COMMERCE_MAIL_URL")
COMMERCE_CMS_URL = env.url("COMMERCE_CMS_URL")
# Whether `migrate` installs the schedules of commerce: expire holds, poll settlements.
COMMERCE_TIMETABLE = env.flag("COMMERCE_TIMETABLE", default=True)
# The sender of mails about approvals; without it none are sent. Sent by Django's mail.
APPROVAL_MAIL_FROM = env.mailbox("APPROVAL_MAIL_FROM")
# Where people find the console, for links in mails.
PUBLIC_URL = env.url("PUBLIC_URL").rstrip("/")
# Whether `migrate` activates the default approval policies.
APPROVAL_POLICIES = env.flag("APPROVAL_POLICIES", default=True)

# Flows. Times in milliseconds; what a step does not say for itself comes from here.
FLOWS_RETRY_MAX = env.integer("DAYBOOK_RETRY_MAX", 10)
FLOWS_RETRY_INITIAL_BACKOFF_MS = env.integer("DAYBOOK_RETRY_INITIAL_BACKOFF", 1_000)
FLOWS_RETRY_MAX_BACKOFF_MS = env.integer("DAYBOOK_RETRY_MAX_BACKOFF", 60_000)
FLOWS_RETRY_BACKOFF_TYPE = env.text("DAYBOOK_RETRY_BACKOFF_TYPE", "exponential")
FLOWS_STEP_TIMEOUT_MS = env.integer("DAYBOOK_STEP_TIMEOUT", 30_000, at_least=1, at_most=3_600_000)
FLOWS_WEBHOOK_BASE_URL = env.url("DAYBOOK_WEBHOOK_BASE_URL", "http://localhost:8080")
FLOWS_HEALTH_INTERVAL_S = env.integer("DAYBOOK_HEALTH_INTERVAL", 30, at_least=0)
# How many starts on events may lead to each other before it is taken for a loop.
FLOWS_START_CHAIN_MAX = env.integer("DAYBOOK_FLOW_START_CHAIN_MAX", 8)
# How long the answers of memoizable steps are kept; workflows/flows/execution/memoization.py.
FLOWS_REMEMBERED_DAYS = env.number("DAYBOOK_REMEMBERED_DAYS", 30, at_most=36_500)
FLOWS_NODE = env.text("DAYBOOK_NODE", "daybook-1")
