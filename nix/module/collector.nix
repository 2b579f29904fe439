# services.sysmonstm.collector: this machine is watched.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkOption types;
  cfg = config.services.sysmonstm;
  own = cfg.collector;
  options = import ./types.nix { inherit lib pkgs; };
  daemon = import ./daemon.nix { inherit config lib pkgs; };
  wrong = import ./assertions.nix { inherit lib; };
in
{
  options.services.sysmonstm.collector = {
    enable = lib.mkEnableOption "sysmon-collectord, which samples this machine and sends what it reads to a hub";

    aggregatorUrls = mkOption {
      type = types.listOf types.str;
      default = lib.optional cfg.aggregator.enable "unix:/run/sysmon/aggregatord.sock";
      defaultText = lib.literalMD "this machine's own aggregator, if it has one";
      example = [
        "hub.example.org:50051"
        "[2001:db8::7]:50051"
      ];
      description = ''
        Where aggregators listen: `host:port`, or `unix:/path`. Of several, the next is tried at once where one fails,
        and kept while it holds.
      '';
    };

    machineId = mkOption {
      type = types.nullOr (types.strMatching "[A-Za-z0-9._-]{1,128}");
      default = null;
      example = "web1";
      description = "The machine's name in the fleet; its hostname if it is null.";
    };

    tags = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [
        "web"
        "rack:4"
      ];
      description = "Words to group machines by.";
    };

    interval = mkOption {
      type = types.addCheck types.number (seconds: seconds >= 0.1 && seconds <= 3600) // {
        description = "number of seconds from 0.1 to 3600";
      };
      default = 5;
      example = 1;
      description = "Seconds from one sample to the next.";
    };

    tls = {
      caFile = mkOption {
        type = types.nullOr (types.either (types.enum [ "system" ]) types.path);
        default = null;
        example = lib.literalExpression "./ca.pem";
        description = ''
          PEM file of the authorities that sign hubs' certificates, or `"system"` for those of this system. If it is set,
          TLS is spoken to every `host:port`.
        '';
      };
      certificateFile = options.certificateFile "PEM file of the certificate shown to hubs that ask for one.";
      keyFile = options.keyFile;
    };

    settings = options.settings "sysmon-collectord" { cgroups = 50; };
  };

  config = lib.mkIf own.enable (
    lib.mkMerge [
      {
        services.sysmonstm.collector.settings = lib.mapAttrs (_: lib.mkDefault) (
          {
            aggregator_url = own.aggregatorUrls;
            collection_interval = own.interval;
          }
          // lib.optionalAttrs (own.machineId != null) { machine_id = own.machineId; }
          // lib.optionalAttrs (own.tags != [ ]) { tags = own.tags; }
          // lib.optionalAttrs (own.tls.caFile == "system") { tls_ca = "system"; }
        );

        assertions =
          wrong {
            part = "collector";
            inherit own;
            instead = {
              tls_certificate = "tls.certificateFile";
              tls_key = "tls.keyFile";
            };
          }
          ++ [
            {
              assertion = (own.settings.aggregator_url or [ ]) != [ ];
              message = ''
                services.sysmonstm.collector.aggregatorUrls is empty, so that nobody would get this machine's samples.
                Name the hub, as in [ "hub:50051" ], or make this machine one: services.sysmonstm.hub.enable = true.
              '';
            }
            {
              assertion = (own.settings.tls_ca or "system") == "system";
              message = ''
                services.sysmonstm.collector.settings.tls_ca is not for a system that systemd runs; set
                services.sysmonstm.collector.tls.caFile instead.
              '';
            }
            {
              assertion = own.tls.certificateFile != null -> own.settings ? tls_ca || own.tls.caFile != null;
              message = ''
                services.sysmonstm.collector.tls.certificateFile is for TLS, which services.sysmonstm.collector.tls.caFile
                switches on: name the authority of the hub's certificate there, or "system".
              '';
            }
          ];
      }
      (daemon {
        name = "collectord";
        inherit (own) settings;
        fixed = [
          "machine_id"
          "metrics_socket"
          "spool_directory"
        ];
        credentials = {
          collector_tls_ca = if own.tls.caFile == "system" then null else own.tls.caFile;
          collector_tls_certificate = own.tls.certificateFile;
          collector_tls_key = own.tls.keyFile;
        };
      })
    ]
  );
}
