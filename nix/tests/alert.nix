# A rule that is written in Nix fires, and its notification reaches a receiver, whose address is a secret.
{
  name = "sysmonstm-alert";

  nodes.hub =
    { pkgs, ... }:
    {
      virtualisation.memorySize = 2048;

      services.sysmonstm = {
        hub.enable = true;
        collector.interval = 1;
        alerts = {
          webhookUrlFile = "/run/secrets/webhook";
          rules.always = {
            metric = "memory.percent";
            threshold = 0;
            severity = "critical";
            message = "{machine} has memory";
          };
        };
      };

      system.switch.enable = true;
      specialisation.more.configuration.services.sysmonstm.alerts.rules.later = {
        metric = "cpu.percent";
        threshold = 99;
      };

      # Only root may read it; the daemon gets a copy of its own.
      systemd.tmpfiles.settings."10-webhook"."/run/secrets/webhook"."f+" = {
        mode = "0400";
        argument = "http://127.0.0.1:9000/hook";
      };

      systemd.services.receiver = {
        description = "Writes what it is posted into the journal";
        wantedBy = [ "multi-user.target" ];
        serviceConfig.ExecStart = "${pkgs.python3}/bin/python3 -u ${./receiver.py}";
      };
    };

  testScript = ''
    hub.wait_for_unit("sysmon-alertd.service")
    hub.wait_for_unit("receiver.service")

    with subtest("the alert reaches the receiver"):
        hub.wait_until_succeeds("journalctl --unit receiver --output cat --grep 'hub has memory'", timeout=90)

    with subtest("its address is in no file that others may read"):
        hub.succeed("grep --dereference-recursive --quiet redis-sysmon /etc/sysmonstm/")
        hub.fail("grep --dereference-recursive --quiet 127.0.0.1:9000 /etc/sysmonstm/")

    with subtest("a rule that changes is taken by a reload"):
        before = hub.succeed("systemctl show --value --property MainPID sysmon-alertd")
        assert "always" in hub.succeed("sysmonctl rules") and "later" not in hub.succeed("sysmonctl rules")
        hub.succeed("/run/current-system/specialisation/more/bin/switch-to-configuration test")
        hub.wait_until_succeeds("sysmonctl rules | grep later", timeout=30)
        assert hub.succeed("systemctl show --value --property MainPID sysmon-alertd") == before
  '';
}
