"""Tokens for programs: sign in, sign out, and who am I."""

from typing import Any

from django.contrib.auth import authenticate
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from knox.auth import TokenAuthentication
from knox.models import AuthToken
from rest_framework import exceptions, serializers, status
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AllowAny, BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle, ScopedRateThrottle

from earmark.accounts.models import User
from earmark.accounts.roles import Role
from earmark.accounts.services import audit
from earmark.accounts.sign_in import WITHIN, is_barred, record_refusal
from earmark.api.access import Answering
from earmark.corpus.access import role_of, visible_collections


class Credentials(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1000, trim_whitespace=False, style={"input_type": "password"})


class Token(serializers.Serializer[Any]):
    token = serializers.CharField(
        help_text="Send it as `Authorization: Token …`. It is shown once; only its hash is kept."
    )
    expiry = serializers.DateTimeField(help_text="UTC")


class TokenView(Answering):
    """The door: POST takes the name and password and gives a token, DELETE takes the token back."""

    serializer_class = Credentials
    throttle_scope = "sign-in"

    def get_authenticators(self) -> list[BaseAuthentication]:
        is_sign_in = self.request is not None and self.request.method == "POST"
        return [] if is_sign_in else [TokenAuthentication()]

    def get_permissions(self) -> list[BasePermission]:
        return [AllowAny() if self.request is None or self.request.method == "POST" else IsAuthenticated()]

    def get_throttles(self) -> list[BaseThrottle]:
        return [ScopedRateThrottle()] if self.request.method == "POST" else []

    def get_authenticate_header(self, request: Request) -> str:
        return "Token"

    @extend_schema(summary="Sign in", responses={201: Token}, auth=[])
    def post(self, request: Request) -> Response:
        sent = Credentials(data=request.data)
        sent.is_valid(raise_exception=True)
        tried = sent.validated_data["username"], request.META.get("REMOTE_ADDR", "")
        if is_barred(*tried):
            raise exceptions.Throttled(WITHIN.total_seconds())
        person = authenticate(request._request, **sent.validated_data)
        if not isinstance(person, User):
            record_refusal(*tried)
            raise exceptions.AuthenticationFailed(
                _("User name or password is wrong, or the account is closed.")
            )
        row, token = AuthToken.objects.create(user=person)
        audit(person, "sign in by token", f"user {person.pk}", expiry=row.expiry.isoformat())
        return Response(Token({"token": token, "expiry": row.expiry}).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Sign out: revoke the token this request is made with", request=None, responses={204: None}
    )
    def delete(self, request: Request) -> Response:
        request.auth.delete()
        audit(self.person, "sign out by token", f"user {self.person.pk}")
        return Response(status=status.HTTP_204_NO_CONTENT)


class Membership(serializers.Serializer[Any]):
    collection = serializers.CharField(help_text="the collection's short name")
    role = serializers.ChoiceField(choices=Role.choices)


class Person(serializers.Serializer[Any]):
    username = serializers.CharField()
    is_superuser = serializers.BooleanField()
    memberships = Membership(many=True)


class MeView(Answering):
    """The person behind the request."""

    serializer_class = Person

    @extend_schema(summary="Who am I, and what may I do", responses={200: Person})
    def get(self, request: Request) -> Response:
        person = self.person
        collections = visible_collections(person)
        roles = [{"collection": each.slug, "role": role_of(person, each)} for each in collections]
        told = {"username": person.username, "is_superuser": person.is_superuser, "memberships": roles}
        return Response(Person(told).data)
