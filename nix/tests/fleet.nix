# Two machines and a hub: each is shown under its own name, with values of its own, by daemons that are not root.
{
  name = "sysmonstm-fleet";

  nodes =
    let
      watched = {
        services.sysmonstm.collector = {
          enable = true;
          aggregatorUrls = [ "hub:50051" ];
          interval = 1;
        };
        # What a machine that only sends has no use for.
        system.forbiddenDependenciesRegexes = map (name: "-${name}-[0-9]") [
          "aiohttp"
          "numpy"
          "psycopg"
          "redis"
          "sysmonstm"
          "uplot"
        ];
      };
    in
    {
      hub = {
        virtualisation.memorySize = 2048;
        services.sysmonstm = {
          hub.enable = true;
          aggregator.openFirewall = true;
        };
      };
      web1 = watched;
      web2 = watched;
    };

  testScript = ''
    import json


    def ask(path):
        return json.loads(hub.succeed(f"curl --fail --silent http://127.0.0.1:8000/api/{path}"))


    def value(machine, metric):
        for one in ask(f"machines/{machine}/metrics")["metrics"]:
            if one["metric"] == metric:
                return one["values"][0]["value"]


    start_all()
    for machine in (hub, web1, web2):
        machine.wait_for_unit("sysmon-collectord.service")
    hub.wait_for_unit("sysmon-gatewayd.service")

    for name in ("hub", "web1", "web2"):
        hub.wait_until_succeeds(f"curl --fail --silent http://127.0.0.1:8000/api/machines/{name}/metrics", timeout=60)

    for machine in (web1, web2):
        facts = {one["machine"]: one["facts"] for one in ask("machines")["machines"]}
        with subtest(f"{machine.name} is itself, and its values are its own"):
            assert facts[machine.name]["hostname"] == machine.name
            total = int(machine.succeed("grep MemTotal /proc/meminfo").split()[1]) * 1024
            assert abs(value(machine.name, "memory.total") - total) < 2**20
            assert value(machine.name, "system.uptime") > 0

    with subtest("history is kept, in TimescaleDB"):
        hub.wait_until_succeeds(
            "runuser -u postgres -- psql -At sysmon -c 'SELECT count(*) > 10 FROM frames' | grep --quiet t", timeout=60
        )
        chunked = "SELECT count(*) FROM timescaledb_information.hypertables"
        assert int(hub.succeed(f"runuser -u postgres -- psql -At sysmon -c '{chunked}'")) > 0

    with subtest("nobody is root"):
        for daemon in ("aggregatord", "gatewayd", "alertd", "collectord"):
            pid = hub.succeed(f"systemctl show --value --property MainPID sysmon-{daemon}").strip()
            assert hub.succeed(f"stat --format %U /proc/{pid}").strip() == f"sysmon-{daemon}"

    with subtest("doctor finds nothing that does not work"):
        for machine in (hub, web1):
            status, said = machine.execute("sysmonctl doctor")
            assert status < 2, said
  '';
}
