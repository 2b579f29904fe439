# What the database and Redis have in common: who uses them, and what must not be said of them.
{ config, lib }:

let
  cfg = config.services.sysmonstm;
in
{
  # The enabled parts that use both, by the names of their options.
  users = lib.filter (part: cfg.${part}.enable) [
    "aggregator"
    "gateway"
    "alerts"
  ];

  # { part, setting, store } to the assertions about one part's address of a store.
  assertions =
    {
      part,
      setting,
      store,
    }:
    let
      settings = cfg.${part}.settings;
      address = settings.${setting} or "";
    in
    [
      {
        assertion = cfg.${store}.createLocally || cfg.${store}.urlFile != null || settings ? ${setting};
        message = ''
          services.sysmonstm.${part} does not know where its ${store} is. Have one made on this machine
          (services.sysmonstm.${store}.createLocally = true), or put the address of another into a file and name that by
          services.sysmonstm.${store}.urlFile.
        '';
      }
      {
        assertion = builtins.match ".*(//[^/@]*:[^/@]+@|password *=).*" address == null;
        message = ''
          services.sysmonstm.${part}.settings.${setting} has a password, which would be in the Nix store, for everybody on
          this machine to read. Put the address into a file, and name that by services.sysmonstm.${store}.urlFile.
        '';
      }
    ];

  # That the two ways of saying where a store is do not contradict each other.
  oneOf = store: {
    assertion = !(cfg.${store}.createLocally && cfg.${store}.urlFile != null);
    message = ''
      services.sysmonstm.${store}.createLocally makes a ${store} on this machine, and urlFile names another. Leave one
      of them away.
    '';
  };
}
