"""`sysmonctl doctor`: looks for what commonly goes wrong on this machine, and says what to do about it."""
