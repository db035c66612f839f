"""The state of the ledger: seals and their verification, witnesses, offline checking."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from console.access import demand, signed_in
from console.forms import PageForm, ReasonForm
from console.paging import page_links
from ledger import conf
from ledger.access import authority
from ledger.disclosure import disclosing
from ledger.domain.action import Read, Target
from ledger.models import Checkpoint, Witness
from ledger.sealing import exporting, seals, soundness, witnesses
from ledger.sealing.exporting import NothingSealed

ROWS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSeal:
    """A checkpoint, and what is wrong with it as of now; None if it holds."""

    checkpoint: Checkpoint
    entries: int
    fault: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessState:
    """A witness as it is set up, and how far it is behind. `fault`: why nothing is sent to it."""

    shown: str
    witness: Witness | None
    behind: int
    fault: str


@signed_in
def listing(request: HttpRequest) -> HttpResponse:
    """Show the newest seals, each checked anew, and the witnesses that have copies."""
    demand(request, "ledger.read")
    form = PageForm(request.GET)
    return _page(request, form, ReasonForm(), status=200 if form.is_valid() else 400)


def _page(
    request: HttpRequest, form: PageForm, exporting: ReasonForm, *, status: int
) -> HttpResponse:
    found = Checkpoint.objects.select_related("key").order_by("-number")
    if before := form.cleaned_data.get("before"):
        found = found.filter(number__lt=before)
    rows = [] if form.errors else list(found[: ROWS + 1])
    shown = rows[:ROWS]
    progress = seals.progress(at=timezone.now())
    context = {
        "progress": progress,
        "is_late": progress.lag_seconds > conf.SEAL_LAG_S_MAX,
        "rows": [_checked(each, before) for each, before in _with_those_before(rows, shown)],
        "witnesses": _witness_states(progress.checkpoint),
        "may_export": authority.holds(request, "ledger.export"),
        "form": exporting,
        **page_links(request.GET, shown[-1].number if len(rows) > ROWS else None),
    }
    return render(request, "console/ledger/seals.html", context, status=status)


@signed_in
@require_POST
def export(request: HttpRequest) -> HttpResponseBase:
    """Hand out everything that is sealed, with its seals. That it left is on record first."""
    demand(request, "ledger.export")
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _refused(request, form, status=400)
    read = Read(
        name="ledger.export",
        target=Target(type="ledger", id="all"),
        capability="ledger.export",
        fields=("entries",),
        reason=form.cleaned_data["reason"],
    )
    try:
        lines = disclosing.disclosed(read, exporting.export_run)
    except NothingSealed as why:
        messages.error(request, f"{why} {why.hint}")
        return _refused(request, form, status=409)
    return StreamingHttpResponse(
        lines,
        content_type="application/jsonl",
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": 'attachment; filename="ledger.jsonl"',
        },
    )


def _refused(request: HttpRequest, form: ReasonForm, *, status: int) -> HttpResponseBase:
    """Show the page again, with what was typed; without it to who may not see it."""
    if not authority.holds(request, "ledger.read"):
        return redirect("console:seals")
    beginning = PageForm({})
    beginning.is_valid()
    return _page(request, beginning, form, status=status)


def _with_those_before(
    rows: list[Checkpoint], shown: list[Checkpoint]
) -> Iterator[tuple[Checkpoint, Checkpoint | None]]:
    known = {each.number: each for each in rows}
    for each in shown:
        yield each, known.get(each.number - 1)


def _checked(checkpoint: Checkpoint, before: Checkpoint | None) -> CheckedSeal:
    return CheckedSeal(
        checkpoint=checkpoint,
        entries=checkpoint.size - (before.size if before else 0),
        fault=soundness.fault_of(checkpoint, before),
    )


def _witness_states(last: Checkpoint | None) -> list[WitnessState]:
    known = {row.url: row for row in Witness.objects.filter(url__in=conf.witnesses())}
    newest = last.number if last else 0
    return [
        WitnessState(
            shown=witnesses.shown(url),
            witness=known.get(url),
            behind=newest - (known[url].number if url in known else 0),
            fault=witnesses.fault_of(url),
        )
        for url in conf.witnesses()
    ]
