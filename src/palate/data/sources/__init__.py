"""Where data come from: MovieLens, folders, files, and the cache."""
