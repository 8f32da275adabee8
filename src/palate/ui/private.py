"""`Private`: keeps the reader's browser from speaking to any other host."""

from __future__ import annotations

import re

from palate.serve.asgi import App, Message, Receive, Send

# The browser is told to speak to this server alone. Gradio's templates are compiled in the page: hence 'unsafe-eval'.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; frame-src 'none'; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
# tags that name another host, and the script for pages inside a frame of another host
OUTSIDE = (
    re.compile(
        r"<(?:meta|link)\b[^>]*?\b(?:content|href)\s*=\s*[\"']?\s*(?:https?:)?//[^>]*>", re.IGNORECASE | re.DOTALL
    ),
    re.compile(r"<script\b[^>]*?\bsrc\s*=\s*[\"']?\s*(?:https?:)?//[^>]*>\s*</script>", re.IGNORECASE | re.DOTALL),
    re.compile(
        r"<script\b[^>]*>(?:(?!</script>).)*?iframeResizer\.contentWindow.*?</script>", re.IGNORECASE | re.DOTALL
    ),
    re.compile(r"<meta\b[^>]*?\b(?:property|name)\s*=\s*[\"'](?:og|twitter):[^>]*>", re.IGNORECASE | re.DOTALL),
    re.compile(
        r"<link\b[^>]*?\brel\s*=\s*[\"'](?:manifest|preconnect|dns-prefetch)[\"'][^>]*>", re.IGNORECASE | re.DOTALL
    ),
)


def without_outside(html: str) -> str:
    """Return a page without the tags that name other hosts."""
    for pattern in OUTSIDE:
        html = pattern.sub("", html)
    return html


class Private:
    """ASGI wrapper: rewrites HTML by `without_outside`, and sets the headers above."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if scope["path"] == "/":  # plain text, so that it can be rewritten
            scope = {**scope, "headers": [(k, v) for k, v in scope["headers"] if k != b"accept-encoding"]}
        return await self.app(scope, receive, _Rewriting(send))


class _Rewriting:
    """Sends an answer on; HTML is gathered and rewritten first."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *HEADERS]}
            if dict(message["headers"]).get(b"content-type", b"").startswith(b"text/html"):
                self._start = message
                return
        elif message["type"] == "http.response.body" and self._start is not None:
            self._body += message.get("body", b"")
            if message.get("more_body"):
                return
            await self._send_rewritten(self._start)
            return
        await self._send(message)

    async def _send_rewritten(self, start: Message) -> None:
        body = without_outside(self._body.decode()).encode()
        headers = [(k, v) for k, v in start["headers"] if k.lower() != b"content-length"]
        await self._send({**start, "headers": [*headers, (b"content-length", b"%d" % len(body))]})
        await self._send({"type": "http.response.body", "body": body})
