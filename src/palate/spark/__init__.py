"""The same models on Apache Spark: ratings that one machine cannot hold."""

from contextlib import suppress

from palate.spark.cache import ensure_kernel_cache

with suppress(OSError):  # where no folder can be had, `executors.check` tells it, and Numba refuses to load kernels
    ensure_kernel_cache()
