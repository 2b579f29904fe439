"""Metrics of local programs: StatsD lines on a datagram socket become series of this machine."""
