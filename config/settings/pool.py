"""The pool of connections, for processes that serve ASGI."""

from operator import methodcaller

from config.settings import env

# Sockets are served by more threads than requests are. Nothing pooled survives a fork, so Celery's
# workers keep one connection instead.
DATABASE_POOL = env.flag("DATABASE_POOL", default=False)
DATABASE_POOL_OPTIONS = {
    "min_size": 1,
    "max_size": env.integer("DATABASE_POOL_SIZE", 20, at_least=1),
    "timeout": 5,
    # An attempt to connect that fails is repeated after twice as long each time, and no request
    # begins another meanwhile: by default for five minutes, so that a database that is back
    # stays unused for as long as it was away. Given up early, it begins anew, for those who wait.
    "reconnect_timeout": 2,
    "reconnect_failed": methodcaller("check"),
}
