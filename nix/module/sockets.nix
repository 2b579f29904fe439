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
      part = "aggregator";
      daemon = "aggregatord";
      usualPort = 50051;
    }
    {
      inherit (cfg.gateway) enable listenAddress port;
      part = "gateway";
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
    assertions =
      map (one: {
        assertion =
          cfg.${one.part}.openFirewall
          -> !lib.hasPrefix "127." one.listenAddress && one.listenAddress != "::1";
        message = ''
          services.sysmonstm.${one.part}.openFirewall lets others come, and nothing listens but on this machine: leave
          services.sysmonstm.${one.part}.listenAddress away, or name an address that others reach.
        '';
      }) listening
      ++ [
        {
          assertion = lib.allUnique (map (one: one.port) listening);
          message = ''
            services.sysmonstm.aggregator.port and services.sysmonstm.gateway.port are the same: give one of them another.
          '';
        }
      ];

    systemd.sockets = lib.listToAttrs (
      map (one: lib.nameValuePair "sysmon-${one.daemon}" { socketConfig = listen one; }) listening
    );

    # Run at each start, whatever has changed; at boot there is nothing to compare with yet. Not ordered before the sockets: they
    # are there before what a service is ordered after.
    systemd.services.sysmon-sockets = {
      description = "sysmonstm, listens anew where addresses have changed";
      wantedBy = [ "sysmon.target" ];
      stopIfChanged = false;
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        RuntimeDirectory = "sysmon-sockets";
        RuntimeDirectoryPreserve = true;
      };
      script = lib.concatMapStrings (one: ''
        address=${lib.escapeShellArg "${one.listenAddress} ${toString one.port}"}
        known=/run/sysmon-sockets/${one.daemon}
        if [ -e $known ] && [ "$(cat $known)" != "$address" ]; then
          # The service is restarted with it.
          systemctl --no-block try-restart sysmon-${one.daemon}.socket
        fi
        echo "$address" >$known
      '') listening;
    };
  };
}
