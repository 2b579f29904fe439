# services.sysmonstm.hub: the three daemons that machines send to, with their Redis and PostgreSQL, in one line.
{ config, lib, ... }:

let
  cfg = config.services.sysmonstm;
in
{
  options.services.sysmonstm.hub.enable = lib.mkEnableOption "" // {
    description = ''
      Whether this machine is the hub: the aggregator, the gateway and the alerts, a Redis and a PostgreSQL with
      TimescaleDB of its own, and a collector that watches the hub itself. Each of them can be switched off again.
    '';
  };

  config.services.sysmonstm = lib.mkIf cfg.hub.enable {
    aggregator.enable = lib.mkDefault true;
    gateway.enable = lib.mkDefault true;
    alerts.enable = lib.mkDefault true;
    collector.enable = lib.mkDefault true;
    database.createLocally = lib.mkDefault (cfg.database.urlFile == null);
    redis.createLocally = lib.mkDefault (cfg.redis.urlFile == null);
  };
}
