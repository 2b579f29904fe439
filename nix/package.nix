# The Python package, its units, SQL and web files. Without the hub it is what a watched machine needs: the collector and
# sysmonctl, with neither web code nor clients of Redis and PostgreSQL in their closure.
{
  lib,
  stdenvNoCC,
  python3Packages,
  nodejs,
  esbuild,
  importNpmLock,
  coreutils,
  cacert,
  withHub ? true,
}:

let
  inherit (lib) fileset;
  inherit (lib.importTOML ../pyproject.toml) project;

  # What the dashboard loads, without what only looks at its code, and without npm's esbuild: there is nixpkgs' own.
  unwanted = [
    "devDependencies"
    "optionalDependencies"
  ];
  webPackage = removeAttrs (lib.importJSON ../web/package.json) unwanted;
  webLock =
    let
      whole = lib.importJSON ../web/package-lock.json;
      loaded = lib.filterAttrs (_: module: !(module.dev or module.optional or false)) whole.packages;
    in
    whole // { packages = lib.mapAttrs (_: module: removeAttrs module unwanted) loaded; };

  # The lock file names no registry, so npm asks its own; what that answers must have the hash in the lock file.
  fetchModule =
    modulePath:
    { version, integrity, ... }:
    let
      name = lib.removePrefix "node_modules/" modulePath;
    in
    stdenvNoCC.mkDerivation {
      name = "${baseNameOf name}-${version}.tgz";
      nativeBuildInputs = [
        nodejs
        cacert
      ];
      buildCommand = ''
        HOME=$TMPDIR npm pack --silent ${lib.escapeShellArg "${name}@${version}"}
        mv *.tgz $out
      '';
      outputHashMode = "flat";
      outputHash = integrity;
      impureEnvVars = lib.fetchers.proxyImpureEnvVars;
    };

  dependencies =
    with python3Packages;
    [
      annotated-types
      dbus-fast
      grpcio
      protobuf
      psutil
      pydantic
      sdnotify
      systemd-python
    ]
    ++ lib.optionals withHub (
      [
        aiohttp
        aiohttp-jinja2
        numpy
        psycopg
        redis
      ]
      # The implementation in C finds libpq without ctypes, for which the units leave no room (MemoryDenyWriteExecute).
      ++ psycopg.optional-dependencies.c
      ++ psycopg.optional-dependencies.pool
    );
in
python3Packages.buildPythonApplication {
  pname = if withHub then "sysmonstm" else "sysmonstm-collector";
  inherit (project) version;
  pyproject = true;

  src = fileset.toSource {
    root = ../.;
    fileset =
      fileset.difference
        (fileset.unions [
          ../LICENSE
          ../README.md
          ../daemons
          ../proto
          ../pyproject.toml
          ../sql
          ../tests
          ../units
          ../web
        ])
        (
          fileset.unions (
            map fileset.maybeMissing [
              ../daemons/sysmon
              ../tests/output
              ../web/node_modules
              ../web/static/bundle
              ../web/static/vendor
            ]
          )
        );
  };

  npmRoot = "web";
  npmDeps = importNpmLock {
    npmRoot = ../web;
    package = webPackage;
    packageLock = webLock;
    packageSourceOverrides = lib.mapAttrs fetchModule (removeAttrs webLock.packages [ "" ]);
  };

  nativeBuildInputs = [
    nodejs
    esbuild
    importNpmLock.npmConfigHook
  ];

  build-system = with python3Packages; [
    grpcio-tools
    hatchling
  ];

  inherit dependencies;

  # `binary` is a wheel with a libpq of its own; it is not wanted here.
  postPatch = ''
    substituteInPlace pyproject.toml --replace-fail 'psycopg[binary,pool]' 'psycopg[c,pool]'
  '';

  pythonRemoveDeps = lib.optionals (!withHub) [
    "aiohttp"
    "aiohttp-jinja2"
    "numpy"
    "psycopg"
    "redis"
  ];

  postInstall = ''
    site=$out/${python3Packages.python.sitePackages} kill=${coreutils}/bin/kill \
      bash ${./install.sh} ${if withHub then "aggregatord gatewayd alertd collectord" else "collectord"}
  '';

  # `sysmonctl up` and `doctor` start Python anew, by its own name.
  makeWrapperArgs = [
    "--prefix PYTHONPATH : ${placeholder "out"}/${python3Packages.python.sitePackages}:${python3Packages.makePythonPath dependencies}"
  ];

  pythonImportsCheck = [
    "sysmonstm.collectord.__main__"
    "sysmonstm.ctl.__main__"
    "sysmonstm.ctl.doctor.report"
  ]
  ++ lib.optionals withHub [
    "sysmonstm.aggregatord.__main__"
    "sysmonstm.alertd.__main__"
    "sysmonstm.gatewayd.__main__"
  ];

  doCheck = withHub;

  nativeCheckInputs = with python3Packages; [
    hypothesis
    pytest-asyncio
    pytestCheckHook
    trustme
  ];

  # Those that need neither a server, a browser, a network nor another process than Python's own.
  enabledTestPaths = lib.splitString "\n" (lib.trim (lib.readFile ./pure-tests.txt));

  meta = {
    inherit (project) description;
    license = lib.licenses.mit;
    platforms = lib.platforms.linux;
    mainProgram = "sysmonctl";
  };
}
