"""`/v1/predictions`, `/v1/explanations`, `/v1/onboarding`, `/v1/items/similar`: what else a model can say."""

from __future__ import annotations

from typing import Any

from palate.serve import answers, bodies
from palate.serve.operations import Call, Offers
from palate.serve.routes.said import in_thread, items_ids, users_id
from palate.store.ids import canonical

offer = Offers("model")
