"""The composition root: the only package that knows all apps. Nobody imports it."""
