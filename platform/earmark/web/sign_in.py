"""The door: sign in and sign out."""

from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpResponse

from earmark.accounts.models import User
from earmark.accounts.services import audit
from earmark.accounts.sign_in import WITHIN, is_barred, record_refusal


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
        record_refusal(*self._tried())
        return super().form_invalid(form)

    def _tried(self) -> tuple[str, str]:
        return self.request.POST.get("username", ""), self.request.META.get("REMOTE_ADDR", "")


class SignOut(LogoutView):
    """POST only; back to the door."""

    http_method_names = ["post", "options"]
