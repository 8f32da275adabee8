"""The former place of `palate.data.splits.leaks`; importing it warns."""

import warnings

from palate.data.splits.leaks import check_fitted_on, check_parts, check_time, overlap, without_overlap

warnings.warn("palate.data.leaks is palate.data.splits.leaks now", DeprecationWarning, stacklevel=2)

__all__ = ["check_fitted_on", "check_parts", "check_time", "overlap", "without_overlap"]
