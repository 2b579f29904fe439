"""What NixOS has deployed on this machine: which system runs, since when, and what the next boot will bring."""
