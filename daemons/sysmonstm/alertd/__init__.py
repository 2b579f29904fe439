"""sysmon-alertd: evaluates rules on live samples and tells people what changed."""
