# `nix develop`: what `make test` wants to find on PATH; Python's packages it installs into .venv itself.
{ pkgs }:

pkgs.mkShell {
  packages = with pkgs; [
    chromium
    gcc
    gnumake
    nix
    nixfmt
    nodejs
    pkg-config
    (postgresql_17.withPackages (extensions: [ extensions.timescaledb-apache ]))
    python313
    redis
    systemd
  ];
}
