"""Models solved by ridge regressions: biases, and alternating least squares."""
