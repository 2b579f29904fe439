# What every daemon has: a checked settings file, credentials, and when it is reloaded or restarted. A function, which the
# daemons' own files call with { name, settings, fixed, credentials }:
#
#   name         "aggregatord"
#   settings     the TOML of /etc/sysmonstm/aggregatord.toml, as an attribute set
#   fixed        names of settings that a running daemon cannot change
#   credentials  every credential that its unit takes, by name: the path of a file, or null where there is none
{
  config,
  lib,
  pkgs,
}:

{
  name,
  settings,
  fixed,
  credentials,
}:

let
  cfg = config.services.sysmonstm;
  unit = "sysmon-${name}";

  written = (pkgs.formats.toml { }).generate "${name}.toml" settings;

  # The daemon itself says what is wrong, while the system is built. What is built for another kind of machine cannot be
  # run here, and is checked when it starts.
  checked =
    pkgs.runCommand "${name}.toml"
      {
        nativeBuildInputs = [ cfg.package ];
        inherit written;
        SSL_CERT_FILE = "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt";
      }
      ''
        ${unit} --config $written --check-config
        cp $written $out
      '';
  file = if pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform then checked else written;

  given = lib.filterAttrs (_: path: path != null) credentials;
  absent = lib.attrNames (lib.filterAttrs (_: path: path == null) credentials);
in
{
  environment.etc."sysmonstm/${name}.toml".source = file;

  # An account of its own, which DynamicUser= takes as it is there: PostgreSQL, D-Bus and Redis know it by its name.
  users.users.${unit} = {
    isSystemUser = true;
    group = unit;
    description = "sysmonstm, ${name}";
  };
  users.groups.${unit} = { };

  systemd.sockets.${unit}.wantedBy = [ "sysmon.target" ];

  systemd.services.${unit} = {
    wantedBy = [ "sysmon.target" ];

    # Restarted, not stopped and started: then systemd goes on listening, and no connection is refused.
    stopIfChanged = false;
    reloadTriggers = [ file ];
    restartTriggers = [ (builtins.toJSON (lib.filterAttrs (key: _: lib.elem key fixed) settings)) ];

    # A file that is named must be there. For the others the unit's own places remain, where a file may be absent.
    serviceConfig = lib.mkIf (given != { }) {
      LoadCredential = [
        ""
      ]
      # A percent sign would be a specifier.
      ++ lib.mapAttrsToList (id: path: "${id}:${lib.replaceStrings [ "%" ] [ "%%" ] "${path}"}") given
      ++ map (id: "${id}:/etc/sysmonstm/credentials/${id}") absent;
      SetCredential = [ "" ] ++ map (id: "${id}:\\n") absent;
    };
  };
}
