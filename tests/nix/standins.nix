# Stand-ins for what the module finds on NixOS: the options that it sets, each with the type that it has there, and the few
# things that it takes from pkgs. An option that is not here does not exist, as far as the tests know.
{ lib }:

let
  inherit (lib) mkOption types;

  option =
    type: default:
    mkOption {
      inherit type default;
    };

  scalar = types.oneOf [
    types.bool
    types.int
    types.float
    types.str
    types.package
    types.path
  ];
  # As unit files have them: a list is a line for each, and lists of several modules are joined.
  directives = types.attrsOf (types.either (types.listOf scalar) scalar);

  unit = {
    wantedBy = option (types.listOf types.str) [ ];
    after = option (types.listOf types.str) [ ];
    before = option (types.listOf types.str) [ ];
    requires = option (types.listOf types.str) [ ];
    description = option types.str "";
    reloadTriggers = option (types.listOf types.unspecified) [ ];
    restartTriggers = option (types.listOf types.unspecified) [ ];
  };

  units = more: option (types.attrsOf (types.submodule { options = unit // more; })) { };

  # A path as Nix would make one, of the same contents always the same. What it is made of stays with it.
  stored =
    name: contents: attributes:
    let
      hash = builtins.hashString "sha256" "${name}:${builtins.toJSON contents}";
    in
    {
      type = "derivation";
      inherit name;
      outPath = "/nix/store/${builtins.substring 0 32 hash}-${name}";
    }
    // attributes;

  package = name: stored name name { };
in
{
  extensions = {
    timescaledb = package "timescaledb";
    timescaledb-apache = package "timescaledb-apache";
  };

  pkgs = {
    coreutils = package "coreutils";
    cacert = package "cacert";
    # Of the machines in nix/tests.
    python3 = package "python3";
    stdenv = {
      buildPlatform.canExecute = _: true;
      hostPlatform = { };
    };
    formats.toml = _: {
      type = lib.types.attrsOf lib.types.unspecified;
      generate = name: value: stored name value { inherit value; };
    };
    runCommand =
      name: environment: command:
      stored name { inherit environment command; } { inherit environment command; };
    # Of packages.nix, which is all that is called.
    callPackage =
      file:
      {
        withHub ? true,
        ...
      }:
      package (
        if baseNameOf file == "up.nix" then
          "sysmonstm-up"
        else if withHub then
          "sysmonstm-0.1.0"
        else
          "sysmonstm-collector-0.1.0"
      )
      // {
        meta.mainProgram = baseNameOf file;
      };
    # Of the flake, which only names them.
    inherit lib;
    testers.runNixOSTest = test: test;
    nixfmt-tree = package "nixfmt-tree";
    mkShell = _: package "shell";
  };

  module =
    { config, ... }:
    {
      options = {
        assertions = option (types.listOf types.unspecified) [ ];

        boot.kernel.sysctl = option (types.attrsOf types.unspecified) { };

        environment.etc = option (types.attrsOf (
          types.submodule {
            options = {
              source = option types.unspecified null;
              text = option (types.nullOr types.lines) null;
            };
          }
        )) { };
        environment.systemPackages = option (types.listOf types.package) [ ];

        networking.enableIPv6 = option types.bool true;
        networking.firewall.allowedTCPPorts = option (types.listOf types.port) [ ];

        services.postgresql = {
          enable = option types.bool false;
          extensions = option (types.functionTo (types.listOf types.package)) (_: [ ]);
          package = option types.package (package "postgresql" // { version = "17.6"; });
          finalPackage = option types.package (package "postgresql");
          settings.port = option types.port 5432;
          settings.shared_preload_libraries = option (types.listOf types.str) [ ];
        };

        services.redis.servers = option (types.attrsOf (
          types.submodule (
            { name, ... }:
            {
              options = {
                enable = option types.bool false;
                port = option types.port 0;
                unixSocket = option (types.nullOr types.path) "/run/redis-${name}/redis.sock";
                unixSocketPerm = option types.int 660;
                user = option types.str "redis-${name}";
                group = option types.str "redis-${name}";
                save = option (types.listOf (types.listOf types.int)) [
                  [
                    900
                    1
                  ]
                ];
              };
            }
          )
        )) { };

        # A machine that is built from another, by the options that are declared here.
        specialisation = option (types.attrsOf (
          types.submodule { options.configuration = option types.deferredModule { }; }
        )) { };

        system.configurationRevision = option (types.nullOr types.str) null;
        system.forbiddenDependenciesRegexes = option (types.listOf types.str) [ ];
        system.switch.enable = option types.bool false;

        systemd.package = option types.package (package "systemd");
        systemd.packages = option (types.listOf types.package) [ ];
        systemd.services = units {
          stopIfChanged = option types.bool true;
          environment = option (types.attrsOf types.str) { };
          script = option types.lines "";
          serviceConfig = option directives { };
        };
        systemd.sockets = units { socketConfig = option directives { }; };
        systemd.targets = units { };
        systemd.tmpfiles.settings = option (types.attrsOf (
          types.attrsOf (
            types.attrsOf (
              types.submodule {
                options = {
                  argument = option types.str "";
                  mode = option types.str "-";
                };
              }
            )
          )
        )) { };

        virtualisation.memorySize = option types.int 1024;

        users.users = option (types.attrsOf (
          types.submodule {
            options = {
              isSystemUser = option types.bool false;
              group = option types.str "";
              description = option types.str "";
              extraGroups = option (types.listOf types.str) [ ];
            };
          }
        )) { };
        users.groups = option (types.attrsOf (types.submodule { })) { };
      };
    };
}
