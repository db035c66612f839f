from django.apps import AppConfig


class LedgerBenchConfig(AppConfig):
    name = "bench.ledger"
    label = "ledger_bench"
