# services.sysmonstm.gateway: the dashboard and its API.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkOption types;
  cfg = config.services.sysmonstm;
  own = cfg.gateway;
  options = import ./types.nix { inherit lib pkgs; };
  daemon = import ./daemon.nix { inherit config lib pkgs; };
  wrong = import ./assertions.nix { inherit lib; };
in
{
  options.services.sysmonstm.gateway = {
    enable = lib.mkEnableOption "sysmon-gatewayd, the dashboard and its API";

    listenAddress = options.listenAddress {
      inherit (own) openFirewall;
      inherit (config.networking) enableIPv6;
    };
    port = options.port 8000;
    openFirewall = options.openFirewall "browsers";

    allowedHosts = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "monitor.example.org" ];
      description = ''
        Names by which browsers reach the dashboard, besides IP addresses, localhost and the machine's own name. The public
        name of a proxy in front belongs here.
      '';
    };

    tls = {
      certificateFile = options.certificateFile ''
        PEM file of the certificate shown to browsers that come by TCP; without it the dashboard is plain http.
      '';
      keyFile = options.keyFile;
    };

    settings = options.settings "sysmon-gatewayd" { log_level = "WARNING"; };
  };

  config = lib.mkIf own.enable (
    lib.mkMerge [
      {
        services.sysmonstm.gateway.settings = lib.mkIf (own.allowedHosts != [ ]) {
          allowed_hosts = lib.mkDefault own.allowedHosts;
        };

        assertions = wrong {
          part = "gateway";
          inherit own;
          instead = {
            tls_certificate = "tls.certificateFile";
            tls_key = "tls.keyFile";
            listen = "listenAddress and port";
          };
        };

        networking.firewall.allowedTCPPorts = lib.mkIf own.openFirewall [ own.port ];
      }
      (daemon {
        name = "gatewayd";
        inherit (own) settings;
        fixed = [
          "listen"
          "redis_url"
          "timescale_url"
          "tls_certificate"
          "tls_key"
        ];
        credentials = {
          redis_url = cfg.redis.urlFile;
          timescale_url = cfg.database.urlFile;
          gateway_tls_certificate = own.tls.certificateFile;
          gateway_tls_key = own.tls.keyFile;
        };
      })
    ]
  );
}
