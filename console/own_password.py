"""The page of the admin on which people change their own password: by a service, on record."""

from typing import Any

from django.contrib.admin.forms import AdminPasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpResponse
from django.urls import reverse_lazy

from events.domain.errors import DomainError
from ledger.approving.gate import ApprovalRequired
from ledger.services import accounts


class _Form(AdminPasswordChangeForm):
    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002 (Django's signature)
        password = self.cleaned_data["new_password1"]
        self.user = accounts.change_password(user_id=self.user.pk, password=password)
        return self.user


class OwnPassword(PasswordChangeView):
    form_class = _Form
    success_url = reverse_lazy("admin:password_change_done")

    def form_valid(self, form: Any) -> HttpResponse:
        """Change it; the session in which it is changed goes on."""
        try:
            return super().form_valid(form)
        except ApprovalRequired:
            raise  # It has a page of its own.
        except DomainError as refusal:
            form.add_error(None, refusal.sentences)
            return self.form_invalid(form)
