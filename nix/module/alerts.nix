# services.sysmonstm.alerts: evaluates rules and tells people.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.sysmonstm;
  own = cfg.alerts;
  options = import ./types.nix { inherit lib pkgs; };
  daemon = import ./daemon.nix { inherit config lib pkgs; };
  toml = pkgs.formats.toml { };
  rules = "${toml.generate "rules.toml" { inherit (own) rules; }}";
in
{
  options.services.sysmonstm.alerts = {
    enable = lib.mkEnableOption "sysmon-alertd, which evaluates rules and tells people";

    rules = lib.mkOption {
      type = lib.types.attrsOf toml.type;
      default = { };
      example = lib.literalExpression ''
        {
          data-disks = {
            metric = "filesystem.percent";
            instance = "/data*";
            threshold = 70;
            clear = 65;
            for = "5m";
            severity = "critical";
          };
          reboot-needed = {
            metric = "nixos.needs_reboot";
            threshold = 0;
            for = "24h";
            severity = "info";
          };
          cpu-high.enabled = false;
        }
      '';
      description = ''
        Rules by their names, which add to the default ones, change their keys, or switch them off; the README says what
        the keys are. A rule that is not good is an error while the system is built.
      '';
    };

    webhookUrlFile = options.secretFile "/run/secrets/sysmonstm-webhook" "A file with the address to which alerts that fire or resolve are posted as JSON.";

    settings = options.settings "sysmon-alertd" { log_level = "DEBUG"; };
  };

  config = lib.mkMerge [
    {
      assertions = [
        {
          assertion = own.rules != { } -> own.enable;
          message = ''
            services.sysmonstm.alerts.rules are for the machine that evaluates them: say them on the hub, or set
            services.sysmonstm.alerts.enable.
          '';
        }
      ];
    }
    (lib.mkIf own.enable (
      lib.mkMerge [
        {
          services.sysmonstm.alerts.settings = lib.mkIf (own.rules != { }) {
            rules_file = lib.mkDefault rules;
          };

          assertions = [
            {
              assertion = own.rules != { } -> own.settings.rules_file == rules;
              message = ''
                services.sysmonstm.alerts.settings.rules_file names one file of rules, and services.sysmonstm.alerts.rules
                makes another. Leave one of them away.
              '';
            }
            {
              assertion = !(own.settings ? webhook_url);
              message = ''
                services.sysmonstm.alerts.settings.webhook_url would be in the Nix store, for everybody on this machine to
                read. Put it into a file, and name that by services.sysmonstm.alerts.webhookUrlFile.
              '';
            }
          ];
        }
        (daemon {
          name = "alertd";
          inherit (own) settings;
          fixed = [
            "control"
            "redis_url"
            "timescale_url"
          ];
          credentials = {
            redis_url = cfg.redis.urlFile;
            timescale_url = cfg.database.urlFile;
            webhook_url = own.webhookUrlFile;
          };
        })
      ]
    ))
  ];
}
