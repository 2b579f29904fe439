# What the collector cannot read of a NixOS system unless the system says it.
{ config, lib, ... }:

let
  revision = config.system.configurationRevision;
in
{
  # Each generation has its own, so that the collector can tell the running one from the one that was booted.
  config = lib.mkIf (config.services.sysmonstm.collector.enable && revision != null) {
    environment.etc."sysmonstm/configuration-revision".text = "${revision}\n";
  };
}
