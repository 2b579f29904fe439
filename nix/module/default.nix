# services.sysmonstm: every part is an option set of its own; what they share is here.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.sysmonstm;
  packages = import ../packages.nix { inherit (pkgs) callPackage; };
  onHub = cfg.aggregator.enable || cfg.gateway.enable || cfg.alerts.enable;
in
{
  imports = [
    ./aggregator.nix
    ./alerts.nix
    ./collector.nix
    ./database.nix
    ./deployment.nix
    ./gateway.nix
    ./hub.nix
    ./redis.nix
    ./sockets.nix
  ];

  options.services.sysmonstm.package = lib.mkOption {
    type = lib.types.package;
    default =
      if onHub then
        pkgs.sysmonstm or packages.sysmonstm
      else
        pkgs.sysmonstm-collector or packages.sysmonstm-collector;
    defaultText = lib.literalExpression "pkgs.sysmonstm on a hub, pkgs.sysmonstm-collector elsewhere";
    description = ''
      The package with the daemons. One of the same sources is built from this system's own nixpkgs where there is no
      `pkgs.sysmonstm`. A machine that only sends has a smaller one, without web code and without clients of Redis and
      PostgreSQL.
    '';
  };

  config = lib.mkIf (onHub || cfg.collector.enable) {
    systemd.packages = [ cfg.package ];
    systemd.targets.sysmon.wantedBy = [ "multi-user.target" ];

    # Whoever is in it may use the sockets in /run/sysmon.
    users.groups.sysmon = { };

    # sysmonctl
    environment.systemPackages = [ cfg.package ];

    # What `journalctl -x` says to an entry, where systemd looks for it beside its own.
    systemd.tmpfiles.settings."10-sysmonstm"."/usr/local/lib/systemd/catalog/sysmonstm.catalog"."L+".argument =
      "${cfg.package}/lib/systemd/catalog/sysmonstm.catalog";
    systemd.services.sysmon-catalog = {
      description = "sysmonstm, the journal's catalogue";
      wantedBy = [ "sysmon.target" ];
      after = [
        "systemd-tmpfiles-setup.service"
        "systemd-tmpfiles-resetup.service"
        "systemd-journal-catalog-update.service"
      ];
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "${config.systemd.package}/bin/journalctl --update-catalog";
      };
      restartTriggers = [ cfg.package ];
    };
  };
}
