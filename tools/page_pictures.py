"""Draw the pictures of the page: three for the README, and a newcomer's first ten minutes for docs/page.md.

Models may be named, as files for MovieLens 100K; without any, those of `make serve` that the pictures show are trained.
The newcomer answers what a person of MovieLens answered, and says "not seen" where that person did not rate.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pictures import opened, served, stored
from PIL import Image, ImageDraw, ImageFont

import palate

DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 760}
PERSON = 92  # of MovieLens: whom the newcomer answers like
ROUNDS = 3  # of questions
LIKED = {50: 5, 172: 5, 181: 4, 98: 5, 174: 5, 64: 4, 100: 5, 288: 2, 294: 2, 204: 4}  # what the visitor rated
FILM = 127
SCALE = 0.8  # of a picture in a strip
GAP, BADGE = 18, 34
CALM = 900  # milliseconds after which an answer has come, and nothing moves
RATE = """
async ([item, value]) => {
  const body = JSON.stringify({ item: String(item), value, event_id: crypto.randomUUID() });
  return (await fetch("web/ratings", { method: "POST", headers: { "content-type": "application/json" }, body })).status;
}
"""
ROUND = "() => JSON.parse(Object.entries(localStorage).find(([key]) => key.startsWith('palate.questions'))[1]).round"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        models = [Path(name) for name in sys.argv[1:]] or trained(Path(folder))
        with served(models, Path(folder)) as address, opened() as browser:
            for_readme(browser, address)
            shots = ten_minutes(browser, address)
    half = len(shots) // 2
    stored(strip(shots[:half], 1), "page-minutes-1.png")
    stored(strip(shots[half:], half + 1), "page-minutes-2.png")


def trained(folder: Path) -> list[Path]:
    """Train the models of lists and of stars, and return their files."""
    data = palate.load_movielens("100k")
    palate.save(palate.EASE(positive=4).fit(data), folder / "ease.safetensors")
    palate.save(palate.BayesianMF(random_state=42).fit(data), folder / "bayes.safetensors")
    return [folder / "ease.safetensors", folder / "bayes.safetensors"]


def for_readme(browser: Any, address: str) -> None:
    """Draw the list of somebody who rated some films, a film's page, and the questions on a phone."""
    page = tab(browser, address, DESKTOP)
    for item, value in LIKED.items():
        if (status := page.evaluate(RATE, [item, value])) != 200:
            sys.exit(f"rating {item} was answered with {status}")
    show(page, address, "")
    page.locator(".card .why").nth(1).click()
    rested(page)
    stored(page.screenshot(), "page.png")
    show(page, address, f"?view=film&item={FILM}")
    stored(page.screenshot(), "page-film.png")
    page.context.close()
    phone = tab(browser, address, PHONE, color_scheme="dark")
    answered(phone, address, rounds=1)
    stored(phone.screenshot(), "page-new.png")
    phone.context.close()


def ten_minutes(browser: Any, address: str) -> list[bytes]:
    """Return what a newcomer sees on a phone, from the first list to what is kept of them."""
    page, shots = tab(browser, address, PHONE), []

    def shot(query: str | None = None, act: Callable[[], None] | None = None) -> None:
        if query is not None:
            show(page, address, query)
        if act is not None:
            act()
            rested(page)
        shots.append(page.screenshot())

    shot("")
    shot("?view=new")
    answered(page, address, ROUNDS)
    shot()
    shot("", page.locator(".card .why").first.click)
    show(page, address, "?genre=Comedy")
    if page.locator(".filters details[open]").count() == 0:
        page.locator(".filters summary").click()
    page.get_by_label("Discovery").fill("1")
    rested(page)
    shot(act=lambda: page.locator(".card .mark").first.evaluate("mark => mark.scrollIntoView({ block: 'center' })"))
    shot(f"?view=film&item={FILM}")
    shot(f"?view=map&item={FILM}")
    shot("?view=data", lambda: page.locator("#data-download").scroll_into_view_if_needed())
    page.context.close()
    return shots


def tab(browser: Any, address: str, size: dict[str, int], **options: Any) -> Any:
    """Open the page as somebody new."""
    page = browser.new_context(viewport=size, **{"color_scheme": "light", **options}).new_page()
    show(page, address, "")
    return page


def show(page: Any, address: str, query: str) -> None:
    page.goto(f"{address}/{query}")
    page.wait_for_selector("h1")
    rested(page)


def rested(page: Any) -> None:
    """Wait until nothing is asked for and nothing moves."""
    page.wait_for_load_state("networkidle")
    page.wait_for_function("!document.querySelector('[aria-busy=true], .waiting, .waits')")
    page.wait_for_timeout(CALM)


def answered(page: Any, address: str, rounds: int) -> None:
    """Answer some rounds of questions as a person of MovieLens did."""
    log = palate.load_movielens("100k").interactions.to_table()
    gave = {item: rating for user, item, rating in log.select("user_id", "item_id", "value").rows() if user == PERSON}
    show(page, address, "?view=new")
    for _ in range(rounds):
        for film in page.evaluate(ROUND):
            question = page.locator(".question").first
            value = gave.get(int(film["item"]))
            button = question.locator("> button") if value is None else question.locator(".star").nth(int(value) - 1)
            button.click()
            page.wait_for_timeout(150)
        rested(page)


def strip(shots: Sequence[bytes], first: int) -> Image.Image:
    """Return pictures side by side, each with its number."""
    images = [Image.open(io.BytesIO(shot)).convert("RGB") for shot in shots]
    width, height = (round(side * SCALE) for side in images[0].size)
    out = Image.new("RGB", (len(images) * (width + GAP) - GAP, height + BADGE), "white")
    draw, font = ImageDraw.Draw(out), ImageFont.load_default(20)
    for at, image in enumerate(images):
        left = at * (width + GAP)
        out.paste(image.resize((width, height), Image.Resampling.LANCZOS), (left, BADGE))
        draw.rectangle((left, BADGE, left + width - 1, BADGE + height - 1), outline="#968a92")
        draw.text((left + 2, 4), str(first + at), fill="#8a2f55", font=font)
    return out


if __name__ == "__main__":
    main()
