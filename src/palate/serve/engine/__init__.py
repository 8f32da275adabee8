"""The engine that answers inside a worker: what is asked, who asks, which items there are, and the lists made of it."""

from palate.serve.engine.asking import DEPTH, Answer, Ask, Predicted, Reasons
from palate.serve.engine.batching import Batcher
from palate.serve.engine.begun import Begun
from palate.serve.engine.engine import Engine

__all__ = ["DEPTH", "Answer", "Ask", "Batcher", "Begun", "Engine", "Predicted", "Reasons"]
