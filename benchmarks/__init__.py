"""Every number in the README, by one command each."""
