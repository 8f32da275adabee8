"""Models of items: popularity, and weights from item to item."""
