"""What the pages allow the browser to load: their own files, and nothing that is written into the page."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
DEVICES = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


def with_microphone(response: HttpResponse) -> HttpResponse:
    """`response`, a page that may record through the microphone and play what the browser holds in memory."""
    response.headers["Content-Security-Policy"] = f"{POLICY}; media-src 'self' blob:"
    response.headers["Permissions-Policy"] = DEVICES.replace("microphone=()", "microphone=(self)")
    return response


class ContentSecurityPolicy:
    """Middleware: the pages of this app carry the policy; the administration has inline scripts of its own.

    No page asks for a device, except one that says so.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        match = request.resolver_match
        if match is None or match.app_name == "web":
            response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers.setdefault("Permissions-Policy", DEVICES)
        return response
