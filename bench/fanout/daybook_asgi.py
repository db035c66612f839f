"""Daybook as it is served."""

from bench.fanout import ticks
from config.asgi import application

ticks.declare()

__all__ = ["application"]
