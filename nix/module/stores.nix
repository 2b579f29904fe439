# What may be said of where a store is, and what not. A function of
#
#   store    "redis"
#   setting  "redis_url"
#   local    from the name of a part to the address of the one on this machine, if there is one
{ config, lib }:

{
  store,
  setting,
  local,
}:

let
  cfg = config.services.sysmonstm;
  own = cfg.${store};
  name = "services.sysmonstm.${store}";

  # Those that use both stores, by the names of their options.
  users = lib.filter (part: cfg.${part}.enable) [
    "aggregator"
    "gateway"
    "alerts"
  ];

  of =
    part:
    let
      inherit (cfg.${part}) settings;
      address = toString (settings.${setting} or "");
    in
    [
      {
        assertion = own.createLocally || own.urlFile != null || settings ? ${setting};
        message = ''
          services.sysmonstm.${part} does not know where its ${store} is. Have one made on this machine
          (${name}.createLocally = true), or put the address of another into a file and name that by ${name}.urlFile.
        '';
      }
      {
        assertion =
          settings ? ${setting} -> (if own.createLocally then address == local part else own.urlFile == null);
        message = ''
          services.sysmonstm.${part}.settings.${setting} names a ${store}, and services.sysmonstm.${store} another. Leave one
          of them away; ${name}.createLocally = false has none made on this machine.
        '';
      }
      {
        assertion = builtins.match ".*(//[^/@]*:[^/@]+@|password *=).*" address == null;
        message = ''
          services.sysmonstm.${part}.settings.${setting} has a password, which would be in the Nix store, for everybody on
          this machine to read. Put the address into a file, and name that by ${name}.urlFile.
        '';
      }
    ];
in
[
  {
    assertion = !(own.createLocally && own.urlFile != null);
    message = ''
      ${name}.createLocally makes a ${store} on this machine, and ${name}.urlFile names another. Leave one of them away.
    '';
  }
]
++ lib.concatMap of users
