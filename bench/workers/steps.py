"""The steps of the benchmark, for a Celery worker that is told to import them."""

from bench.rows import flows

flows.register_functions()
