"""sysmon-collectord: reads this machine on a fixed grid of time and hands each sample to an aggregator."""
