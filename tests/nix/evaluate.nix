# Evaluates the module for the scenarios, to JSON. By nixpkgs' own lib, whose path is the argument.
{ library }:

let
  lib = import library;
  standins = import ./standins.nix { inherit lib; };
  scenarios = import ./scenarios.nix;
  services = [
    "collector"
    "aggregator"
    "gateway"
    "alerts"
  ];

  evaluated =
    machine:
    lib.evalModules {
      modules = [
        ../../nix/module
        standins.module
        machine
        { _module.args.pkgs = standins.pkgs; }
      ];
    };

  texts = lib.mapAttrs (_: toString);
  lines = lib.mapAttrs (_: value: if lib.isList value then map text value else [ (text value) ]);
  text = value: if lib.isBool value then (if value then "true" else "false") else toString value;
  described = lib.mapAttrs (
    _: unit:
    {
      inherit (unit) wantedBy after description;
      reloadTriggers = map toString unit.reloadTriggers;
      restartTriggers = map toString unit.restartTriggers;
    }
    // lib.optionalAttrs (unit ? stopIfChanged) { inherit (unit) stopIfChanged; }
    // lib.optionalAttrs (unit ? serviceConfig) { lines = lines unit.serviceConfig; }
    // lib.optionalAttrs (unit ? socketConfig) { lines = lines unit.socketConfig; }
  );

  file =
    one:
    if one.text != null then
      { inherit (one) text; }
    else
      {
        path = toString one.source;
        settings = one.source.environment.written.value;
        inherit (one.source) command;
      };

  # The file of rules by its path, which only the same contents have.
  rules =
    config:
    let
      value = { inherit (config.services.sysmonstm.alerts) rules; };
    in
    {
      ${toString ((standins.pkgs.formats.toml { }).generate "rules.toml" value)} = value;
    };

  outcome =
    machine:
    let
      inherit (evaluated machine) config;
      inherit (config.services) postgresql;
    in
    {
      failed = map (one: one.message) (lib.filter (one: !one.assertion) config.assertions);
      packages = {
        systemd = map toString config.systemd.packages;
        system = map toString config.environment.systemPackages;
      };
      services = described config.systemd.services;
      sockets = described config.systemd.sockets;
      targets = described config.systemd.targets;
      tmpfiles = config.systemd.tmpfiles.settings;
      etc = lib.mapAttrs (_: file) config.environment.etc;
      rules = rules config;
      sysctl = texts config.boot.kernel.sysctl;
      ports = config.networking.firewall.allowedTCPPorts;
      users = config.users.users;
      groups = lib.attrNames config.users.groups;
      redis = config.services.redis.servers;
      postgresql = {
        inherit (postgresql) enable;
        libraries = postgresql.settings.shared_preload_libraries;
        extensions = map toString (postgresql.extensions standins.extensions);
      };
    };

  # Whether a machine is refused by the types of its options; what is said of it goes to standard error.
  isRefused =
    machine:
    !(builtins.tryEval (builtins.deepSeq (evaluated machine).config.services.sysmonstm true)).success;

  options =
    let
      all = lib.optionAttrSetToDocList (evaluated { }).options.services.sysmonstm;
      shown = value: value.text or (builtins.toJSON value);
    in
    map (one: {
      inherit (one) name type description;
      default = if one ? default then shown one.default else null;
      example = if one ? example then shown one.example else null;
    }) (lib.filter (one: one.visible && !one.internal) all);

  package = import ./package.nix { inherit lib; };
in
{
  packages = {
    sysmonstm = package { withHub = true; };
    sysmonstm-collector = package { withHub = false; };
  };
  pythonVersions = import ./python_packages.nix;
  lock = (lib.importJSON ../../flake.lock).nodes.nixpkgs;

  right = lib.mapAttrs (_: outcome) scenarios.right;
  wrong = lib.mapAttrs (_: one: {
    inherit (one) says;
    inherit (outcome one.config) failed;
  }) scenarios.wrong;
  mistyped = lib.mapAttrs (_: isRefused) (scenarios.mistyped // scenarios.right);
  inherit options;
}
