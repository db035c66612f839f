"""Where jobs may store personal data: in their inputs and results."""

from django.db.models import Q

from ledger.erasing import erasure
from ledger.erasing.erasure import Place
from ledger.erasing.searching import Search, Texts
from workflows.work.domain.life import WAITING, State
from workflows.work.models import Attempt, Schedule, Work

UNDER_WAY = "The job is under way and needs it; once it has ended, ask again"
IN_USE = "It is a rule in use: change it by hand"
ONLY_GROWS = "The journal of attempts only grows; addresses are masked when it is written"

_NOT_ENDED = Q(status__in=[state.value for state in {*WAITING, State.LEASED}])

erasure.declare_place(
    Place(
        name="work.jobs",
        holds="Inputs, results and errors of jobs",
        handle=Search(
            Texts(
                rows=Work.objects.all,
                columns=("input", "result", "reason", "last_error"),
                keeps=_NOT_ENDED,
                because=UNDER_WAY,
            ),
            Texts(rows=Schedule.objects.all, columns=("input",), because=IN_USE),
            Texts(rows=Attempt.objects.all, columns=("error", "stack"), because=ONLY_GROWS),
        ),
    )
)
