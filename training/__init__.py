"""From logs to an adapter that provably changes the served model: `python -m training`."""
