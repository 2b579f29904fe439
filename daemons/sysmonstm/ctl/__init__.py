"""sysmonctl, for people: `up` runs everything on this machine, `machines` and `top` show the fleet in a terminal."""
