# Every package, from a nixpkgs that has none of them.
{ callPackage }:

rec {
  sysmonstm = callPackage ./package.nix { };
  sysmonstm-collector = callPackage ./package.nix { withHub = false; };
  sysmonstm-up = callPackage ./up.nix { inherit sysmonstm; };
}
