# Where systemd listens for the hub's daemons. A switch leaves the sockets alone, so that no connection is refused; where
# an address has changed, something must have systemd listen anew.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.sysmonstm;

  listening = lib.filter (one: one.enable) [
    {
      inherit (cfg.aggregator) enable listenAddress port;
      daemon = "aggregatord";
      usualPort = 50051;
    }
    {
      inherit (cfg.gateway) enable listenAddress port;
      daemon = "gatewayd";
      usualPort = 8000;
    }
  ];

  written = host: if lib.hasInfix ":" host then "[${host}]" else host;
  everywhere = [
    "::"
    "0.0.0.0"
  ];

  listen =
    {
      daemon,
      listenAddress,
      port,
      usualPort,
      ...
    }:
    let
      loopback = lib.optional (!lib.elem listenAddress everywhere) "127.0.0.1";
      hosts = lib.unique ([ listenAddress ] ++ loopback);
    in
    lib.mkIf (listenAddress != "127.0.0.1" || port != usualPort) {
      # The empty one takes away what the unit says.
      ListenStream = [
        ""
      ]
      ++ map (host: "${written host}:${toString port}") hosts
      ++ [ "/run/sysmon/${daemon}.sock" ];
      # The address may come up later than the socket.
      FreeBind = true;
    };
in
{
  config = lib.mkIf (listening != [ ]) {
    systemd.sockets = lib.listToAttrs (
      map (one: lib.nameValuePair "sysmon-${one.daemon}" { socketConfig = listen one; }) listening
    );

    systemd.services.sysmon-sockets = {
      description = "sysmonstm, listens anew where addresses have changed";
      wantedBy = [ "sysmon.target" ];
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "${pkgs.coreutils}/bin/true";
        # Their services are restarted with them.
        ExecReload =
          "${config.systemd.package}/bin/systemctl try-restart "
          + lib.concatMapStringsSep " " (one: "sysmon-${one.daemon}.socket") listening;
      };
      reloadTriggers = [ (builtins.toJSON listening) ];
    };
  };
}
