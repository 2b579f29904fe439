# `nix run`: this machine, live in a browser, with a private Redis and PostgreSQL.
{
  writeShellApplication,
  postgresql_17,
  redis,
  sysmonstm,
}:

writeShellApplication {
  name = "sysmonstm-up";
  runtimeInputs = [
    (postgresql_17.withPackages (extensions: [ extensions.timescaledb-apache ]))
    redis
    sysmonstm
  ];
  text = ''exec sysmonctl up "$@"'';
  meta = {
    description = "Shows this machine live in a browser, with nothing to set up";
    inherit (sysmonstm.meta) license platforms;
  };
}
