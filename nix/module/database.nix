# services.sysmonstm.database: where history is kept. A PostgreSQL of this machine knows the daemons by their accounts.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.sysmonstm;
  own = cfg.database;
  postgresql = config.services.postgresql;
  options = import ./types.nix { inherit lib pkgs; };
  wrong = import ./stores.nix { inherit config lib; };

  address =
    daemon:
    "host=/run/postgresql user=sysmon-${daemon} dbname=sysmon"
    + lib.optionalString (
      postgresql.settings.port != 5432
    ) " port=${toString postgresql.settings.port}";

  daemonOf = {
    aggregator = "aggregatord";
    gateway = "gatewayd";
    alerts = "alertd";
  };

  toldOf = daemon: { timescale_url = lib.mkDefault (address daemon); };
in
{
  options.services.sysmonstm.database = {
    createLocally = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = ''
        Whether to make a PostgreSQL with TimescaleDB on this machine, and a database `sysmon` in it. The daemons reach it
        by its socket and are known by their accounts; there is no password.
      '';
    };

    timescaledb = lib.mkOption {
      type = lib.types.functionTo lib.types.package;
      default = extensions: extensions.timescaledb-apache;
      defaultText = lib.literalExpression "extensions: extensions.timescaledb-apache";
      example = lib.literalExpression "extensions: extensions.timescaledb";
      description = ''
        The TimescaleDB of a PostgreSQL that is made here. The Apache edition is free and has all that is needed; the other
        one, which is unfree, also compresses old samples.
      '';
    };

    urlFile = options.secretFile "/run/secrets/sysmonstm-database" ''
      A file with the address of another PostgreSQL, such as
      `postgresql://monitor:PASSWORD@db.example.org:5432/monitor`.'';
  };

  config = lib.mkMerge [
    {
      assertions =
        wrong {
          store = "database";
          setting = "timescale_url";
          local = part: address daemonOf.${part};
        }
        ++ [
          {
            assertion = own.createLocally -> lib.versionAtLeast postgresql.package.version "15";
            message = ''
              TimescaleDB needs PostgreSQL 15 or newer, and services.postgresql.package is ${postgresql.package.version}:
              upgrade that one, or name another database by services.sysmonstm.database.urlFile.
            '';
          }
        ];
    }

    (lib.mkIf own.createLocally {
      services.sysmonstm = {
        aggregator.settings = toldOf "aggregatord";
        gateway.settings = toldOf "gatewayd";
        alerts.settings = toldOf "alertd";
      };

      services.postgresql = {
        enable = true;
        extensions = extensions: [ (own.timescaledb extensions) ];
        settings.shared_preload_libraries = [ "timescaledb" ];
      };

      # The roles, the database and their rights, and a new TimescaleDB for an old one. A unit of its own, so that neither a
      # new package nor a fault in here touches a PostgreSQL that others use too.
      systemd.services = {
        sysmon-database = {
          description = "sysmonstm, the database of the hub";
          wantedBy = [ "sysmon.target" ];
          requires = [ "postgresql.target" ];
          after = [ "postgresql.target" ];
          environment.PGPORT = toString postgresql.settings.port;
          serviceConfig = {
            Type = "oneshot";
            RemainAfterExit = true;
            User = "postgres";
            ExecStart = "${lib.getExe' postgresql.finalPackage "psql"} --no-psqlrc --quiet --dbname=postgres --file=${cfg.package}/share/sysmonstm/sql/database.sql";
          };
        };

        sysmon-aggregatord = lib.mkIf cfg.aggregator.enable { after = [ "sysmon-database.service" ]; };
        sysmon-gatewayd = lib.mkIf cfg.gateway.enable { after = [ "sysmon-database.service" ]; };
        sysmon-alertd = lib.mkIf cfg.alerts.enable { after = [ "sysmon-database.service" ]; };
      };
    })
  ];
}
