"""Files of ratings: from bytes to typed columns."""
