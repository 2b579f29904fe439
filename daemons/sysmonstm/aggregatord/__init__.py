"""sysmon-aggregatord: takes the samples of machines, keeps the newest in Redis and all of them in PostgreSQL."""
