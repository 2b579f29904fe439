{
  description = "Real-time monitoring of many Linux machines, for people who run NixOS and systemd";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      forEachSystem =
        make:
        nixpkgs.lib.genAttrs [
          "x86_64-linux"
          "aarch64-linux"
        ] (system: make (nixpkgs.legacyPackages.${system}.extend self.overlays.default));
    in
    {
      nixosModules.default = ./nix/module;

      overlays.default = final: _: import ./nix/packages.nix { inherit (final) callPackage; };

      packages = forEachSystem (pkgs: {
        default = pkgs.sysmonstm;
        inherit (pkgs) sysmonstm sysmonstm-collector sysmonstm-up;
      });

      # `nix run` shows this machine live in a browser.
      apps = forEachSystem (pkgs: {
        default = {
          type = "app";
          program = nixpkgs.lib.getExe pkgs.sysmonstm-up;
          inherit (pkgs.sysmonstm-up) meta;
        };
      });

      checks = forEachSystem (pkgs: import ./nix/checks.nix { inherit pkgs; });

      devShells = forEachSystem (pkgs: {
        default = import ./nix/shell.nix { inherit pkgs; };
      });

      formatter = forEachSystem (pkgs: pkgs.nixfmt-tree);
    };
}
