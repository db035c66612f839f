"""Users and groups in the admin: created and changed through services, after the password again.

Django's own pages would change them without an entry, let whoever may change users make
themselves a superuser, and fail on ids that are none.
"""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import AdminForm
from django.contrib.admin.utils import unquote
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import AdminPasswordChangeForm, UserCreationForm
from django.contrib.auth.models import Group, Permission, User
from django.db.models import ManyToManyField
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.views.decorators.debug import sensitive_post_parameters

from events.domain.errors import DomainError
from ledger import admin_access
from ledger.access import authority, grants, step_up
from ledger.admin_access import CapabilityAdmin, ThroughServices
from ledger.domain.rights import Rights
from ledger.services import accounts

PASSWORDS = ("password1", "password2", "your_password")


class StepUpForm(forms.Form):
    """Asks for the password of who is logged in, unless they gave it lately."""

    request: HttpRequest
    your_password = forms.CharField(
        label="Your own password",
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "current-password"}),
        help_text="Asked for again, because this decides who may do what.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "your_password" in self.fields:
            self.fields["your_password"].required = not step_up.is_fresh(self.request)

    def clean_your_password(self) -> str:
        """Check it, and let it count for a while."""
        password: str = self.cleaned_data["your_password"]
        if password and not step_up.prove(self.request, password):
            raise forms.ValidationError("This is not your password.")
        return ""


class _NewUserForm(StepUpForm, UserCreationForm[User]):
    pass


class _UserForm(StepUpForm, forms.ModelForm[User]):
    pass


class _GroupForm(StepUpForm, forms.ModelForm[Group]):
    pass


class _PasswordForm(StepUpForm, AdminPasswordChangeForm):  # type: ignore[type-arg]  # Only the stubs know of one.
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Nobody's password is taken away here: who may not log in is made inactive.
        self.fields.pop("usable_password", None)


class _Permissions(forms.ModelMultipleChoiceField[Permission]):
    """Capabilities, by what they let somebody do. Django's own permissions open nothing here."""

    def label_from_instance(self, obj: Permission) -> str:
        return f"{obj.codename}: {obj.name}"


class _AccountAdmin(ThroughServices, CapabilityAdmin[Any]):
    """Rows that a service creates and changes, and that are never deleted."""

    reads = "user.read"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return authority.holds(request, accounts.CAPABILITY)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return authority.holds(request, accounts.CAPABILITY)

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, *args, **kwargs)
        return type(form.__name__, (form,), {"request": request})

    def formfield_for_manytomany(
        self, db_field: "ManyToManyField[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.remote_field.model is Permission:
            kwargs["form_class"], kwargs["queryset"] = _Permissions, grants.of_capabilities()
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001 (Django's signature)
        row_id = obj.pk if change else None
        saved = self.saved(authority.caller_of(request), row_id, form.cleaned_data)
        vars(obj).update(vars(saved))  # So that Django goes on with what was saved.

    def save_related(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the service has saved groups and permissions too."""

    def saved(self, caller: authority.Caller, row_id: int | None, values: dict[str, Any]) -> Any:
        """Call the service that makes the row what the form says; a new one without an id."""
        raise NotImplementedError


admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(_AccountAdmin):
    form = _UserForm
    list_display = ["username", "email", "is_active", "is_staff", "is_superuser", "last_login"]
    list_filter = ["is_active", "is_staff", "is_superuser", "groups"]
    search_fields = ["username", "first_name", "last_name", "email"]
    search_help_text = "A part of the name or of the e-mail address."
    ordering = ["username"]
    filter_horizontal = ["groups", "user_permissions"]
    readonly_fields = ["password_of", "last_login", "date_joined"]

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None:
            names = ["username", "password1", "password2", "your_password"]
            return [(None, {"fields": names})]
        may_change = self.has_change_permission(request, obj)
        flags = ["is_active", "is_staff", "is_superuser"]
        return [
            (None, {"fields": ["username", *(["password_of"] if may_change else [])]}),
            ("Contact", {"fields": ["first_name", "last_name", "email"]}),
            ("Rights", {"fields": [*flags, "groups", "user_permissions"]}),
            ("Dates", {"fields": ["last_login", "date_joined"]}),
            *([("Confirmation", {"fields": ["your_password"]})] if may_change else []),
        ]

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if args[:1] in {(), (None,)}:
            kwargs["form"] = _NewUserForm
        return super().get_form(request, *args, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        return self.readonly_fields if obj else []

    @admin.display(description="Password")
    def password_of(self, user: User) -> str:
        """Lead to the form for another one; of this one, show nothing."""
        url = reverse("admin:auth_user_password_change", args=[user.pk])
        return format_html('<a href="{}">Set another password</a>', url)

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.password)
        name = "auth_user_password_change"
        return [path("<path:user_id>/password/", page, name=name), *super().get_urls()]

    @method_decorator(sensitive_post_parameters(*PASSWORDS))
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return super().changeform_view(request, *args, **kwargs)

    def saved(self, caller: authority.Caller, row_id: int | None, values: dict[str, Any]) -> User:
        """Create the user, or make them what the form says."""
        if row_id is None:
            return accounts.create_user(
                username=values["username"], password=values["password1"], caller=caller
            )
        return accounts.change_user(
            user_id=row_id,
            username=values["username"],
            contact={name: values[name] for name in ("first_name", "last_name", "email")},
            rights=Rights(
                is_active=values["is_active"],
                is_staff=values["is_staff"],
                is_superuser=values["is_superuser"],
                groups=frozenset(group.name for group in values["groups"]),
                permissions=accounts.labels_of(values["user_permissions"]),
            ),
            caller=caller,
        )

    def response_add(self, request: HttpRequest, obj: User, post_url_continue: Any = None) -> Any:
        """Go on with what the new user may do."""
        return HttpResponseRedirect(reverse("admin:auth_user_change", args=[obj.pk]))

    @method_decorator(sensitive_post_parameters(*PASSWORDS))
    def password(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Show the form for another password of a user; on POST, give it to them."""
        admin_access.demand_capability(request, accounts.CAPABILITY)
        user = self.get_object(request, unquote(user_id))
        if user is None:
            raise Http404
        form_class: Any = type("PasswordForm", (_PasswordForm,), {"request": request})
        form = form_class(user, request.POST if request.method == "POST" else None)
        if form.is_valid():
            done = self._given_password(request, user, form)
            if done is not None:
                return done
        context = {
            **self.admin_site.each_context(request),
            "title": f"Set password: {user.get_username()}",
            "opts": self.opts,
            "original": user,
            "form": form,
            "fields": AdminForm(
                form, [(None, {"fields": ["password1", "password2", "your_password"]})], {}
            ),
        }
        return TemplateResponse(request, "admin/auth/user/password.html", context)

    def _given_password(self, request: HttpRequest, user: User, form: Any) -> HttpResponse | None:
        password, caller = form.cleaned_data["password1"], authority.caller_of(request)
        try:
            changed = accounts.set_password(user_id=user.pk, password=password, caller=caller)
        except DomainError as refusal:
            self.show_refusal(request, refusal)
            return None
        update_session_auth_hash(request, changed)
        messages.success(request, f"{changed} has another password; their sessions ended.")
        return HttpResponseRedirect(reverse("admin:auth_user_change", args=[user.pk]))


@admin.register(Group)
class GroupAdmin(_AccountAdmin):
    form = _GroupForm
    list_display = ["name"]
    search_fields = ["name"]
    search_help_text = "A part of the name."
    ordering = ["name"]
    filter_horizontal = ["permissions"]

    def get_fieldsets(self, request: HttpRequest, obj: Group | None = None) -> Any:
        may_change = self.has_change_permission(request, obj)
        names = ["name", "permissions", *(["your_password"] if may_change else [])]
        return [(None, {"fields": names})]

    def saved(self, caller: authority.Caller, row_id: int | None, values: dict[str, Any]) -> Group:
        """Create the group, or make it what the form says."""
        name, permissions = values["name"], accounts.labels_of(values["permissions"])
        if row_id is None:
            return accounts.create_group(name=name, permissions=permissions, caller=caller)
        return accounts.change_group(
            group_id=row_id, name=name, permissions=permissions, caller=caller
        )
