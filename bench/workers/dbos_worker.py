"""A DBOS worker of one queue: `python -m bench.workers.dbos_worker URL`. Ends with its input."""

import sys

from dbos import DBOS

QUEUE, WORKFLOW = "bench", "workflow"
POLL_S = 0.02


def main() -> None:
    DBOS(
        config={
            "name": "bench",
            "system_database_url": sys.argv[1],
            "log_level": "ERROR",
            "application_version": "1",
        }
    )

    @DBOS.step()
    def step(number: int) -> int:
        return number

    @DBOS.workflow(name=WORKFLOW)
    def workflow(steps: int) -> int:
        return sum(step(number) for number in range(steps))

    DBOS.launch()
    DBOS.register_queue(QUEUE, polling_interval_sec=POLL_S)
    print("ready", flush=True)
    sys.stdin.read()
    DBOS.destroy()


if __name__ == "__main__":
    main()
