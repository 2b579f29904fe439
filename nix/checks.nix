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
    fileset = lib.fileset.unions [
      (lib.fileset.fileFilter (file: file.hasExt "nix") ../.)
      ../flake.lock
      ../pyproject.toml
      ../tests/nix/recorded.json
      ../web/package-lock.json
      ../web/package.json
      ./install.sh
      ./pure-tests.txt
      ./tests/receiver.py
    ];
  };
in
{
  inherit (pkgs) sysmonstm sysmonstm-collector sysmonstm-up;

  format = pkgs.runCommand "format" { nativeBuildInputs = [ pkgs.nixfmt ]; } ''
    find ${source} -name '*.nix' -exec nixfmt --check {} +
    touch $out
  '';

  # With the stand-ins that the tests have, by this nixpkgs' lib: what comes out is what is recorded, and looked at by them.
  evaluation =
    pkgs.runCommand "evaluation"
      {
        nativeBuildInputs = with pkgs; [
          jq
          nix
        ];
      }
      ''
        for name in CONF LOCALSTATE LOG STATE; do
          export NIX_''${name}_DIR=$TMPDIR/nix
        done
        nix-instantiate --eval --strict --json --readonly-mode \
          ${source}/tests/nix/evaluate.nix --arg library ${pkgs.path + "/lib"} |
          jq --sort-keys . >$out
        jq --sort-keys 'del(.sources)' ${source}/tests/nix/recorded.json | diff --unified - $out
      '';
}
// lib.mapAttrs (_: machines) (import ./tests)
