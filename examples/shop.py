"""A small shop on the service: what visitors look at and buy decides what they see next. Of the standard library alone.

    palate serve --store sqlite:///shop.db          # in one terminal
    python examples/shop.py                         # in another; then open http://127.0.0.1:8001

It shows what a shop has to do: write its catalogue, keep a visitor's id in a cookie, send each click with the list and
the place that it came from, say that a list was seen, merge the visitor into an account at the log-in, take something
back, and forget somebody. Before the first model is trained the service answers with what is popular.
"""

from __future__ import annotations

import argparse
import secrets
from html import escape
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from client import Service, ServiceError

DEPARTMENTS = {
    "Tea": ["Assam", "Darjeeling", "Earl Grey", "Jasmine", "Rooibos", "Sencha"],
    "Coffee": ["Espresso", "Filter roast", "Decaf", "Mocha", "Cold brew", "Sumatra"],
    "Cheese": ["Brie", "Cheddar", "Comté", "Feta", "Gouda", "Stilton"],
    "Bread": ["Baguette", "Focaccia", "Rye", "Sourdough", "Spelt", "Toast"],
}
CATALOGUE = [
    {"id": f"{department.lower()}/{n}", "attributes": {"title": title, "department": department, "price": 2.5 + n}}
    for department, titles in DEPARTMENTS.items()
    for n, title in enumerate(titles, 1)
]
COOKIE = "visitor"
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>The corner shop</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
ul {{ list-style: none; padding: 0; display: grid; gap: 1rem }}
ul {{ grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)) }}
li {{ border: 1px solid #ccc; border-radius: .5rem; padding: .75rem }} form {{ display: inline }}
small {{ color: #666 }}
button {{ font: inherit; cursor: pointer }} nav {{ display: flex; gap: 1rem; flex-wrap: wrap; align-items: center }}
</style><h1><a href="/">The corner shop</a></h1>{body}</html>"""


class Shop(HTTPServer):
    """The shop at a port, on a service; one visitor after the other.

    Args:
        url, key: of the service, as in `Service`.
        port: of the shop; 0 takes a free one.
    """

    def __init__(self, url: str, key: str | None = None, port: int = 8001) -> None:
        super().__init__(("127.0.0.1", port), Visit)
        self.service = Service(url, key)
        self.service.write_items(CATALOGUE)

    def server_close(self) -> None:
        """End the shop."""
        self.service.close()
        super().server_close()


class Visit(BaseHTTPRequestHandler):
    """One request of a visitor, who is known by a cookie."""

    server: Shop

    def do_GET(self) -> None:
        """Show the front page, a department, or a product."""
        place = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(place.query).items()}
        if place.path == "/":
            taken = self._button("/undo", "Take it back", event_id=asked["told"]) if "told" in asked else ""
            self._page(taken + self._front(asked.get("department")))
        elif place.path == "/product":
            self._page(self._product(asked))
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        """Do what a button says, and go to the page that it names."""
        length = int(self.headers.get("Content-Length", 0))
        form = {name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()}
        actions = {"/tell": self._tell, "/undo": self._undo, "/login": self._login, "/forget": self._forget}
        if self.path not in actions:
            return self.send_error(404)
        try:
            next_page, cookie = actions[self.path](form)
        except (KeyError, ServiceError) as error:
            return self.send_error(400, explain=str(error))
        self.send_response(303)
        self.send_header("Location", next_page)
        self.send_header("Set-Cookie", _cookie(cookie))
        self.end_headers()
        return None

    def _front(self, department: str | None) -> str:
        where = [f"department={department}"] if department else []
        answer = self.server.service.recommend(self.visitor, n=8, where=where, why=True)
        self.server.service.saw(self.visitor, answer)  # else nobody knows what was looked at
        links = " ".join(f'<a href="/?department={quote(name)}">{escape(name)}</a>' for name in DEPARTMENTS)
        how = "chosen for you" if answer["policy"] == "model" else "popular with others"
        log_in = '<form method="post" action="/login"><input name="account" placeholder="your name" required>'
        nav = f"<nav>{links} {log_in}<button>Log in</button></form>{self._button('/forget', 'Forget me')}</nav>"
        cards = "".join(self._card(shown, answer["list_id"]) for shown in answer["items"])
        return f"{nav}<p>{how}</p><ul>{cards}</ul>"

    def _card(self, shown: dict[str, Any], list_id: str | None) -> str:
        item, about = shown["item"], shown["attributes"]
        title, of = escape(str(about.get("title", item))), {"item": item, "place": str(shown["place"])}
        of |= {"list_id": list_id} if list_id else {}
        link = "&amp;".join(f"{name}={quote(value)}" for name, value in of.items())
        buttons = self._button("/tell", "Buy", kind="purchase", **of) + self._button(
            "/tell", "Not for me", kind="hide", **of
        )
        why = ", ".join(escape(str(reason.get("title") or reason.get("item", ""))) for reason in shown["why"] or ())
        because = f"<br><small>because of {why}</small>" if why else ""
        return f'<li><a href="/product?{link}">{title}</a><br>{about.get("price", "")} {buttons}{because}</li>'

    def _product(self, asked: dict[str, str]) -> str:
        self._tell({**asked, "kind": "click"})
        like = self.server.service.similar(asked["item"], n=4)
        cards = "".join(self._card(shown, None) for shown in like["items"])
        return f"<h2>{escape(asked['item'])}</h2><p>Others like it</p><ul>{cards}</ul>"

    def _tell(self, form: dict[str, str]) -> tuple[str, str]:
        answer = None
        if "list_id" in form:
            answer = {"list_id": form["list_id"], "items": [{"item": form["item"], "place": int(form["place"])}]}
        event = self.server.service.tell(self.visitor, form["item"], form["kind"], answer=answer)
        return f"/?told={quote(event)}", self.visitor

    def _undo(self, form: dict[str, str]) -> tuple[str, str]:
        self.server.service.undo(self.visitor, form["event_id"])
        return "/", self.visitor

    def _login(self, form: dict[str, str]) -> tuple[str, str]:
        account = f"account:{form['account']}"
        if self.visitor != account:
            self.server.service.merge(self.visitor, account)
        return "/", account

    def _forget(self, form: dict[str, str]) -> tuple[str, str]:
        self.server.service.forget(self.visitor)
        return "/", _stranger()

    @property
    def visitor(self) -> str:
        """Who asks; somebody new gets an id, and keeps it in a cookie."""
        if not hasattr(self, "_visitor"):
            had = SimpleCookie(self.headers.get("Cookie", "")).get(COOKIE)
            self._visitor = had.value if had else _stranger()
        return self._visitor

    def _button(self, action: str, word: str, **fields: str) -> str:
        hidden = "".join(f'<input type="hidden" name="{n}" value="{escape(v)}">' for n, v in fields.items())
        return f'<form method="post" action="{action}">{hidden}<button>{word}</button></form>'

    def _page(self, body: str) -> None:
        page = PAGE.format(body=body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Set-Cookie", _cookie(self.visitor))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name of the library)
        """Say nothing: addresses hold ids of people."""


def _stranger() -> str:
    return f"visitor:{secrets.token_hex(8)}"


def _cookie(visitor: str) -> str:
    """Return the cookie; a real shop would sign it, and set Secure behind TLS."""
    cookie = SimpleCookie({COOKIE: visitor})
    cookie[COOKIE].update({"httponly": True, "samesite": "Lax", "path": "/"})
    return cookie[COOKIE].OutputString()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="of the service")
    parser.add_argument("--key", help="an API key of the service")
    parser.add_argument("--port", type=int, default=8001)
    asked = parser.parse_args()
    with Shop(asked.url, asked.key, asked.port) as shop:
        print(f"The shop is at http://127.0.0.1:{shop.server_address[1]}  (Ctrl-C ends it)")
        shop.serve_forever()


if __name__ == "__main__":
    main()
