"""Where flows may store personal data, beside their events."""

from ledger.domain.erasure import Means
from ledger.erasing import erasure
from ledger.erasing.erasure import Place
from ledger.erasing.searching import Search, Texts
from workflows.flows.models import AwaitedEvent, FlowStart, FlowSummary, Remembered

IN_USE = "It is a rule in use: change it by hand"
FOLLOWS = "It follows from the log, which only grows"

erasure.declare_place(
    Place(
        name="flows.memory",
        holds="Answers of steps that are remembered",
        handle=Search(
            Texts(rows=Remembered.objects.all, columns=("outputs",), means=Means.DELETED)
        ),
    )
)
erasure.declare_place(
    Place(
        name="flows.definitions",
        holds="Attributes, labels and filters of flows, and of what starts them",
        handle=Search(
            Texts(rows=FlowSummary.objects.all, columns=("labels", "error"), because=FOLLOWS),
            Texts(
                rows=FlowStart.objects.all,
                columns=("init", "labels", "options", "filter"),
                because=IN_USE,
            ),
            Texts(rows=AwaitedEvent.objects.all, columns=("filter",), because=IN_USE),
        ),
    )
)
