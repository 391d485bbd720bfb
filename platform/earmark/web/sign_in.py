"""The door: sign in, sign out, and the limit on wrong passwords."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpResponse
from django.utils import timezone

from earmark.accounts.models import AuditEntry, User
from earmark.accounts.services import audit

WRONG_PASSWORD = "sign-in refused"
TRIES = 8
WITHIN = timedelta(minutes=10)


def subject_of(username: str, address: str) -> str:
    """What refused sign-ins are counted by: the name tried and the peer that tried it."""
    return f"sign-in:{username.casefold()[:60]}@{address}"[:120]


def is_barred(username: str, address: str) -> bool:
    """Whether this peer gave too many wrong passwords for this name lately."""
    recent = AuditEntry.objects.filter(
        subject=subject_of(username, address), verb=WRONG_PASSWORD, at__gte=timezone.now() - WITHIN
    )
    return recent.count() >= TRIES


class SignIn(LoginView):
    """Name and password. Refusals are kept in the audit log; after TRIES of them the door stays shut for a while."""

    template_name = "web/sign_in.html"
    redirect_authenticated_user = True

    def post(self, *args: Any, **kwargs: Any) -> HttpResponse:
        if is_barred(*self._tried()):
            form = self.get_form_class()(self.request)
            context = self.get_context_data(form=form, barred_minutes=int(WITHIN.total_seconds() // 60))
            return self.render_to_response(context, status=429)
        return super().post(*args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        person = form.get_user()
        assert isinstance(person, User)
        audit(person, "sign in", f"user {person.pk}")
        return super().form_valid(form)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        audit(None, WRONG_PASSWORD, subject_of(*self._tried()))
        return super().form_invalid(form)

    def _tried(self) -> tuple[str, str]:
        return self.request.POST.get("username", ""), self.request.META.get("REMOTE_ADDR", "")


class SignOut(LogoutView):
    """POST only; back to the door."""

    http_method_names = ["post", "options"]
