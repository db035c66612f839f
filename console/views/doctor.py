"""The findings of the doctor: every invariant of the product, one line each."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from events import doctor
from ledger.access import authority
from workflows.work import checkups, selectors


@authority.requires("system.health")
@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest) -> HttpResponse:
    """Show the last findings; a POST has the doctor look again and keeps what it finds."""
    if request.method == "POST":
        checkup = checkups.check_up()
        healthy = "All is well." if checkup.is_healthy else "Something is wrong; see below."
        messages.info(request, f"The doctor looked again. {healthy}")
        return redirect("console:doctor")
    found = selectors.latest_checkup()
    findings = found.findings if found else {}
    checks = [(each, findings.get(each.id)) for each in doctor.checks()]
    context = {
        "checkup": found,
        # What is wrong is not looked for among what holds.
        "checks": sorted(checks, key=lambda each: not (each[1] and each[1]["count"])),
        "workers": selectors.workers(),
    }
    return render(request, "console/doctor.html", context)
