# A daemon that hangs is replaced by systemd, whichever it is.
{
  name = "sysmonstm-watchdog";

  nodes.hub = {
    virtualisation.memorySize = 2048;
    services.sysmonstm.hub.enable = true;
  };

  testScript = ''
    def pid(daemon):
        return hub.succeed(f"systemctl show --value --property MainPID sysmon-{daemon}").strip()


    for daemon in ("aggregatord", "gatewayd", "alertd", "collectord"):
        hub.wait_for_unit(f"sysmon-{daemon}.service")

    for daemon in ("aggregatord", "gatewayd", "alertd", "collectord"):
        with subtest(f"{daemon} hangs and is replaced"):
            before = pid(daemon)
            hub.succeed(f"kill -STOP {before}")
            with hub.nested("waiting for another process"):
                retry(lambda _: pid(daemon) not in (before, "0"))
            hub.wait_for_unit(f"sysmon-{daemon}.service")

    hub.wait_until_succeeds("curl --fail --silent http://127.0.0.1:8000/ready", timeout=60)
  '';
}
