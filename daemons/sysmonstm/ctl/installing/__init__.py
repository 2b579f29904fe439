"""`sysmonctl install` and `uninstall`: units, settings and databases, put in place and taken away again."""
