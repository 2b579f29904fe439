# The packages of Python that package.nix may use, with the lowest version that the release of nixpkgs in flake.lock may have:
# that of its files from shortly before the release, as those of the pinned revision itself could not be seen.
{
  aiohttp = "3.13.3";
  aiohttp-jinja2 = "1.6";
  annotated-types = "0.7.0";
  dbus-fast = "3.1.2";
  grpcio = "1.78.1";
  grpcio-tools = "1.78.1";
  hatchling = "1.28.0";
  hypothesis = null;
  numpy = "2.3.4";
  protobuf = "6.33.1";
  psutil = "7.1.2";
  psycopg = "3.2.10";
  pydantic = "2.12.4";
  pytest-asyncio = "1.3.0";
  pytestCheckHook = null;
  redis = "7.1.0";
  sdnotify = "0.3.2";
  systemd-python = "235";
  trustme = null;
}
