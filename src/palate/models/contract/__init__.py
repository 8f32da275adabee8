"""What every model shares: its contract, its parameters, its lists and explanations."""
