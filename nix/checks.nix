# What `nix flake check` builds: the packages, whose pure tests run as they are built; the module's evaluation; the layout of
# the Nix code; and whole machines, one test for each behaviour.
{ pkgs }:

let
  inherit (pkgs) lib;

  machines =
    test:
    pkgs.testers.runNixOSTest {
      imports = [ test ];
      defaults.imports = [ ./module ];
    };

  source = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.fileFilter (file: file.hasExt "nix") ../.;
  };
in
{
  inherit (pkgs) sysmonstm sysmonstm-collector sysmonstm-up;

  format = pkgs.runCommand "format" { nativeBuildInputs = [ pkgs.nixfmt ]; } ''
    find ${source} -name '*.nix' -exec nixfmt --check {} +
    touch $out
  '';

  # With the stand-ins that the tests have, by this nixpkgs' lib.
  evaluation = pkgs.runCommand "evaluation" { nativeBuildInputs = [ pkgs.nix ]; } ''
    export NIX_STATE_DIR=$TMPDIR
    nix-instantiate --eval --strict --json --readonly-mode \
      ${source}/tests/nix/evaluate.nix --arg library ${pkgs.path}/lib >$out
  '';
}
// lib.mapAttrs (_: machines) (import ./tests)
