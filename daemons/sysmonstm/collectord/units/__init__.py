"""What systemd says of its units: followed on the bus, as metrics and as happenings."""
