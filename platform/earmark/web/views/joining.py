"""The personal link of an invitation: into Label Studio, and back."""

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from annotation import label_studio
from annotation.invitations import accept, invited_by, way_in
from annotation.review_models import Invitation
from earmark.speech.errors import EarmarkError


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest, token: str) -> HttpResponse:
    """What the invited person has to do. They send it when they have signed up; then their account is looked for."""
    try:
        invitation = invited_by(token)
    except EarmarkError as error:
        return _closed(request, error)
    told = ""
    if request.method == "POST":
        try:
            with label_studio.client() as studio:
                told = (
                    ""
                    if accept(invitation, studio)
                    else _("Label Studio has no account of that address yet.")
                )
        except EarmarkError as error:
            told = f"{error} ({error.error_id})"
    return _open(request, invitation, token, told)


@never_cache
@require_GET
def join_go(request: HttpRequest, token: str) -> HttpResponseBase:
    """On to Label Studio."""
    try:
        invitation = invited_by(token)
        with label_studio.client() as studio:
            return redirect(way_in(invitation, studio))
    except EarmarkError as error:
        return _closed(request, error)


def _open(request: HttpRequest, invitation: Invitation, token: str, told: str) -> HttpResponse:
    context = {
        "invitation": invitation,
        "annotator": invitation.annotator,
        "address": invitation.annotator.studio_email or invitation.annotator.user.email,
        "token": token,
        "told": told,
    }
    return render(request, "web/join.html", context)


def _closed(request: HttpRequest, error: EarmarkError) -> HttpResponse:
    status = 404 if error.error_id.startswith("annotation:invitation:") else 503
    return render(request, "web/join_closed.html", {"error": error}, status=status)
