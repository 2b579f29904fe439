# services.sysmonstm.aggregator: takes the samples of machines and keeps them.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkOption types;
  cfg = config.services.sysmonstm;
  own = cfg.aggregator;
  options = import ./types.nix { inherit lib pkgs; };
  daemon = import ./daemon.nix { inherit config lib pkgs; };
  wrong = import ./assertions.nix { inherit lib; };

  kept =
    default: description:
    mkOption {
      type = types.numbers.positive;
      inherit default description;
    };
in
{
  options.services.sysmonstm.aggregator = {
    enable = lib.mkEnableOption "sysmon-aggregatord, which takes the samples of machines and keeps them";

    listenAddress = options.listenAddress {
      inherit (own) openFirewall;
      inherit (config.networking) enableIPv6;
    };
    port = options.port 50051;
    openFirewall = options.openFirewall "collectors";

    retention = {
      rawHours = kept 48 "Hours for which every sample is kept.";
      minutesDays = kept 30 "Days for which min, mean, max and count of each minute are kept.";
      hoursDays = kept 730 ''
        Days for which min, mean, max and count of each hour are kept, and events and gaps.
      '';
      forgetAfterDays = kept 730 ''
        Days without a sample after which a machine is forgotten, with its history.
      '';
    };

    tls = {
      certificateFile = options.certificateFile ''
        PEM file of the certificate shown to collectors that come by TCP; without it there is no TLS.
      '';
      keyFile = options.keyFile;
      clientCaFile = options.certificateFile ''
        PEM file of the authorities that sign collectors' certificates. If it is set, each that comes by TCP must show one
        for its machine's name.
      '';
    };

    settings = options.settings "sysmon-aggregatord" { machines = 50000; };
  };

  config = lib.mkIf own.enable (
    lib.mkMerge [
      {
        services.sysmonstm.aggregator.settings = lib.mapAttrs (_: lib.mkDefault) {
          keep_raw_hours = own.retention.rawHours;
          keep_minutes_days = own.retention.minutesDays;
          keep_hours_days = own.retention.hoursDays;
          forget_after_days = own.retention.forgetAfterDays;
        };

        assertions =
          wrong {
            part = "aggregator";
            inherit own;
            instead = {
              tls_certificate = "tls.certificateFile";
              tls_key = "tls.keyFile";
              tls_client_ca = "tls.clientCaFile";
              listen = "listenAddress and port";
            };
          }
          ++ [
            {
              assertion = own.tls.clientCaFile != null -> own.tls.certificateFile != null;
              message = ''
                services.sysmonstm.aggregator.tls.clientCaFile asks collectors for certificates, for which there must be TLS:
                set services.sysmonstm.aggregator.tls.certificateFile and keyFile too.
              '';
            }
          ];

        networking.firewall.allowedTCPPorts = lib.mkIf own.openFirewall [ own.port ];

        # Else the kernel may give the port to an outgoing connection before systemd listens on it.
        boot.kernel.sysctl."net.ipv4.ip_local_reserved_ports" = lib.mkDefault (toString own.port);
      }
      (daemon {
        name = "aggregatord";
        inherit (own) settings;
        fixed = [
          "listen"
          "redis_url"
          "timescale_url"
          "tls_certificate"
          "tls_client_ca"
          "tls_key"
        ];
        credentials = {
          redis_url = cfg.redis.urlFile;
          timescale_url = cfg.database.urlFile;
          aggregator_tls_certificate = own.tls.certificateFile;
          aggregator_tls_key = own.tls.keyFile;
          aggregator_tls_client_ca = own.tls.clientCaFile;
        };
      })
    ]
  );
}
