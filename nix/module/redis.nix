# services.sysmonstm.redis: where current state is kept. A Redis of this machine lets in who is in its group.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.sysmonstm;
  own = cfg.redis;
  server = config.services.redis.servers.sysmon;
  options = import ./types.nix { inherit lib pkgs; };
  wrong = import ./stores.nix { inherit config lib; };

  told.redis_url = lib.mkDefault "unix://${server.unixSocket}";
  joined = {
    after = [ "redis-sysmon.service" ];
    serviceConfig.SupplementaryGroups = [ server.group ];
  };
in
{
  options.services.sysmonstm.redis = {
    createLocally = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = ''
        Whether to make a Redis for sysmonstm alone on this machine (`redis-sysmon.service`), which listens on a unix
        socket and on no port.
      '';
    };

    urlFile = options.secretFile "/run/secrets/sysmonstm-redis" "A file with the address of another Redis, such as `redis://:PASSWORD@redis.example.org:6379`.";
  };

  config = lib.mkMerge [
    {
      assertions = wrong {
        store = "redis";
        setting = "redis_url";
        local = _: "unix://${server.unixSocket}";
      };
    }

    (lib.mkIf own.createLocally {
      services.sysmonstm = {
        aggregator.settings = told;
        gateway.settings = told;
        alerts.settings = told;
      };

      services.redis.servers.sysmon = {
        enable = true;
        # Nothing in it lasts: an aggregator tells all of it again to a Redis that was restarted.
        save = lib.mkDefault [ ];
      };

      systemd.services.sysmon-aggregatord = lib.mkIf cfg.aggregator.enable joined;
      systemd.services.sysmon-gatewayd = lib.mkIf cfg.gateway.enable joined;
      systemd.services.sysmon-alertd = lib.mkIf cfg.alerts.enable joined;
    })
  ];
}
