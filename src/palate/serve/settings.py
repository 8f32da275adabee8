"""What the service is told: by the command line, or by environment variables that begin with PALATE_."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from palate.errors import ParameterError

MIB = 1 << 20


class Settings(BaseSettings):
    """What one service is told.

    Attributes:
        store: address of the store, such as ``sqlite:///shop.db``.
        folder: where models and tombstones are; without it, beside the SQLite file.
        figures: what was measured of the model files that are given, as `palate versions figures` takes it; kept with
            their versions.
        namespace: the tenant that requests without a key belong to.
        host, port: what it listens on.
        workers: processes that answer.
        allow_host: further names that clients may call it by.
        body_bytes, body_seconds: how large a body may be, and how long it may take to arrive.
        rate: requests a second that one key may send to all workers together; 0 sets no limit.
        burst: how many may come at once; without it, those of one second.
        cursor_seconds: how long the pages that follow a list can be asked for.
        key_seconds: how often a worker looks for new and revoked keys.
        keep_lists, keep_events: days after which lists and events are deleted; without it, never.
        keep_versions: how many of the newest model versions keep their files; without it, as many as
            `palate.store.versions` says.
        new_items_share: the share of places for items that the model has not seen.
        candidates_from: items from which on lists come from candidates that a graph of the items proposes; without it,
            as many as the version's builder says (`palate.store.versions.candidates`).
        schedule: how often the namespace's model is trained anew: "12h", "1d"; without it, as the store says.
        run_jobs: whether this service starts the jobs of its store; without, another one does, or `palate retrain`.
        log: a line of each request, or of those alone that failed.
        page: whether this service has the page: "off"; "visitors", each a person of their own; or "demo", where anybody
            may ask about any user.
        page_name: what the page calls itself.
        upload_bytes: how large a file of ratings may be that somebody brings to the page.
        trust_proxy: believe what a reverse proxy in front says of its client (X-Forwarded-Proto, X-Forwarded-For).
        handover_secret: what an application signs its users with when it hands them over to the page, 16 characters or
            more; without it, it hands over nobody.
        visitor_days: how long a visitor's cookie holds after they came last.
        visitor_rate: changes a second that one visitor may make; 0 sets no limit.
        admin_minutes: after so long without a request an admin's session on the page ends.
    """

    model_config = SettingsConfigDict(env_prefix="PALATE_", frozen=True)

    store: Annotated[str, Field(repr=False)]  # it may have a password
    folder: Path | None = None
    figures: Path | None = None
    namespace: str = "default"
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    allow_host: tuple[str, ...] = ()
    body_bytes: Annotated[int, Field(ge=1024)] = 16 * MIB
    body_seconds: Annotated[float, Field(gt=0)] = 10.0
    rate: Annotated[float, Field(ge=0)] = 10_000.0
    burst: Annotated[int | None, Field(ge=1)] = None
    cursor_seconds: Annotated[int, Field(ge=1)] = 24 * 3600
    key_seconds: Annotated[float, Field(gt=0, le=0.5)] = 0.25
    keep_lists: Annotated[int | None, Field(ge=1)] = None
    keep_events: Annotated[int | None, Field(ge=1)] = None
    keep_versions: Annotated[int | None, Field(ge=1)] = None
    new_items_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    candidates_from: Annotated[int | None, Field(ge=1)] = None
    schedule: str | None = None
    run_jobs: bool = True
    log: Literal["requests", "problems"] = "requests"
    page: Literal["off", "demo", "visitors"] = "off"
    page_name: Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f]*\S[^\x00-\x1f]*$")] = "Palate"
    upload_bytes: Annotated[int, Field(ge=1024)] = 8 * MIB
    trust_proxy: bool = False
    handover_secret: Annotated[SecretStr | None, Field(min_length=16)] = None
    visitor_days: Annotated[int, Field(ge=1, le=400)] = 365  # browsers keep no cookie for longer than 400
    visitor_rate: Annotated[float, Field(ge=0)] = 20.0
    admin_minutes: Annotated[int, Field(ge=1, le=720)] = 30


def told(**given: Any) -> Settings:
    """Return settings: what is given, else what the environment says, else the defaults.

    Args:
        given: by the names of the settings.

    Raises:
        ParameterError: one is not right; names it and its variable, and what is wrong, not the value: it may be secret.
    """
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = ".".join(map(str, first["loc"]))
        variable = "" if name in given else f" (the environment's PALATE_{name.upper()})"
        raise ParameterError.of(name, f"is not right{variable}: {first['msg']}") from None
