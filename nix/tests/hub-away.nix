# The hub's plug is pulled and put back: no sample of the machine is missing in between, and none is there twice.
{
  name = "sysmonstm-hub-away";

  nodes = {
    hub = {
      virtualisation.memorySize = 2048;
      services.sysmonstm = {
        hub.enable = true;
        aggregator.openFirewall = true;
      };
    };
    web1.services.sysmonstm.collector = {
      enable = true;
      aggregatorUrls = [ "hub:50051" ];
      interval = 1;
    };
  };

  testScript = ''
    def sql(query):
        return hub.succeed(f'runuser -u postgres -- psql -At sysmon -c "{query}"').strip()


    of_web1 = "FROM frames f JOIN machines m ON m.id = f.machine WHERE m.name = 'web1'"
    newest = f"SELECT coalesce(extract(epoch FROM max(f.time)), 0)::bigint {of_web1}"

    start_all()
    hub.wait_for_unit("sysmon-aggregatord.service")
    web1.wait_for_unit("sysmon-collectord.service")
    hub.wait_until_succeeds(
        "runuser -u postgres -- psql -At sysmon -c 'SELECT count(*) > 10 FROM frames' | grep --quiet t", timeout=90
    )

    hub.crash()
    web1.wait_until_succeeds("journalctl --unit sysmon-collectord --output cat --grep uplink.away", timeout=90)
    web1.sleep(20)
    back = int(web1.succeed("date +%s"))
    hub.start()
    hub.wait_for_unit("sysmon-aggregatord.service")

    with subtest("what was read meanwhile comes"):
        with hub.nested("waiting for the backlog"):
            retry(lambda _: int(sql(newest)) > back)

    with subtest("nothing is missing, and nothing is there twice"):
        pauses = f"SELECT f.time - lag(f.time) OVER (ORDER BY f.time) AS pause {of_web1}"
        # A missed sample would be 2 s; two that are taken next to each other are as far apart as the machine was busy.
        assert float(sql(f"SELECT extract(epoch FROM max(pause)) FROM ({pauses}) pauses")) < 2
        assert sql(f"SELECT count(*) = count(DISTINCT f.time) {of_web1}") == "t"
        lost = "SELECT count(*) FROM gaps g JOIN streams s ON s.id = g.stream JOIN machines m ON m.id = s.machine"
        assert sql(f"{lost} WHERE m.name = 'web1'") == "0"
  '';
}
