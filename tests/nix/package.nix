# Evaluates nix/package.nix with stand-ins for what it takes from nixpkgs, to what the tests look at.
{ lib }:

{ withHub }:

let
  versions = import ./python_packages.nix;
  drawn = args: args // { outPath = "/nix/store/00000000000000000000000000000000-${args.name}"; };

  python3Packages = lib.mapAttrs (pname: version: { inherit pname version; }) versions // {
    psycopg = {
      pname = "psycopg";
      version = versions.psycopg;
      optional-dependencies = {
        c = [ { pname = "psycopg-c"; } ];
        pool = [ { pname = "psycopg-pool"; } ];
      };
    };
    python.sitePackages = "lib/python3.13/site-packages";
    makePythonPath = packages: lib.concatMapStringsSep ":" (one: "/nix/store/${one.pname}") packages;
    buildPythonApplication = args: args;
  };

  package = import ../../nix/package.nix {
    inherit lib python3Packages withHub;
    stdenvNoCC.mkDerivation = drawn;
    nodejs = "nodejs";
    esbuild = "esbuild";
    importNpmLock = {
      __functor = _: args: args;
      npmConfigHook = "npmConfigHook";
    };
    coreutils = "/nix/store/coreutils";
    cacert = "cacert";
  };
  names = map (one: one.pname);
in
{
  inherit (package)
    pname
    version
    npmRoot
    pythonRemoveDeps
    pythonImportsCheck
    makeWrapperArgs
    doCheck
    enabledTestPaths
    ;
  inherit (package.meta) description mainProgram;
  # The script is copied into the store, to a path that its contents make.
  postInstall = builtins.unsafeDiscardStringContext package.postInstall;
  dependencies = names package.dependencies;
  build = names package.build-system;
  check = names package.nativeCheckInputs;
  tools = package.nativeBuildInputs;
  web = {
    wanted = lib.attrNames (
      package.npmDeps.package.dependencies // package.npmDeps.package.devDependencies or { }
    );
    locked = lib.attrNames package.npmDeps.packageLock.packages;
  };
  tarballs = lib.mapAttrs (_: one: { inherit (one) name buildCommand outputHash; }) (
    package.npmDeps.packageSourceOverrides
  );
}
