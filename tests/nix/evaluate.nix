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

  evaluatedBy =
    pkgs: machine:
    lib.evalModules {
      modules = [
        ../../nix/module
        standins.module
        machine
        { _module.args.pkgs = pkgs; }
      ];
    };
  evaluated = evaluatedBy standins.pkgs;

  # Of the flake, whose overlay is in pkgs: what it offers, and what its module takes there.
  flake =
    let
      system = "x86_64-linux";
      legacyPackages = lib.genAttrs [
        "x86_64-linux"
        "aarch64-linux"
        "aarch64-darwin"
      ] (_: lib.makeExtensible (_: standins.pkgs));
      outputs = (import ../../flake.nix).outputs {
        self = outputs;
        nixpkgs = { inherit lib legacyPackages; };
      };
      packaged =
        machine: (evaluatedBy (legacyPackages.${system}.extend outputs.overlays.default) machine).config;
      names = lib.mapAttrs (_: lib.attrNames);
    in
    {
      packages = names outputs.packages;
      apps = lib.mapAttrs (_: one: one.default.program) outputs.apps;
      checks = names outputs.checks;
      shells = names outputs.devShells;
      formatters = lib.mapAttrs (_: toString) outputs.formatter;
      overlay = lib.attrNames (outputs.overlays.default { inherit (standins.pkgs) callPackage; } { });
      modules = lib.mapAttrs (_: builtins.pathExists) outputs.nixosModules;
      byOverlay = lib.mapAttrs (_: machine: map toString (packaged machine).systemd.packages) {
        inherit (scenarios.right) machine hub;
      };
    };

  texts = lib.mapAttrs (_: toString);
  lines = lib.mapAttrs (_: value: if lib.isList value then map text value else [ (text value) ]);
  text = value: if lib.isBool value then (if value then "true" else "false") else toString value;
  described = lib.mapAttrs (
    _: unit:
    {
      inherit (unit)
        wantedBy
        after
        before
        requires
        description
        ;
      reloadTriggers = map toString unit.reloadTriggers;
      restartTriggers = map toString unit.restartTriggers;
    }
    // lib.optionalAttrs (unit ? stopIfChanged) { inherit (unit) stopIfChanged; }
    // lib.optionalAttrs (unit ? serviceConfig) {
      inherit (unit) environment script;
      lines = lines unit.serviceConfig;
    }
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

  # The machines of a test of whole NixOS machines, and each as it is after a switch to one of its specialisations: what is
  # asserted of them and fails.
  machinesOf =
    file:
    let
      inherit (import file) nodes;
      failed =
        machine: map (one: one.message) (lib.filter (one: !one.assertion) machine.config.assertions);
      evaluatedNode =
        node:
        let
          machine = evaluated {
            imports = [ node ];
          };
          switched = one: machine.extendModules { modules = [ one.configuration ]; };
          whole = one: builtins.deepSeq one.config.services.sysmonstm (failed one);
        in
        {
          failed = builtins.deepSeq [
            machine.config.systemd.services
            machine.config.systemd.tmpfiles
          ] (whole machine);
          specialisations = lib.mapAttrs (_: one: whole (switched one)) machine.config.specialisation;
          regexes = machine.config.system.forbiddenDependenciesRegexes;
          revisions = lib.mapAttrs (
            _: one: (switched one).config.system.configurationRevision
          ) machine.config.specialisation;
        };
    in
    lib.mapAttrs (_: evaluatedNode) nodes;

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
  inherit flake;
  pythonVersions = import ./python_packages.nix;
  lock = (lib.importJSON ../../flake.lock).nodes.nixpkgs;

  right = lib.mapAttrs (_: outcome) scenarios.right;
  wrong = lib.mapAttrs (_: one: {
    inherit (one) says;
    inherit (outcome one.config) failed;
  }) scenarios.wrong;
  mistyped = lib.mapAttrs (_: isRefused) (scenarios.mistyped // scenarios.right);
  inherit options;
  machines = lib.mapAttrs (_: machinesOf) (import ../../nix/tests);
}
